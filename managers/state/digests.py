"""The sums over known ids that are kept with the rows: per leaf, segment, month and store."""

import sqlite3
from collections import defaultdict
from collections.abc import Collection, Mapping

from p2p.envelope import RecordId
from p2p.manifest import Digest, leaf_bits_stored, leaf_of

leaves_per_segment = 1 << leaf_bits_stored


def digest(count: int, total: bytes) -> Digest:
    """Return the sum that two columns hold."""
    return Digest(count, int.from_bytes(total, "big"))


def leaf_row(segment: int, leaf: int) -> int:
    """Return the row of a segment's leaf in `leaves`."""
    return segment << leaf_bits_stored | leaf


def add(
    db: sqlite3.Connection,
    known: Mapping[int, Collection[RecordId]],
    refused: Mapping[int, Collection[RecordId]],
) -> None:
    """Add new ids, by segment, to the sums at every level; the refused are among the known."""
    months: defaultdict[int, Digest] = defaultdict(Digest)
    months_refused: defaultdict[int, Digest] = defaultdict(Digest)
    for segment, ids in known.items():
        more = _add_to_leaves(db, segment, ids)
        _add(db, "segments", segment, more)
        (month,) = db.execute("SELECT month FROM segments WHERE id = ?", (segment,)).fetchone()
        months[month] += more
        months_refused[month] += Digest.of(refused.get(segment, ()))
    for month, more in months.items():
        _add(db, "months", month, more)
        _add(db, "months", month, months_refused[month], prefix="refused_")
    _add(db, "store", 1, sum(months.values(), start=Digest()))
    _add(db, "store", 1, sum(months_refused.values(), start=Digest()), prefix="refused_")


def _add_to_leaves(db: sqlite3.Connection, segment: int, ids: Collection[RecordId]) -> Digest:
    """Add ids to a segment's leaves, and return their sum."""
    by_row: defaultdict[int, list[RecordId]] = defaultdict(list)
    for id_ in ids:
        by_row[leaf_row(segment, leaf_of(id_))].append(id_)
    more = {row: Digest.of(ids_of_leaf) for row, ids_of_leaf in by_row.items()}
    kept = {
        row: digest(count, total)
        for row, count, total in db.execute(
            "SELECT id, count, total FROM leaves WHERE id BETWEEN ? AND ?", (min(more), max(more))
        )
    }
    sums = {row: kept.get(row, Digest()) + added for row, added in more.items()}
    db.executemany(
        "REPLACE INTO leaves VALUES (?, ?, ?)",
        [(row, kept.count, kept.total_bytes) for row, kept in sums.items()],
    )
    return sum(more.values(), start=Digest())


def _add(db: sqlite3.Connection, table: str, row: int, more: Digest, prefix: str = "") -> None:
    if not more.count:
        return
    count, total = f"{prefix}count", f"{prefix}total"
    kept = digest(
        *db.execute(f"SELECT {count}, {total} FROM {table} WHERE rowid = ?", (row,)).fetchone()
    )
    kept += more
    db.execute(
        f"UPDATE {table} SET {count} = ?, {total} = ? WHERE rowid = ?",
        (kept.count, kept.total_bytes, row),
    )
