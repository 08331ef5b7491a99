"""What one question costs the node that answers it, and one answer the node that asked."""

import contextlib
import itertools
import os
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import pytest

from managers.state import ingest
from managers.state.store import SqliteStore
from p2p.codec import pack
from p2p.envelope import RecordId, Segment, record_id
from p2p.kinds import Kinds
from p2p.manifest import Digest, MonthKey, SegmentKey
from p2p.reconcile import Ask, Done, Initiator, Ping, Responder, filters, responder
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
    Request,
    SegmentDigest,
    SegmentsAnswer,
    SegmentsRequest,
    Snapshot,
    Stale,
    hashing,
    segments_per_month_max,
    unpack_answer,
    unpack_request,
)
from p2p.store import Root
from tests.reconcile.peers import IndexedView, Peer, answer_kind, exchange, make
from tests.reconcile.test_exchange_greedy import bounded_memory
from tests.reconcile.test_exchange_hostile import stores

zero = SegmentKey(bytes(8))
all_months = MonthKey(bytes(8)), MonthKey(b"\xff" * 8)


def ask(store: Peer, request: Request) -> Answer:
    """Return the answer to one request."""
    return unpack_answer(Responder(store).answer(pack(request)).answer)


def lists(at: Snapshot) -> ExactRequest:
    """Ask about nearly as many empty parts as a request holds."""
    return ExactRequest(at, bytes(16), (PartIds(Part(zero, 0, 0), b""),) * 4000)


def some_filters(at: Snapshot) -> FiltersRequest:
    """Likewise."""
    empty = filters.build([], bytes(16), 0.5)
    return FiltersRequest(hashing, at, bytes(16), (PartFilter(Part(zero, 0, 0), empty),) * 1024)


def kept_leaves(at: Snapshot) -> LeavesRequest:
    """Ask about as many cuts as a request holds, all of leaves whose sums are kept."""
    return LeavesRequest(at, bytes(16), (Cut(Part(zero, 0, 0), 1),) * 1024)


def fine_leaves(at: Snapshot) -> LeavesRequest:
    """Likewise, of leaves whose sums are not kept."""
    return LeavesRequest(at, bytes(16), (Cut(Part(zero, 8, 0), 1),) * 1024)


def parts_answered(answer: Answer) -> int:
    """Count the parts that an answer is about."""
    match answer:
        case ExactAnswer():
            return answer.done
        case FiltersAnswer():
            return len(answer.parts)
        case LeavesAnswer():
            return len(answer.tables)
    raise AssertionError(answer)


@pytest.mark.parametrize(
    ("request_of", "rows_per_id"),
    [(lists, 32), (some_filters, 32), (kept_leaves, 8), (fine_leaves, 32)],
)
def test_the_more_rows_came_after_a_snapshot_the_fewer_parts_are_answered(
    request_of: Callable[[Snapshot], Request], rows_per_id: int
) -> None:
    theirs = Peer(2, map(make, range(3300)))
    counts = [
        parts_answered(ask(theirs, request_of(Snapshot(theirs.id, seq)))) for seq in (3300, 100)
    ]
    assert counts[0] >= 1000
    assert counts[1] == -(-16_384 // (4 + 3200 // rows_per_id))


@pytest.mark.parametrize("request_of", [lists, some_filters, kept_leaves, fine_leaves])
def test_a_part_costs_a_responder_something_even_if_it_is_empty(
    request_of: Callable[[Snapshot], Request],
) -> None:
    theirs = Peer(2, [make(0)])
    reply = Responder(theirs, ids_per_answer=100).answer(pack(request_of(Snapshot(theirs.id, 1))))
    assert parts_answered(unpack_answer(reply.answer)) == 25


def test_a_snapshot_ends_when_too_many_rows_have_come_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(responder, "snapshot_rows_max", 10)
    theirs = Peer(2, map(make, range(20)))
    for request_of in (lists, some_filters, kept_leaves):
        assert ask(theirs, request_of(Snapshot(theirs.id, 9))) == Stale(Snapshot(theirs.id, 20))
        assert not isinstance(ask(theirs, request_of(Snapshot(theirs.id, 10))), Stale)
    old = SegmentsRequest(Snapshot(theirs.id, 0), *all_months, ())
    assert isinstance(ask(theirs, old), Stale)


def test_what_an_exchange_moved_before_its_snapshot_ended_stays_and_the_next_one_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(responder, "snapshot_rows_max", 100)
    monkeypatch.setattr(responder, "records_per_answer_max", 50)
    ours, theirs = Peer(1), Peer(2, [make(serial, 5) for serial in range(1000)])
    fresh = itertools.count(5000)
    taken: list[int] = []

    def produce(message: int) -> None:
        theirs.ingest([make(next(fresh), 5) for _ in range(15)], 0)

    for _ in range(3):
        seen = exchange(ours, theirs, random.Random(1), before=produce)
        assert "taken in too much meanwhile" in seen.outcome.reason
        assert seen.outcome.reason.endswith("goes on from there")
        assert not seen.outcome.proves_copies
        taken.append(len(seen.taken))
    assert min(taken) > 100
    assert len(ours.known) == sum(taken)
    assert exchange(ours, theirs, random.Random(2)).outcome.complete
    assert ours.known == theirs.known


def test_a_responder_looks_up_its_own_months_and_those_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    theirs = Peer(2, [make(serial, 1000) for serial in range(1000)])
    ours = theirs.view().months().keys()
    asked: list[Collection[MonthKey]] = []
    honest = IndexedView.segments

    def counted(
        view: IndexedView, months: Collection[MonthKey]
    ) -> Mapping[MonthKey, Mapping[SegmentKey, Digest]]:
        asked.append(months)
        return honest(view, months)

    unknown = [MonthDigest(MonthKey(n.to_bytes(8, "big")), bytes(16)) for n in range(2200)]
    theirs.view().months()
    monkeypatch.setattr(IndexedView, "segments", counted)
    monkeypatch.setattr(IndexedView, "months", lambda _: dict.fromkeys(ours, Digest(1, 1)))
    answer = ask(theirs, SegmentsRequest(None, *all_months, tuple(unknown)))
    assert isinstance(answer, SegmentsAnswer)
    assert len(answer.months) > 2200
    assert len(asked) < 30
    assert ours >= set(itertools.chain.from_iterable(asked))
    assert sum(map(len, asked)) < len(ours) + 128


class Vast:
    """A view of a store that knows some segments of every month there may be."""

    seq = 1

    def __init__(self) -> None:
        self.asked: list[Collection[MonthKey]] = []

    def root(self) -> Root:
        """Say anything."""
        return Root(bytes(8), 1, Digest(), Digest())

    def months(self) -> Mapping[MonthKey, Digest]:
        """Say nothing of them in advance."""
        return {}

    def segments(
        self, months: Collection[MonthKey]
    ) -> Mapping[MonthKey, Mapping[SegmentKey, Digest]]:
        """Make up 31 segments of each."""
        self.asked.append(months)
        return {
            month: {
                SegmentKey(month[:7] + bytes([day])): Digest(1, int.from_bytes(month, "big") << 190)
                for day in range(31)
            }
            for month in months
        }

    def leaves(self, segment: SegmentKey) -> Sequence[Digest]:
        """Know none."""
        return [Digest()] * 256

    def ids(
        self, segment: SegmentKey, first: bytes, last: bytes, ids_max: int
    ) -> Sequence[RecordId]:
        """Know none."""
        return []


def test_a_page_of_months_is_looked_up_in_few_questions_that_take_no_memory() -> None:
    view = Vast()
    machine = Initiator(view, random.Random(1))
    machine.next()
    months = [MonthSegments(MonthKey((n << 8).to_bytes(8, "big")), ()) for n in range(2500)]
    page = pack(SegmentsAnswer(Ping(bytes(8), 1, bytes(12), bytes(12)), tuple(months), None))
    with bounded_memory():
        machine.receive(page)
        assert isinstance(machine.next(), Done)
    assert len(view.asked) <= 10
    assert list(itertools.chain.from_iterable(view.asked)) == [entry.month for entry in months]


def test_a_claim_to_have_much_of_what_is_not_known_here_costs_one_part_each() -> None:
    machine = Initiator(stores()[0].view(), random.Random(1), requests=20)
    segments = [
        SegmentDigest(SegmentKey(n.to_bytes(8, "big")), 2**32 - 1, bytes(16)) for n in range(1500)
    ]
    month = MonthSegments(MonthKey(b"\x01" * 8), tuple(segments))
    page = SegmentsAnswer(Ping(bytes(8), 1, bytes(12), bytes(12)), (month,), None)
    asked: list[ExactRequest] = []
    while not isinstance(step := machine.next(), Done):
        assert isinstance(step, Ask)
        answer: Answer = page
        if answer_kind(step.request) is ExactAnswer:
            request = unpack_request(step.request)
            assert isinstance(request, ExactRequest)
            asked.append(request)
            answer = ExactAnswer(len(request.parts), (), 0)
        machine.receive(pack(answer))
    assert [len(request.parts) for request in asked] == [1500]
    assert {listed.part.bits for listed in asked[0].parts} == {0}


def test_months_under_one_key_are_compared_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "month_key", one_key)
    records = [make(serial, 9 * 10) for serial in range(200)]
    with contextlib.ExitStack() as opened:
        ours, theirs = (
            opened.enter_context(
                contextlib.closing(SqliteStore(tmp_path / name, Kinds(), os.urandom))
            )
            for name in ("ours.db", "theirs.db")
        )
        ours.ingest(records[:120], 0)
        theirs.ingest(records[60:], 0)
        seen = exchange(ours, theirs, random.Random(1))
        (page,) = (answer for answer in seen.answers if isinstance(answer, SegmentsAnswer))
        assert [len(month.segments) for month in page.months] == [90]
        assert seen.outcome.complete
        assert ours.view().root().known == theirs.view().root().known
        assert ours.view().root().known == Digest.of(map(record_id, records))


def one_key(_segment: Segment) -> MonthKey:
    """Name every month alike."""
    return MonthKey(b"collides")


def test_a_month_may_have_as_many_segments_as_a_message_has_room_for() -> None:
    digests = [
        SegmentDigest(SegmentKey(n.to_bytes(8, "big")), 1, bytes(16))
        for n in range(segments_per_month_max - 4)
    ]
    month = MonthSegments(MonthKey(bytes(8)), tuple(digests))
    answer = SegmentsAnswer(Ping(bytes(8), 1, bytes(12), bytes(12)), (month,), None)
    assert unpack_answer(pack(answer)) == answer
