"""The answering side: it keeps nothing between requests, so it has nothing to lose or leak."""

import dataclasses

from msgspec import msgpack

from p2p.codec import MalformedMessage, message_bytes_max, pack
from p2p.envelope import RecordId
from p2p.manifest import Digest, MonthKey, leaf_bits_stored
from p2p.reconcile import filters, parts
from p2p.reconcile.messages import (
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
    unpack_request,
)
from p2p.store import Store, View

ids_per_answer_max = 16_384
"""A responder looks at about this many of its ids for one request."""

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
        view = self._view(message.at)
        if view is None:
            return Reply(pack(Stale(Snapshot(self._store.id, self._store.view().seq))))
        if isinstance(message, SegmentsRequest):
            return Reply(pack(_segments(view, message)))
        if isinstance(message, LeavesRequest):
            return Reply(pack(_leaves(view, message, self._ids_per_answer)))
        reading = _Reading(view, self._ids_per_answer)
        answer = (
            _filters(reading, message)
            if isinstance(message, FiltersRequest)
            else _exact(reading, message)
        )
        return Reply(pack(answer), tuple(reading.records))

    def _view(self, at: Snapshot | None) -> View | None:
        if at is None:
            return self._store.view()
        if at.store != self._store.id:
            return None
        try:
            return self._store.view(at.seq)
        except ValueError:
            return None


@dataclasses.dataclass(slots=True)
class _Reading:
    """What is read for one answer, and the records to send after it."""

    view: View
    ids_max: int
    read: int = 0
    records: list[RecordId] = dataclasses.field(default_factory=list)

    @property
    def is_enough(self) -> bool:
        """Whether the answer is to end here."""
        return self.read >= self.ids_max or len(self.records) >= records_per_answer_max

    def ids(self, part: Part, ids_max: int) -> list[RecordId] | None:
        """List a part; None if it has too many ids."""
        ids: list[RecordId] = []
        for page in parts.pages(self.view, parts.check(part)):
            self.read += len(page)
            ids += page
            if len(ids) > ids_max:
                return None
        return ids


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
    room = message_bytes_max - _header_bytes_max
    listed: list[MonthSegments] = []
    for month in sorted(ours.keys() | theirs.keys()):
        if month in ours and theirs.get(month) == ours[month].short(digest_bytes):
            continue
        entry = MonthSegments(month, _segment_digests(view, month))
        room -= len(msgpack.encode(entry))
        if room < 0:
            return SegmentsAnswer(of, tuple(listed), month)
        listed.append(entry)
    return SegmentsAnswer(of, tuple(listed), None)


def _segment_digests(view: View, month: MonthKey) -> tuple[SegmentDigest, ...]:
    return tuple(
        SegmentDigest(key, digest.count, digest.short(digest_bytes))
        for key, digest in sorted(view.segments([month]).items())
    )


def _leaves(view: View, request: LeavesRequest, ids_max: int) -> LeavesAnswer:
    """Sum up the leaves of each part, until enough ids were read for those that are not kept."""
    leaves = sum(1 << cut.bits for cut in request.cuts)
    if leaves > leaves_per_answer_max:
        raise MalformedMessage(f"{leaves} leaves asked for; the limit is {leaves_per_answer_max}")
    tables: list[bytes] = []
    read = 0
    for cut in request.cuts:
        sums = parts.sums(view, cut)
        tables.append(parts.leaf_table(sums, request.salt))
        if cut.part.bits >= leaf_bits_stored:
            read += sum(leaf.count for leaf in sums)
        if read >= ids_max:
            break
    return LeavesAnswer(tuple(tables))
