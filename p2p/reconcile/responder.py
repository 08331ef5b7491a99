"""The answering side: it keeps nothing between requests, so it has nothing to lose or leak."""

import dataclasses

from msgspec import msgpack

from p2p.codec import MalformedMessage, message_bytes_max, pack
from p2p.envelope import RecordId
from p2p.manifest import MonthKey
from p2p.reconcile import parts
from p2p.reconcile.messages import (
    ExactAnswer,
    ExactRequest,
    LeavesAnswer,
    LeavesRequest,
    MonthSegments,
    PartIds,
    SegmentDigest,
    SegmentsAnswer,
    SegmentsRequest,
    Snapshot,
    Stale,
    Wanted,
    digest_bytes,
    ping,
    unpack_request,
)
from p2p.store import Store, View

ids_per_answer_max = 16_384
"""A responder looks at about this many of its ids for one `ExactRequest`."""

records_per_answer_max = 4096
"""After this many records to send, an answer ends with the part it has come to."""

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
            return Reply(pack(_leaves(view, message)))
        answer, records = self._exact(view, message)
        return Reply(pack(answer), tuple(records))

    def _view(self, at: Snapshot | None) -> View | None:
        if at is None:
            return self._store.view()
        if at.store != self._store.id:
            return None
        try:
            return self._store.view(at.seq)
        except ValueError:
            return None

    def _exact(self, view: View, request: ExactRequest) -> tuple[ExactAnswer, list[RecordId]]:
        """Compare lists of ids, part by part, until enough was read or is to be sent."""
        wanted: list[Wanted] = []
        records: list[RecordId] = []
        done = read = 0
        for listed in request.parts:
            if read >= self._ids_per_answer or len(records) >= records_per_answer_max:
                break
            theirs = _short_ids_of(listed)
            ours: list[RecordId] = []
            for leaf in parts.stored_leaves(view, listed.part):
                read += len(leaf)
                ours += parts.within(listed.part, leaf)
                if len(ours) > self._ids_per_answer:
                    return ExactAnswer(done, tuple(wanted), len(records)), records
            names = parts.short_ids(ours, request.salt)
            records += [id_ for id_, name in zip(ours, names, strict=True) if name not in theirs]
            if lacking := theirs.difference(names):
                wanted.append(Wanted(done, b"".join(sorted(lacking))))
            done += 1
        return ExactAnswer(done, tuple(wanted), len(records)), records


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


def _leaves(view: View, request: LeavesRequest) -> LeavesAnswer:
    return LeavesAnswer(
        tuple(parts.leaf_table(view.leaves(key), request.salt) for key in request.segments)
    )


def _short_ids_of(listed: PartIds) -> set[bytes]:
    part, ids = listed.part, listed.ids
    if part.leaf >> part.bits:
        raise MalformedMessage(f"leaf {part.leaf} does not fit in {part.bits} bits")
    return set(parts.split_short_ids(ids))
