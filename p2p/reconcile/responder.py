"""The answering side: it keeps nothing between requests, so it has nothing to lose or leak."""

import dataclasses
from collections.abc import Mapping

from msgspec import msgpack

from p2p.codec import MalformedMessage, message_bytes_max, pack
from p2p.envelope import RecordId
from p2p.manifest import Digest, SegmentKey, leaf_bits_stored
from p2p.reconcile import filters, parts
from p2p.reconcile.messages import (
    Cut,
    ExactAnswer,
    ExactRequest,
    FiltersAnswer,
    FiltersRequest,
    LeavesAnswer,
    LeavesRequest,
    MonthSegments,
    Part,
    PartAnswer,
    PartFilter,
    SegmentDigest,
    SegmentsAnswer,
    SegmentsRequest,
    Snapshot,
    Stale,
    Wanted,
    digest_bytes,
    hashing,
    leaf_digest_bytes,
    leaves_per_answer_max,
    ping,
    records_per_answer_max,
    snapshot_rows_max,
    unpack_request,
)
from p2p.store import Store, View

ids_per_answer_max = 16_384
"""A responder looks at about this many of its ids for one request."""

_part_price = 4
"""What it takes to look for a part at all, in terms of ids read."""
_passed_over_per_id = 32
"""So many rows that came after the snapshot are passed over in the time in which an id is read."""
_taken_off_per_id = 8
"""Likewise, where they have to be taken off a sum."""

_months_at_once = 128
"""An answer has room for the segments of half as many."""

_header_bytes_max = 128


@dataclasses.dataclass(frozen=True, slots=True)
class Reply:
    """An answer, and the records to stream after it: those of `records` that are held here."""

    answer: bytes
    records: tuple[RecordId, ...] = ()


class Responder:
    """Answers requests about one store. Calls may touch the disk, as the store's do."""

    def __init__(self, store: Store, *, ids_per_answer: int = ids_per_answer_max) -> None:
        self._store = store
        self._ids_per_answer = ids_per_answer

    def answer(self, request: bytes) -> Reply:
        """Answer any request. Raises `MalformedMessage` saying what is wrong with it."""
        message = unpack_request(request)
        now = self._store.view()
        view = self._view(message.at, now)
        if view is None:
            return Reply(pack(Stale(Snapshot(self._store.id, now.seq))))
        if isinstance(message, SegmentsRequest):
            return Reply(pack(_segments(view, message)))
        reading = _Reading(view, self._ids_per_answer, now.seq - view.seq)
        if isinstance(message, LeavesRequest):
            return Reply(pack(_leaves(reading, message)))
        answer = (
            _filters(reading, message)
            if isinstance(message, FiltersRequest)
            else _exact(reading, message)
        )
        return Reply(pack(answer), tuple(reading.records))

    def _view(self, at: Snapshot | None, now: View) -> View | None:
        if at is None:
            return now
        if at.store != self._store.id or not 0 <= now.seq - at.seq <= snapshot_rows_max:
            return None
        return self._store.view(at.seq)


@dataclasses.dataclass(slots=True)
class _Reading:
    """What is read for one answer, and the records to send after it."""

    view: View
    ids_max: int
    later_rows: int
    """How many rows came after the view."""
    read: int = 0
    """How many ids, or what costs as much."""
    records: list[RecordId] = dataclasses.field(default_factory=list)

    @property
    def is_enough(self) -> bool:
        """Whether the answer is to end here."""
        return self.read >= self.ids_max or len(self.records) >= records_per_answer_max

    def sums(self, cut: Cut) -> list[Digest]:
        """Sum up the leaves of a part."""
        leaves = parts.sums(self.view, cut)
        if cut.part.bits < leaf_bits_stored:
            self._charge_part(_taken_off_per_id)
        else:
            self._charge_part(_passed_over_per_id)
            self.read += sum(leaf.count for leaf in leaves)
        return leaves

    def ids(self, part: Part, ids_max: int) -> list[RecordId] | None:
        """List a part; None if it has too many ids."""
        self._charge_part(_passed_over_per_id)
        ids: list[RecordId] = []
        for page in parts.pages(self.view, parts.check(part)):
            self.read += len(page)
            ids += page
            if len(ids) > ids_max:
                return None
        return ids

    def _charge_part(self, later_rows_per_id: int) -> None:
        # All later rows may lie in this part: where ids begin alike, they may have been picked.
        self.read += _part_price + self.later_rows // later_rows_per_id


def _filters(reading: _Reading, request: FiltersRequest) -> FiltersAnswer:
    """Find what each filter lacks, part by part, until enough was read, or the answer is full."""
    answers: list[PartAnswer] = []
    room = message_bytes_max - _header_bytes_max
    for asked in request.filters if request.hashing == hashing else ():
        ours = None if reading.is_enough else reading.ids(asked.part, parts.part_ids_max)
        if ours is None:
            break
        answer, lacking = _part_answer(asked, ours, request.salt)
        room -= len(msgpack.encode(answer))
        if room < 0:
            break
        answers.append(answer)
        reading.records += lacking
    return FiltersAnswer(tuple(answers))


def _part_answer(
    asked: PartFilter, ours: list[RecordId], salt: bytes
) -> tuple[PartAnswer, list[RecordId]]:
    lacking = filters.missing(asked.filter, ours, salt)
    surplus = asked.filter.n + len(lacking) - len(ours)
    back = filters.build(ours, salt, parts.error_rate(surplus)) if surplus > 0 else None
    digest = Digest.of(ours).short(leaf_digest_bytes, salt)
    return PartAnswer(len(ours), digest, len(lacking), back), lacking


def _exact(reading: _Reading, request: ExactRequest) -> ExactAnswer:
    """Compare lists of ids, part by part, until enough was read or is to be sent."""
    wanted: list[Wanted] = []
    done = 0
    for listed in request.parts:
        if reading.is_enough:
            break
        theirs = set(parts.split_short_ids(listed.ids))
        ours = reading.ids(listed.part, reading.ids_max)
        if ours is None:
            break
        names = parts.short_ids(ours, request.salt)
        reading.records += [
            id_ for id_, name in zip(ours, names, strict=True) if name not in theirs
        ]
        if lacking := theirs.difference(names):
            wanted.append(Wanted(done, b"".join(sorted(lacking))))
        done += 1
    return ExactAnswer(done, tuple(wanted), len(reading.records))


def _segments(view: View, request: SegmentsRequest) -> SegmentsAnswer:
    """List the months that differ, with their segments, until the message is full."""
    of = ping(view)
    ours = {
        key: sum_ for key, sum_ in view.months().items() if request.first <= key <= request.last
    }
    theirs = {entry.month: entry.digest for entry in request.months}
    differing = [
        month
        for month in sorted(ours.keys() | theirs.keys())
        if month not in ours or theirs.get(month) != ours[month].short(digest_bytes)
    ]
    room = message_bytes_max - _header_bytes_max
    listed: list[MonthSegments] = []
    for start in range(0, len(differing), _months_at_once):
        months = differing[start : start + _months_at_once]
        segments = view.segments(ours.keys() & months)
        for month in months:
            entry = MonthSegments(month, _segment_digests(segments.get(month, {})))
            room -= len(msgpack.encode(entry))
            if room < 0:
                return SegmentsAnswer(of, tuple(listed), month)
            listed.append(entry)
    return SegmentsAnswer(of, tuple(listed), None)


def _segment_digests(segments: Mapping[SegmentKey, Digest]) -> tuple[SegmentDigest, ...]:
    return tuple(
        SegmentDigest(key, digest.count, digest.short(digest_bytes))
        for key, digest in sorted(segments.items())
    )


def _leaves(reading: _Reading, request: LeavesRequest) -> LeavesAnswer:
    """Sum up the leaves of each part, until enough was read."""
    leaves = sum(1 << cut.bits for cut in request.cuts)
    if leaves > leaves_per_answer_max:
        raise MalformedMessage(f"{leaves} leaves asked for; the limit is {leaves_per_answer_max}")
    tables: list[bytes] = []
    for cut in request.cuts:
        tables.append(parts.leaf_table(reading.sums(cut), request.salt))
        if reading.is_enough:
            break
    return LeavesAnswer(tuple(tables))
