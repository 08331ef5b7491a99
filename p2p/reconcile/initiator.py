"""The asking side of an exchange: it compares, decides what to ask next, and what to push.

The course of an exchange is one generator, read from top to bottom: pages of months with their
segments, the leaves of large segments, filters, lists of ids. Each page is worked off before the
next is asked for, so memory is bounded by pages and not by how much differs.
"""

import bisect
import dataclasses
import itertools
import math
import random
from collections.abc import Generator, Iterable, Sequence
from typing import TypeAlias, TypeVar

from p2p.codec import MalformedMessage, message_bytes_max, pack, unpack
from p2p.envelope import RecordId, record_id
from p2p.manifest import Digest, MonthKey, key_bytes, leaf_bits_stored
from p2p.reconcile import filters, findings, parts
from p2p.reconcile.arrivals import Arrivals
from p2p.reconcile.messages import (
    Answer,
    Cut,
    ExactAnswer,
    ExactRequest,
    FiltersAnswer,
    FiltersRequest,
    LeavesAnswer,
    LeavesRequest,
    MonthDigest,
    MonthSegments,
    Part,
    PartFilter,
    PartIds,
    Ping,
    Receipt,
    Request,
    SegmentsAnswer,
    SegmentsRequest,
    Snapshot,
    Stale,
    cuts_per_request_max,
    digest_bytes,
    filters_per_request_max,
    hashing,
    leaf_digest_bytes,
    leaf_entry_bytes,
    leaves_per_answer_max,
    parts_per_request_max,
    ping_digest_bytes,
    push_records_max,
    records_per_answer_max,
    salt_bytes,
    short_id_bytes,
    unpack_answer,
)
from p2p.reconcile.rest import Rest
from p2p.reconcile.steps import Ask, Done, Outcome, Push, Step
from p2p.store import View

requests_max = 16_384
"""An exchange that takes more ends incomplete, and the next one goes on from there."""

_listed_ids_max = 16
"""Up to here, a list of a part's ids takes hardly more than a filter, and is never wrong."""

_filtered_ids_max = 2 * parts.filter_ids_aim
"""Parts of more are cut first: most leaves, which are cut to half as many, need it no more."""

_arrivals_max = records_per_answer_max + _filtered_ids_max
"""The ids of records that follow filters are kept until they are checked."""

_bits_to_cut_further = 4
_page_bytes = message_bytes_max - 128
"""Room for entries; a message's other fields take less than the rest."""
_part_bytes = 25
"""What one part takes in a request at most, besides its ids."""
_filter_bytes = _part_bytes + 16
"""Likewise, besides the bits of its filter."""

_filtered_ids_per_request = 15_000
"""A responder looks at a few more of its ids, and the filters that it does not come to would have
to be sent again."""

_months_per_page = _page_bytes // 29
_months_at_once = 256
"""An answer may name thousands, and our own segments of a few hundred take megabytes."""

_first_month = MonthKey(bytes(key_bytes))
_last_month = MonthKey(b"\xff" * key_bytes)

_stale = (
    "the peer's store has taken in too much meanwhile, or was renewed; "
    "the next exchange goes on from there"
)


AnswerT = TypeVar("AnswerT", bound=Answer)
ResultT = TypeVar("ResultT")
Course: TypeAlias = Generator[Step | None, bytes | None, ResultT]
"""Yields steps, and None to wait for records; is sent the answer to an `Ask`, otherwise None."""


class _Ended(Exception):
    """The exchange cannot go on; the message says why."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Counted:
    """A part that differs, and how many ids of it each side knows."""

    part: Part
    mine: int
    theirs: int


@dataclasses.dataclass(frozen=True, slots=True)
class _Filtered:
    """A part to be compared by a filter, and all ids known of it."""

    part: Part
    ids: Sequence[RecordId]
    error_rate: float

    @property
    def size(self) -> int:
        """How many bytes it takes in a request at most, or as its ids' share of an answer."""
        bits = len(self.ids) * -math.log(self.error_rate) / math.log(2) ** 2
        share = len(self.ids) * _page_bytes // _filtered_ids_per_request
        return max(_filter_bytes + int(bits) // 8 + 8, share)


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
        root = view.root()
        self._outcome = Outcome(root.seq)
        self._theirs = root.known
        """All that the peer knows, by what was found so far: ours, and what either lacks."""
        self._stages: set[tuple[type, int]] = set()
        self._giving: list[RecordId] = []
        self._arrivals: Arrivals | None = None
        self._course = self._run(self._exchange())
        self._step: Step | None = None
        self._asked = False
        self._following = 0
        self._fault = ""

    @classmethod
    def audit(cls, view: View, rng: random.Random, peer: Ping, leaf: int) -> "Initiator":
        """Compare one of the 256 leaves of every segment by lists alone, trusting no digest.

        `peer` is what the peer has said of its store last. Sums and short digests can be made to
        agree by whoever may craft records, and memory can fail; a list under a fresh salt cannot
        be prepared for.
        """
        machine = cls(view, rng)
        machine._outcome.peer = peer
        machine._outcome.is_audit = True
        machine._course = machine._run(machine._audit(leaf))
        return machine

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

        Ingest these, and give those that came to `received`, before calling `next`. Raises
        `RuntimeError` if nothing was asked.
        """
        if not self._asked:
            raise RuntimeError("no request awaits an answer")
        self._asked = False
        self._following = 0
        self._step = self._course.send(answer)
        return self._following

    def received(self, records: Sequence[bytes]) -> None:
        """Note that these of the records that follow an answer came and were ingested."""
        self._outcome.taken += len(records)
        self._theirs += Digest.of(map(record_id, records))
        if self._outcome.taken > self._outcome.offered:
            self._fault = "more records than announced"
        elif self._arrivals is not None:
            self._arrivals.add(records)

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

    def _run(self, course: Course[None]) -> Course[None]:
        try:
            yield from course
            yield from self._push(1)
            self._check_found()
            self._outcome.complete = True
        except (_Ended, MalformedMessage, parts.PartTooLarge) as end:
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

    def _audit(self, leaf: int) -> Course[None]:
        yield from self._list(
            listed
            for month in sorted(self._view.months())
            for segment in sorted(self._view.segments([month])[month])
            for listed in parts.fitting(self._view, Part(segment, leaf_bits_stored, leaf))
        )

    def _ask(self, request: Request, kind: type[AnswerT], depth: int = 0) -> Course[AnswerT]:
        """Send a request and return its answer. Raises `_Ended` if it is none of that kind."""
        if self._outcome.requests == self._requests_max:
            raise _Ended(f"no end after {self._requests_max} requests")
        self._count_stage(type(request), depth)
        data = pack(request)
        reply = yield Ask(data)
        assert reply is not None, "`receive` sends the answer"
        self._outcome.requests += 1
        self._outcome.message_bytes += len(data) + len(reply)
        answer = unpack_answer(reply)
        if isinstance(answer, Stale):
            raise _Ended(_stale)
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

    def _compare(self, page: Sequence[MonthSegments]) -> Course[None]:
        """Settle every segment of a page of months that differ."""
        for start in range(0, len(page), _months_at_once):
            yield from self._settle(self._differing(page[start : start + _months_at_once]))

    def _differing(self, months: Sequence[MonthSegments]) -> list[_Counted]:
        """List the segments of these months that differ."""
        differing: list[_Counted] = []
        known = self._view.segments([month.month for month in months])
        for month in months:
            ours = dict(known.get(month.month, {}))
            for theirs in month.segments:
                mine = ours.pop(theirs.segment, Digest())
                if mine.short(digest_bytes) != theirs.digest:
                    part = Part(theirs.segment, 0, 0)
                    differing.append(_Counted(part, mine.count, theirs.count))
            for segment, mine in ours.items():  # those that the peer knows nothing of
                differing.append(_Counted(Part(segment, 0, 0), mine.count, 0))
        return differing

    def _settle(self, differing: Iterable[_Counted], depth: int = 0) -> Course[None]:
        """Settle parts, each in the way that its counts make the shortest."""
        listed: list[_Counted] = []
        filtered: list[_Counted] = []
        large: list[Cut] = []
        for each in differing:
            count = max(each.mine, each.theirs)
            if each.theirs == 0:
                yield from self._give_all(each.part)
            elif each.mine <= _listed_ids_max:
                listed.append(each)
            elif count <= _filtered_ids_max:
                filtered.append(each)
            else:
                large.append(parts.into_leaves(each.part, count))
        yield from self._list(
            # Whole, whatever the peer claims to have: if it is too much, the answer will say so.
            found
            for each in listed
            for found in parts.fitting(self._view, each.part)
        )
        yield from self._filter(
            _Filtered(
                each.part,
                parts.ids_of(self._view, each.part),
                parts.error_rate(each.theirs - each.mine),
            )
            for each in filtered
        )
        rest = Rest(large)
        while page := rest.page(
            lambda cut: 1 << cut.bits, leaves_per_answer_max, cuts_per_request_max
        ):
            settled = yield from self._leaves(tuple(page), depth + 1)
            rest.put_back(page[settled:])

    def _leaves(self, cuts: tuple[Cut, ...], depth: int) -> Course[int]:
        """Settle the first of these large parts, leaf by leaf; return how many."""
        request = LeavesRequest(self._at_known(), self._salt(), cuts)
        answer = yield from self._ask(request, LeavesAnswer, depth)
        if not 1 <= len(answer.tables) <= len(cuts):
            raise _Ended(f"the leaves of {len(answer.tables)} of {len(cuts)} parts")
        differing: list[_Counted] = []
        for cut, theirs in zip(cuts, answer.tables, strict=False):
            leaves = parts.sums(self._view, cut)
            mine = parts.leaf_table(leaves, request.salt)
            if len(theirs) != len(mine):
                raise _Ended(f"{len(theirs)} bytes of leaves, not {len(mine)}")
            pieces = parts.cut(cut.part, cut.bits)
            for number, (leaf, part) in enumerate(zip(leaves, pieces, strict=True)):
                at = slice(leaf_entry_bytes * number, leaf_entry_bytes * (number + 1))
                if theirs[at] != mine[at]:
                    count = int.from_bytes(theirs[at][leaf_digest_bytes:], "big")
                    differing.append(_Counted(part, leaf.count, count))
        yield from self._settle(differing, depth)
        return len(answer.tables)

    def _filter(self, source: Iterable[_Filtered]) -> Course[None]:
        """Settle parts by filters, and by lists where those hide a record."""
        rest = Rest(source)
        while page := rest.page(lambda each: each.size, _page_bytes, filters_per_request_max):
            salt = self._salt()
            answer, arrived = yield from self._ask_filters(page, salt)
            if not answer.parts:
                yield from self._list(parts.Listed(each.part, each.ids) for each in page)
                continue
            rest.put_back(page[len(answer.parts) :])
            unsettled: list[parts.Listed] = []
            for each, theirs in zip(page, answer.parts, strict=False):
                came = arrived.of(each.part)
                lacking = findings.lacking(theirs, each.ids, salt)
                here = list(dict.fromkeys([*each.ids, *came]))
                then = Digest.of(here) - Digest.of(lacking or ())
                if theirs.sums_up(then, salt):
                    yield from self._give(lacking or ())
                    continue
                withheld = theirs.records - len(came)
                self._outcome.offered -= withheld  # the list will tell of them again
                told = parts.Told(None if lacking is None else len(lacking), withheld)
                unsettled.append(parts.Listed(each.part, here, told))
            yield from self._list(unsettled)

    def _ask_filters(
        self, page: Sequence[_Filtered], salt: bytes
    ) -> Course[tuple[FiltersAnswer, Arrivals]]:
        """Send filters; return the answer, and what of the records after it has come."""
        built = tuple(
            PartFilter(each.part, filters.build(each.ids, salt, each.error_rate)) for each in page
        )
        request = FiltersRequest(hashing, self._at_known(), salt, built)
        answer = yield from self._ask(request, FiltersAnswer)
        if len(answer.parts) > len(page):
            raise _Ended(f"an answer about {len(answer.parts)} of {len(page)} parts")
        returned = sum(part.filter is not None for part in answer.parts)
        self._outcome.filters += len(page) + returned
        arrivals = self._arrivals = Arrivals(each.part for each in page)
        self._following = sum(part.records for part in answer.parts)
        if self._following > _arrivals_max:
            raise _Ended(f"{self._following} records after filters; the limit is {_arrivals_max}")
        self._outcome.offered += self._following
        yield from self._check_after(None)
        self._arrivals = None
        return answer, arrivals

    def _list(self, source: Iterable[parts.Listed]) -> Course[None]:
        """Settle parts by lists of their ids."""
        rest = Rest(source)
        while page := rest.page(
            lambda listed: _part_bytes + short_id_bytes * len(listed.ids),
            _page_bytes,
            parts_per_request_max,
        ):
            answer, lacking = yield from self._exact(page)
            undone = page[answer.done :]
            if answer.done == 0:
                undone[:1] = parts.split(undone[0], _bits_to_cut_further)
            rest.put_back(undone)
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
            lacking += findings.wanted(page[wanted.part].ids, names[wanted.part], wanted.ids)
        self._following = answer.records
        self._outcome.offered += answer.records
        self._outcome.exact_lists += answer.done
        self._outcome.false_positives += findings.hidden(page, answer)
        yield from self._check_after(None)
        return answer, lacking

    def _give_all(self, part: Part) -> Course[None]:
        for page in parts.pages(self._view, part):
            yield from self._give(page)

    def _give(self, ids: Sequence[RecordId]) -> Course[None]:
        """Push these ids, together with later ones where they do not fill a body."""
        self._theirs -= Digest.of(ids)
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

    def _check_found(self) -> None:
        """Raise `_Ended` if the peer's root shows that something was passed over.

        So it is after a collision. The ids that a peer withholds are not known here, so with any of
        them there is nothing to check.
        """
        peer, audit = self._outcome.peer, self._outcome.is_audit
        if peer is None or audit or self._outcome.withheld:
            return
        if self._theirs.short(ping_digest_bytes) != peer.known:
            raise _Ended("the digests still differ from what was found")

    def _count_stage(self, stage: type, depth: int = 0) -> None:
        self._stages.add((stage, depth))
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
