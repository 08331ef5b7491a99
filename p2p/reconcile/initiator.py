"""The asking side of an exchange: it compares, decides what to ask next, and what to push.

The course of an exchange is one generator, read from top to bottom: pages of months with their
segments, the leaves of large segments, lists of ids. Each page is worked off before the next is
asked for, so memory is bounded by pages and not by how much differs.
"""

import bisect
import collections
import dataclasses
import itertools
import random
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import TypeAlias, TypeVar

from p2p.codec import MalformedMessage, message_bytes_max, pack, unpack
from p2p.envelope import RecordId
from p2p.manifest import Digest, MonthKey, SegmentKey, key_bytes, leaf_bits_stored
from p2p.reconcile import parts
from p2p.reconcile.messages import (
    Answer,
    ExactAnswer,
    ExactRequest,
    LeavesAnswer,
    LeavesRequest,
    MonthDigest,
    MonthSegments,
    Part,
    PartIds,
    Receipt,
    Request,
    SegmentsAnswer,
    SegmentsRequest,
    Snapshot,
    Stale,
    digest_bytes,
    leaf_digest_bytes,
    leaf_entry_bytes,
    parts_per_request_max,
    push_records_max,
    salt_bytes,
    segments_per_request_max,
    short_id_bytes,
    unpack_answer,
)
from p2p.reconcile.steps import Ask, Done, Outcome, Push, Step
from p2p.store import View

requests_max = 16_384
"""An exchange that takes more ends incomplete, and the next one goes on from there."""

_listed_segment_ids_max = 256
"""Up to here, a list of a segment's ids is shorter than its leaves, and saves a phase."""

_bits_to_cut_further = 4
_page_bytes = message_bytes_max - 128
"""Room for entries; a message's other fields take less than the rest."""
_part_bytes = 25
"""What one part takes in a request at most, besides its ids."""
_months_per_page = _page_bytes // 29
_first_month = MonthKey(bytes(key_bytes))
_last_month = MonthKey(b"\xff" * key_bytes)


AnswerT = TypeVar("AnswerT", bound=Answer)
ResultT = TypeVar("ResultT")
Course: TypeAlias = Generator[Step | None, bytes | None, ResultT]
"""Yields steps, and None to wait for records; is sent the answer to an `Ask`, otherwise None."""


class _Ended(Exception):
    """The exchange cannot go on; the message says why."""


class Initiator:
    """One exchange with one peer, from our side.

    Call `next` and do what it says until it says `Done`. Nothing that a peer sends makes a call
    raise: a bad answer ends the exchange with a reason. It may be dropped at any point; whatever
    either side has committed by then stays, and the next exchange has that much less to do.

    Calls may touch the disk, as the view's do. Memory: our own months, and at most a message or
    two of segments, leaves and ids at a time; under 16 MiB whatever the peer says.
    """

    def __init__(self, view: View, rng: random.Random, *, requests: int = requests_max) -> None:
        """Compare `view` with a peer's store; `rng` makes the salts."""
        self._view = view
        self._rng = rng
        self._requests_max = requests
        self._outcome = Outcome(view.root().seq)
        self._stages: set[type] = set()
        self._giving: list[RecordId] = []
        self._course = self._run()
        self._step: Step | None = None
        self._asked = False
        self._following = 0
        self._fault = ""

    @property
    def outcome(self) -> Outcome:
        """What the exchange has done so far."""
        return dataclasses.replace(self._outcome)

    def next(self) -> Step:
        """Return what to do now. Raises `RuntimeError` if the last request has no answer yet."""
        if self._asked:
            raise RuntimeError("the last request has no answer yet")
        step = self._step or self._course.send(None)
        assert step is not None, "only an answer makes the course wait"
        self._step = None
        self._asked = isinstance(step, Ask)
        return step

    def receive(self, answer: bytes) -> int:
        """Take the answer to the last request; return how many records at most follow it.

        Ingest these, and say how many came with `received`, before calling `next`. Raises
        `RuntimeError` if nothing was asked.
        """
        if not self._asked:
            raise RuntimeError("no request awaits an answer")
        self._asked = False
        self._following = 0
        self._step = self._course.send(answer)
        return self._following

    def received(self, count: int) -> None:
        """Note that so many of the records that followed an answer came and were ingested."""
        self._outcome.taken += count
        if self._outcome.taken > self._outcome.offered:
            self._fault = "more records than announced"

    def pushed(self, ids: Sequence[RecordId], receipt: bytes) -> list[RecordId]:
        """Take the receipt for one body of pushed records; return those the peer now holds.

        `ids` are those of the body, in its order. A bad receipt proves nothing and ends the
        exchange at the next step.
        """
        self._outcome.message_bytes += len(receipt)
        try:
            message = unpack(receipt, Receipt)
            held = message.held(ids)
        except MalformedMessage as error:
            self._fault = str(error)
            return []
        if self._outcome.peer is None or message.store != self._outcome.peer.store:
            self._fault = "a receipt from another store"
            return []
        self._outcome.given += len(held)
        self._outcome.refused += len(ids) - len(held)
        return held

    def _run(self) -> Course[None]:
        try:
            yield from self._exchange()
            self._outcome.complete = True
        except (_Ended, parts.PartTooLarge) as end:
            self._outcome.reason = str(end)
        self._following = 0
        while True:
            yield Done(self.outcome)

    def _exchange(self) -> Course[None]:
        months = [
            MonthDigest(month, digest.short(digest_bytes))
            for month, digest in sorted(self._view.months().items())
        ]
        first: MonthKey | None = _first_month
        while first is not None:
            request = self._segments_request(first, months)
            answer = yield from self._ask(request, SegmentsAnswer)
            self._check_page(request, answer)
            yield from self._compare(answer.months)
            first = answer.next or _after(request.last)
        yield from self._push(1)

    def _ask(self, request: Request, kind: type[AnswerT]) -> Course[AnswerT]:
        """Send a request and return its answer. Raises `_Ended` if it is none of that kind."""
        if self._outcome.requests == self._requests_max:
            raise _Ended(f"no end after {self._requests_max} requests")
        self._count_stage(type(request))
        data = pack(request)
        reply = yield Ask(data)
        assert reply is not None, "`receive` sends the answer"
        self._outcome.requests += 1
        self._outcome.message_bytes += len(data) + len(reply)
        try:
            answer = unpack_answer(reply)
        except MalformedMessage as error:
            raise _Ended(str(error)) from None
        if isinstance(answer, Stale):
            raise _Ended("the peer's snapshot is gone")
        if not isinstance(answer, kind):
            raise _Ended(f"{type(answer).__name__} in answer to {type(request).__name__}")
        return answer

    def _segments_request(self, first: MonthKey, months: Sequence[MonthDigest]) -> SegmentsRequest:
        start = bisect.bisect_left(months, first, key=lambda entry: entry.month)
        page = tuple(months[start : start + _months_per_page])
        more = start + _months_per_page < len(months)
        last = page[-1].month if more else _last_month
        return SegmentsRequest(self._at(), first, last, page)

    def _check_page(self, request: SegmentsRequest, answer: SegmentsAnswer) -> None:
        """Raise `_Ended` unless the answer is about this page and the next begins after it."""
        if request.at is None:
            self._outcome.peer = answer.of
        elif Snapshot(answer.of.store, answer.of.seq) != request.at:
            raise _Ended("an answer about another snapshot")
        keys = [entry.month for entry in answer.months]
        if keys and not (request.first <= keys[0] and keys[-1] <= request.last):
            raise _Ended("a month that was not asked about")
        if any(one >= next_ for one, next_ in itertools.pairwise(keys)):
            raise _Ended("months out of order")
        if answer.next is not None and not (keys and keys[-1] < answer.next <= request.last):
            raise _Ended("a page that leads nowhere")

    def _compare(self, months: Iterable[MonthSegments]) -> Course[None]:
        """Settle every segment of a page of months that differ."""
        listed: list[tuple[SegmentKey, int]] = []
        large: list[SegmentKey] = []
        for month in months:
            ours = dict(self._view.segments([month.month]))
            for theirs in month.segments:
                mine = ours.pop(theirs.segment, Digest())
                if mine.short(digest_bytes) == theirs.digest:
                    continue
                count = max(mine.count, theirs.count)
                if mine.count and count > _listed_segment_ids_max:
                    large.append(theirs.segment)
                else:
                    listed.append((theirs.segment, count))
            for segment in ours:  # those that the peer knows nothing of
                for ids in parts.stored_leaves(self._view, Part(segment, 0, 0)):
                    yield from self._give(ids)
        yield from self._list((Part(segment, 0, 0), count) for segment, count in listed)
        for start in range(0, len(large), segments_per_request_max):
            yield from self._leaves(tuple(large[start : start + segments_per_request_max]))

    def _leaves(self, segments: tuple[SegmentKey, ...]) -> Course[None]:
        """Settle large segments, leaf by leaf."""
        request = LeavesRequest(self._at_known(), self._salt(), segments)
        answer = yield from self._ask(request, LeavesAnswer)
        if len(answer.tables) != len(segments):
            raise _Ended(f"the leaves of {len(answer.tables)} segments, not {len(segments)}")
        differing: list[tuple[Part, int]] = []
        for segment, theirs in zip(segments, answer.tables, strict=True):
            leaves = self._view.leaves(segment)
            mine = parts.leaf_table(leaves, request.salt)
            for leaf, start in enumerate(range(0, len(mine), leaf_entry_bytes)):
                entry = theirs[start : start + leaf_entry_bytes]
                if entry == mine[start : start + leaf_entry_bytes]:
                    continue
                count = int.from_bytes(entry[leaf_digest_bytes:], "big")
                if count == 0:
                    yield from self._give(self._view.ids(segment, leaf))
                else:
                    part = Part(segment, leaf_bits_stored, leaf)
                    differing.append((part, max(count, leaves[leaf].count)))
        yield from self._list(differing)

    def _list(self, counted: Iterable[tuple[Part, int]]) -> Course[None]:
        """Settle parts, with the larger side's count of each, by lists of their ids."""
        source = (
            listed
            for part, count in counted
            for piece in parts.cut(part, parts.bits_to_cut(count))
            for listed in parts.fitting(self._view, piece)
        )
        waiting: collections.deque[parts.Listed] = collections.deque()
        while page := _next_page(waiting, source):
            answer, lacking = yield from self._exact(page)
            undone = page[answer.done :]
            if answer.done == 0:
                too_large = undone.pop(0).part
                pieces = parts.cut(too_large, _bits_to_cut_further)
                undone[:0] = [each for piece in pieces for each in parts.fitting(self._view, piece)]
            waiting.extendleft(reversed(undone))
            yield from self._give(lacking)

    def _exact(self, page: Sequence[parts.Listed]) -> Course[tuple[ExactAnswer, list[RecordId]]]:
        """Send lists of ids; return the answer, and the ids that the peer lacks."""
        salt = self._salt()
        names = [parts.short_ids(listed.ids, salt) for listed in page]
        listed_ids = [
            PartIds(listed.part, b"".join(shorts))
            for listed, shorts in zip(page, names, strict=True)
        ]
        request = ExactRequest(self._at_known(), salt, tuple(listed_ids))
        answer = yield from self._ask(request, ExactAnswer)
        if answer.done > len(page) or (answer.done == 0 and (answer.wanted or answer.records)):
            raise _Ended(f"an answer about {answer.done} of {len(page)} parts")
        lacking: list[RecordId] = []
        previous = -1
        for wanted in answer.wanted:
            if not previous < wanted.part < answer.done:
                raise _Ended(f"wants of part {wanted.part} after part {previous}")
            previous = wanted.part
            lacking += _chosen(page[wanted.part].ids, names[wanted.part], wanted.ids)
        self._following = answer.records
        self._outcome.offered += answer.records
        self._outcome.exact_lists += answer.done
        yield from self._check_after(None)
        return answer, lacking

    def _give(self, ids: Iterable[RecordId]) -> Course[None]:
        """Push these ids, together with later ones where they do not fill a body."""
        self._giving += ids
        yield from self._push(push_records_max)

    def _push(self, at_least: int) -> Course[None]:
        while len(self._giving) >= at_least:
            batch = tuple(self._giving[:push_records_max])
            del self._giving[:push_records_max]
            self._count_stage(Push)
            yield from self._check_after(Push(batch))

    def _check_after(self, step: Push | None) -> Course[None]:
        yield step
        if self._fault:
            raise _Ended(self._fault)

    def _count_stage(self, stage: type) -> None:
        self._stages.add(stage)
        self._outcome.phases = len(self._stages)

    def _salt(self) -> bytes:
        return self._rng.randbytes(salt_bytes)

    def _at(self) -> Snapshot | None:
        peer = self._outcome.peer
        return None if peer is None else Snapshot(peer.store, peer.seq)

    def _at_known(self) -> Snapshot:
        at = self._at()
        assert at is not None, "the first answer names the snapshot"
        return at


def _after(month: MonthKey) -> MonthKey | None:
    """Return the next key, or None after the last."""
    if month == _last_month:
        return None
    return MonthKey((int.from_bytes(month, "big") + 1).to_bytes(key_bytes, "big"))


def _next_page(
    waiting: collections.deque[parts.Listed], source: Iterator[parts.Listed]
) -> list[parts.Listed]:
    """Take from `waiting`, then from `source`, what fits in one request; one may stay waiting."""
    page: list[parts.Listed] = []
    room = _page_bytes
    while len(page) < parts_per_request_max:
        if not waiting:
            waiting.extend(itertools.islice(source, 1))
        if not waiting:
            break
        room -= _part_bytes + short_id_bytes * len(waiting[0].ids)
        if room < 0:
            break
        page.append(waiting.popleft())
    return page


def _chosen(ids: Sequence[RecordId], shorts: Sequence[bytes], wanted: bytes) -> list[RecordId]:
    """Return the ids of a part whose short ids are wanted.

    Raises `_Ended` if one was not offered, or is wanted twice.
    """
    try:
        chosen = parts.split_short_ids(wanted)
    except MalformedMessage as error:
        raise _Ended(str(error)) from None
    left = set(chosen)
    if len(left) < len(chosen) or not left <= set(shorts):
        raise _Ended("wants an id that was not offered")
    return [id_ for id_, short in zip(ids, shorts, strict=True) if short in left]
