"""What is known, as of one sequence.

Sums are kept as of now; a view takes off the rows that came after it. So it holds no transaction
open between two questions, and a question costs what was stored since, not what is stored.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from managers.state import digests
from managers.state.database import Database
from managers.state.digests import digest, leaves_per_segment
from p2p.envelope import RecordId
from p2p.manifest import Digest, MonthKey, SegmentKey
from p2p.store import Root


class SqliteView:
    """A store as it was at one sequence; see `p2p.store.View`. It ends with its store's `close`.

    Of the rows that came later it keeps a sum for each segment, so that the next question reads no
    more than what came since the last: in a cold start these rows are all that there is. They are
    never deleted, moved or numbered again, so a sum stays true.

    A key may name several segments or months, if a peer has picked names whose hashes collide;
    the answer is then about all of them together.
    """

    def __init__(self, database: Database, store: bytes, seq: int) -> None:
        self._database = database
        self._store = store
        self.seq = seq
        self._summed_upto = seq
        self._later: defaultdict[int, Digest] = defaultdict(Digest)

    def root(self) -> Root:
        """Sum up everything known, and what of it is held."""
        with self._database.reading() as db:
            count, total, refused_count, refused_total = db.execute(
                "SELECT count, total, refused_count, refused_total FROM store"
            ).fetchone()
            later = sum(self._read_later(db).values(), start=Digest())
            later_refused = _sum_up(
                db.execute("SELECT 0, id FROM records WHERE seq > ? AND refused", (self.seq,))
            )[0]
        known = digest(count, total) - later
        refused = digest(refused_count, refused_total) - later_refused
        return Root(self._store, self.seq, known, known - refused)

    def months(self) -> Mapping[MonthKey, Digest]:
        """Sum up each month; empty ones are left out."""
        later: defaultdict[int, Digest] = defaultdict(Digest)
        with self._database.reading() as db:
            for segment, sum_ in self._read_later(db).items():
                (month,) = db.execute(
                    "SELECT month FROM segments WHERE id = ?", (segment,)
                ).fetchone()
                later[month] += sum_
            now = db.execute("SELECT id, key, count, total FROM months")
            return _sums_by_key(now, later)

    def segments(
        self, months: Collection[MonthKey]
    ) -> Mapping[MonthKey, Mapping[SegmentKey, Digest]]:
        """Sum up each segment of these months; empty ones are left out, and months without any."""
        found: dict[MonthKey, Mapping[SegmentKey, Digest]] = {}
        with self._database.reading() as db:
            later = self._read_later(db)
            for month in months:
                now = db.execute(
                    "SELECT segments.id, segments.key, segments.count, segments.total"
                    " FROM months JOIN segments ON segments.month = months.id WHERE months.key = ?",
                    (month,),
                )
                if sums := _sums_by_key(now, later):
                    found[month] = sums
        return found

    def leaves(self, segment: SegmentKey) -> Sequence[Digest]:
        """Sum up each of a segment's 256 leaves."""
        sums = [Digest()] * leaves_per_segment
        with self._database.reading() as db:
            for row, row_count in _segment_rows(db, segment):
                for leaf, kept in digests.leaves(db, row):
                    sums[leaf] += kept
                for leaf, later in _sum_up(self._later_in(db, row, row_count)).items():
                    sums[leaf] -= later
        return sums

    def ids(
        self, segment: SegmentKey, first: bytes, last: bytes, ids_max: int
    ) -> Sequence[RecordId]:
        """List the known ids from `first` to `last`, ascending: the lowest `ids_max` of them."""
        with self._database.reading() as db:
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

    def _read_later(self, db: sqlite3.Connection) -> Mapping[int, Digest]:
        """Sum up what came after this view, by the row of the segment."""
        (latest,) = db.execute("SELECT latest FROM store").fetchone()
        rows = db.execute("SELECT segment, id FROM records WHERE seq > ?", (self._summed_upto,))
        for segment, sum_ in _sum_up(rows).items():
            self._later[segment] += sum_
        self._summed_upto = latest
        return self._later

    def _later_in(
        self, db: sqlite3.Connection, segment: int, count: int
    ) -> Iterator[tuple[int, RecordId]]:
        """Return (leaf, id) of what came into one segment after this view.

        Of the two ways to them, all that came later or all of the segment, takes the shorter.
        """
        (latest,) = db.execute("SELECT latest FROM store").fetchone()
        way = "INDEXED BY records_by_segment" if latest - self.seq > count else "NOT INDEXED"
        later = db.execute(
            f"SELECT id FROM records {way} WHERE segment = ? AND seq > ?", (segment, self.seq)
        )
        return ((id_[0], id_) for (id_,) in later)  # leaf_of(id_), at a fifth of the price


def _segment_rows(db: sqlite3.Connection, key: SegmentKey) -> list[tuple[int, int]]:
    return db.execute("SELECT id, count FROM segments WHERE key = ?", (key,)).fetchall()


def _sum_up(rows: Iterable[tuple[int, RecordId]]) -> defaultdict[int, Digest]:
    """Sum up rows (number, id) by their number, holding none of them."""
    # Plain integers: this runs for every record, and `Digest` would cost several times as much.
    from_bytes = int.from_bytes
    counts: defaultdict[int, int] = defaultdict(int)
    totals: defaultdict[int, int] = defaultdict(int)
    for number, id_ in rows:
        counts[number] += 1
        totals[number] += from_bytes(id_, "big")
    sums: defaultdict[int, Digest] = defaultdict(Digest)
    for number, count in counts.items():
        sums[number] = Digest() + Digest(count, totals.pop(number))
    return sums


KeyT = TypeVar("KeyT", bound=bytes)


def _sums_by_key(
    now: Iterable[tuple[int, KeyT, int, bytes]], later: Mapping[int, Digest]
) -> dict[KeyT, Digest]:
    """Sum up rows (row, key, count, total) by key, less what came later to each row."""
    sums: defaultdict[KeyT, Digest] = defaultdict(Digest)
    for row, key, count, total in now:
        sums[key] += digest(count, total) - later.get(row, Digest())
    return {key: sum_ for key, sum_ in sums.items() if sum_.count}
