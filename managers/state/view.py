"""What is known, as of one sequence.

Sums are kept as of now; a view takes off the rows that came after it. So it holds no transaction
open between two questions, and a question costs what was stored since, not what is stored.
"""

import dataclasses
import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TypeVar

from managers.state import digests
from managers.state.database import Database
from managers.state.digests import digest, leaves_per_segment
from p2p.envelope import RecordId
from p2p.manifest import Digest, MonthKey, SegmentKey, leaf_of
from p2p.store import Root


@dataclasses.dataclass(frozen=True, slots=True)
class SqliteView:
    """A store as it was at one sequence; see `p2p.store.View`. It ends with its store's `close`.

    A key may name several segments or months, if a peer has picked names whose hashes collide;
    the answer is then about all of them together.
    """

    database: Database
    store: bytes
    seq: int

    def root(self) -> Root:
        """Sum up everything known, and what of it is held."""
        with self.database.reading() as db:
            count, total, refused_count, refused_total = db.execute(
                "SELECT count, total, refused_count, refused_total FROM store"
            ).fetchone()
            later = db.execute("SELECT id, refused FROM records WHERE seq > ?", (self.seq,))
            rows = later.fetchall()
        known = digest(count, total) - Digest.of(id_ for id_, _ in rows)
        refused = digest(refused_count, refused_total) - Digest.of(id_ for id_, bad in rows if bad)
        return Root(self.store, self.seq, known, known - refused)

    def months(self) -> Mapping[MonthKey, Digest]:
        """Sum up each month; empty ones are left out."""
        with self.database.reading() as db:
            now = db.execute("SELECT id, key, count, total FROM months").fetchall()
            later = db.execute(
                "SELECT segments.month, records.id FROM records"
                " JOIN segments ON segments.id = records.segment WHERE records.seq > ?",
                (self.seq,),
            ).fetchall()
        return _sums_by_key(now, later)

    def segments(self, months: Collection[MonthKey]) -> Mapping[SegmentKey, Digest]:
        """Sum up each segment of these months; empty ones are left out."""
        with self.database.reading() as db:
            now = [
                row
                for month in set(months)
                for row in db.execute(
                    "SELECT segments.id, segments.key, segments.count, segments.total"
                    " FROM months JOIN segments ON segments.month = months.id WHERE months.key = ?",
                    (month,),
                )
            ]
            later = db.execute(
                "SELECT segment, id FROM records WHERE seq > ?", (self.seq,)
            ).fetchall()
        return _sums_by_key(now, later)

    def leaves(self, segment: SegmentKey) -> Sequence[Digest]:
        """Sum up each of a segment's 256 leaves."""
        sums = [Digest()] * leaves_per_segment
        later: defaultdict[int, list[RecordId]] = defaultdict(list)
        with self.database.reading() as db:
            for row, row_count in _segment_rows(db, segment):
                for leaf, kept in digests.leaves(db, row):
                    sums[leaf] += kept
                for id_ in self._later_in(db, row, row_count):
                    later[leaf_of(id_)].append(id_)
        for leaf, ids in later.items():
            sums[leaf] -= Digest.of(ids)
        return sums

    def ids(
        self, segment: SegmentKey, first: bytes, last: bytes, ids_max: int
    ) -> Sequence[RecordId]:
        """List the known ids from `first` to `last`, ascending: the lowest `ids_max` of them."""
        with self.database.reading() as db:
            found = [
                id_
                for row, _ in _segment_rows(db, segment)
                for (id_,) in db.execute(
                    "SELECT id FROM records INDEXED BY records_by_segment"
                    " WHERE segment = ? AND id BETWEEN ? AND ? AND seq <= ? ORDER BY id LIMIT ?",
                    (row, first, last, self.seq, ids_max),
                )
            ]
        return sorted(found)[:ids_max]

    def _later_in(self, db: sqlite3.Connection, segment: int, count: int) -> Iterable[RecordId]:
        """Return the ids of one segment that came after this view.

        Of the two ways to them, all that came later or all of the segment, takes the shorter.
        """
        (latest,) = db.execute("SELECT latest FROM store").fetchone()
        way = "INDEXED BY records_by_segment" if latest - self.seq > count else "NOT INDEXED"
        later = db.execute(
            f"SELECT id FROM records {way} WHERE segment = ? AND seq > ?", (segment, self.seq)
        )
        return [id_ for (id_,) in later]


def _segment_rows(db: sqlite3.Connection, key: SegmentKey) -> list[tuple[int, int]]:
    return db.execute("SELECT id, count FROM segments WHERE key = ?", (key,)).fetchall()


KeyT = TypeVar("KeyT", bound=bytes)


def _sums_by_key(
    now: Iterable[tuple[int, KeyT, int, bytes]], later: Iterable[tuple[int, RecordId]]
) -> dict[KeyT, Digest]:
    """Sum up rows (row, key, count, total) by key, less the ids (row, id) that came later."""
    late: defaultdict[int, list[RecordId]] = defaultdict(list)
    for row, id_ in later:
        late[row].append(id_)
    sums: defaultdict[KeyT, Digest] = defaultdict(Digest)
    for row, key, count, total in now:
        sums[key] += digest(count, total) - Digest.of(late[row])
    return {key: sum_ for key, sum_ in sums.items() if sum_.count}
