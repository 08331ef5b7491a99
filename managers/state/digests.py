"""The sums over known ids that are kept with the rows: per leaf, segment, month and store."""

import sqlite3
import struct
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence

from p2p.envelope import RecordId
from p2p.manifest import Digest, leaf_bits_stored, leaf_of

leaves_per_segment = 1 << leaf_bits_stored

_total_modulus = 1 << 256
_leaf = struct.Struct(">BQ32s")
"""What `leaves.sums` holds of each leaf that is not empty: its number, count and total."""


def digest(count: int, total: bytes) -> Digest:
    """Return the sum that two columns hold."""
    return Digest(count, int.from_bytes(total, "big"))


def leaves(db: sqlite3.Connection, segment: int) -> Iterator[tuple[int, Digest]]:
    """Return each leaf of a segment that is not empty, with its sum."""
    for leaf, count, total in _read_leaves(db, segment):
        yield leaf, digest(count, total)


def _read_leaves(db: sqlite3.Connection, segment: int) -> Iterator[tuple[int, int, bytes]]:
    row = db.execute("SELECT sums FROM leaves WHERE segment = ?", (segment,)).fetchone()
    return _leaf.iter_unpack(row[0] if row else b"")


def add(
    db: sqlite3.Connection,
    known: Mapping[int, Sequence[RecordId]],
    refused: Mapping[int, Sequence[RecordId]],
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
    # Plain integers: this runs for every record, and `Digest` would cost ten times as much.
    more: defaultdict[int, int] = defaultdict(int)
    counts: defaultdict[int, int] = defaultdict(int)
    for id_ in ids:
        leaf = leaf_of(id_)
        counts[leaf] += 1
        more[leaf] += int.from_bytes(id_, "big")
    kept = {leaf: (count, total) for leaf, count, total in _read_leaves(db, segment)}
    for leaf, added in more.items():
        count, total = kept.get(leaf, (0, b""))
        new_total = (int.from_bytes(total, "big") + added) % _total_modulus
        kept[leaf] = (count + counts[leaf], new_total.to_bytes(32, "big"))
    packed = b"".join(_leaf.pack(leaf, *kept[leaf]) for leaf in sorted(kept))
    db.execute("REPLACE INTO leaves VALUES (?, ?)", (segment, packed))
    return Digest(len(ids), sum(more.values()) % _total_modulus)


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
