"""A record store of dicts and sets: the reference that says what `p2p.store.Store` means.

Every answer is recomputed from the rows, so it is slow, and right by inspection.
"""

import bisect
import dataclasses
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TypeVar

from p2p.envelope import (
    NoEnvelope,
    Record,
    RecordId,
    RecordRefused,
    Segment,
    parse_record,
    record_id,
)
from p2p.kinds import Kinds
from p2p.manifest import (
    Digest,
    MonthKey,
    SegmentKey,
    leaf_bits_stored,
    leaf_of,
    month_key,
    segment_key,
)
from p2p.store import Ingested, Refusal, Root, Stored


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One known record, in the order of its sequence."""

    seq: int
    id: RecordId
    segment: Segment
    key: SegmentKey
    month: MonthKey
    refused: bool


@dataclasses.dataclass(frozen=True, slots=True)
class MemoryView:
    """The rows up to `seq`."""

    store: bytes
    seq: int
    rows: Sequence[Row]

    def root(self) -> Root:
        """Sum up everything known, and what of it is held."""
        known = Digest.of(row.id for row in self.rows)
        held = Digest.of(row.id for row in self.rows if not row.refused)
        return Root(self.store, self.seq, known, held)

    def months(self) -> Mapping[MonthKey, Digest]:
        """Sum up each month; empty ones are left out."""
        return _sums((row.month, row.id) for row in self.rows)

    def segments(
        self, months: Collection[MonthKey]
    ) -> Mapping[MonthKey, Mapping[SegmentKey, Digest]]:
        """Sum up each segment of these months; months without any are left out."""
        by_month = {
            month: _sums((row.key, row.id) for row in self.rows if row.month == month)
            for month in months
        }
        return {month: sums for month, sums in by_month.items() if sums}

    def leaves(self, segment: SegmentKey) -> Sequence[Digest]:
        """Sum up each of a segment's 256 leaves."""
        sums = _sums((leaf_of(row.id), row.id) for row in self.rows if row.key == segment)
        return [sums.get(leaf, Digest()) for leaf in range(1 << leaf_bits_stored)]

    def ids(
        self, segment: SegmentKey, first: bytes, last: bytes, ids_max: int
    ) -> Sequence[RecordId]:
        """List the known ids from `first` to `last`, ascending: the lowest `ids_max` of them."""
        known = sorted(row.id for row in self.rows if row.key == segment)
        return [id_ for id_ in known if first <= id_ <= last][:ids_max]


KeyT = TypeVar("KeyT")


def _sums(ids: Iterable[tuple[KeyT, RecordId]]) -> dict[KeyT, Digest]:
    found: defaultdict[KeyT, list[RecordId]] = defaultdict(list)
    for key, id_ in ids:
        found[key].append(id_)
    return {key: Digest.of(of_key) for key, of_key in found.items()}


class MemoryStore:
    """A node's records, gone with the process."""

    def __init__(self, kinds: Kinds | None = None, store_id: bytes = bytes(8)) -> None:
        self.id = store_id
        self.rows: list[Row] = []
        self.held: dict[RecordId, Record] = {}
        self.refusals: dict[RecordId, str] = {}
        """Reasons, with those of records that have no envelope and so no row."""
        self._kinds = Kinds() if kinds is None else kinds

    def view(self, seq: int | None = None) -> MemoryView:
        """Return the store as of `seq`, by default now. Raises `ValueError` if `seq` is ahead."""
        latest = self.rows[-1].seq if self.rows else 0
        seq = latest if seq is None else seq
        if not 0 <= seq <= latest:
            raise ValueError(f"sequence {seq} is not from 0 to {latest}")
        end = bisect.bisect_right(self.rows, seq, key=lambda row: row.seq)
        return MemoryView(self.id, seq, tuple(self.rows[:end]))

    def ingest(self, batch: Iterable[bytes], now_ms: int) -> Ingested:
        """Check and store a batch."""
        stored: list[Stored] = []
        known: list[RecordId] = []
        refused: list[Refusal] = []
        refused_before: list[RecordId] = []
        for data in batch:
            id_ = record_id(data)
            if id_ in self.held:
                known.append(id_)
            elif id_ in self.refusals:
                refused_before.append(id_)
            elif (reason := self._refuse(data)) is not None:
                refused.append(Refusal(id_, reason))
            else:
                record = self.held[id_]
                seq = self.rows[-1].seq
                stored.append(Stored(seq, id_, record.kind, record.config, record.producer))
        return Ingested(tuple(stored), tuple(known), tuple(refused), tuple(refused_before))

    def bodies(self, ids: Collection[RecordId]) -> Mapping[RecordId, bytes]:
        """Return the bytes of those records that are held; refused and unknown ones are absent."""
        return {id_: self.held[id_].data for id_ in ids if id_ in self.held}

    def _refuse(self, data: bytes) -> str | None:
        """Store the record, or remember it as refused and return the reason."""
        try:
            record = parse_record(data)
        except NoEnvelope as error:
            self.refusals[record_id(data)] = str(error)
            return str(error)
        reason = None
        try:
            self._kinds.check(record)
        except RecordRefused as error:
            reason = str(error)
            self.refusals[record.id] = reason
        else:
            self.held[record.id] = record
        segment = record.segment
        key, month = segment_key(segment), month_key(segment)
        seq = len(self.rows) + 1
        self.rows.append(Row(seq, record.id, segment, key, month, refused=reason is not None))
        return reason
