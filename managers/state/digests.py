"""The sums over known ids that are kept with the rows: per leaf, segment, month and store."""

import sqlite3
import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from p2p.envelope import RecordId
from p2p.manifest import Digest, leaf_bits_stored

leaves_per_segment = 1 << leaf_bits_stored

_total_modulus = 1 << 256
_leaf = struct.Struct(">BQ32s")
"""What `leaves.sums` holds of each leaf that is not empty: its number, count and total."""


def digest(count: int, total: bytes) -> Digest:
    """Return the sum that two columns hold."""
    return Digest(count, int.from_bytes(total, "big"))


def leaves(db: sqlite3.Connection, segment: int) -> Iterator[tuple[int, Digest]]:
    """Return each leaf of a segment that is not empty, with its sum."""
    row = db.execute("SELECT sums FROM leaves WHERE segment = ?", (segment,)).fetchone()
    for leaf, count, total in _leaf.iter_unpack(row[0] if row else b""):
        yield leaf, digest(count, total)


def add(
    db: sqlite3.Connection,
    known: Mapping[int, Sequence[RecordId]],
    refused: Mapping[int, Sequence[RecordId]],
) -> None:
    """Add new ids, by segment, to the sums at every level; the refused are among the known."""
    months: defaultdict[int, Digest] = defaultdict(Digest)
    months_refused: defaultdict[int, Digest] = defaultdict(Digest)
    for segment, ids in known.items():
        month, count, total, sums = db.execute(
            "SELECT month, count, total, sums FROM segments"
            " LEFT JOIN leaves ON leaves.segment = segments.id WHERE segments.id = ?",
            (segment,),
        ).fetchone()
        more = Digest.of(ids)
        kept = digest(count, total) + more
        db.execute(
            "UPDATE segments SET count = ?, total = ? WHERE id = ?",
            (kept.count, kept.total_bytes, segment),
        )
        db.execute("REPLACE INTO leaves VALUES (?, ?)", (segment, _with_ids(sums or b"", ids)))
        months[month] += more
        months_refused[month] += Digest.of(refused.get(segment, ()))
    for month, more in months.items():
        _add(db, "months", month, more)
        _add(db, "months", month, months_refused[month], prefix="refused_")
    _add(db, "store", 1, sum(months.values(), start=Digest()))
    _add(db, "store", 1, sum(months_refused.values(), start=Digest()), prefix="refused_")


def _with_ids(sums: bytes, ids: Iterable[RecordId]) -> bytearray:
    """Add ids to `leaves.sums`, touching only the leaves that they are in."""
    # Plain integers: this runs for every record, and `Digest` would cost ten times as much.
    changed = bytearray(sums)
    numbers = changed[:: _leaf.size]
    for id_ in ids:
        leaf = id_[0]  # leaf_of(id_), at a fifth of the price
        at = numbers.find(leaf)
        if at < 0:
            at = len(numbers)
            numbers.append(leaf)
            changed += _leaf.pack(leaf, 0, bytes(32))
        _, count, total = _leaf.unpack_from(changed, at * _leaf.size)
        new_total = (int.from_bytes(total, "big") + int.from_bytes(id_, "big")) % _total_modulus
        _leaf.pack_into(changed, at * _leaf.size, leaf, count + 1, new_total.to_bytes(32, "big"))
    return changed


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
