"""Neither side spends more memory or reading than its limits, whatever the other asks or says."""

import contextlib
import functools
import math
import random
import tracemalloc
from collections.abc import Callable, Iterator

import pytest

from p2p.codec import MalformedMessage, message_bytes_max, pack
from p2p.envelope import RecordId, record_id
from p2p.manifest import MonthKey, SegmentKey, segment_key
from p2p.reconcile import Ask, Done, Initiator, Ping, Responder, filters
from p2p.reconcile.messages import (
    Answer,
    Cut,
    ExactAnswer,
    ExactRequest,
    Filter,
    FiltersAnswer,
    FiltersRequest,
    LeavesAnswer,
    LeavesRequest,
    MonthDigest,
    MonthSegments,
    Part,
    PartAnswer,
    PartFilter,
    PartIds,
    Request,
    SegmentDigest,
    SegmentsAnswer,
    SegmentsRequest,
    Snapshot,
    Wanted,
    hashing,
    leaf_entry_bytes,
    unpack_answer,
)
from p2p.reconcile.responder import ids_per_answer_max
from tests.reconcile.peers import IndexedView, Peer, answer_kind, differing, make
from tests.reconcile.test_exchange_hostile import stores

zero = SegmentKey(bytes(8))
memory_bytes_max = 16 * 1024 * 1024


@contextlib.contextmanager
def bounded_memory() -> Iterator[None]:
    """Fail if more memory is allocated within than the limit."""
    tracemalloc.start()
    try:
        yield
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < memory_bytes_max


def endless_page(page: int) -> SegmentsAnswer:
    """Return a full page of months and segments that nobody has, and that is not the last."""
    digests = tuple(
        SegmentDigest(SegmentKey(serial.to_bytes(8, "big")), 2**32 - 1, bytes(16))
        for serial in range(31)
    )
    months = [
        MonthSegments(MonthKey((page << 32 | i).to_bytes(8, "big")), digests) for i in range(60)
    ]
    root = Ping(bytes(8), 1, bytes(12), bytes(12))
    return SegmentsAnswer(root, tuple(months), MonthKey((page + 1 << 32).to_bytes(8, "big")))


@pytest.mark.parametrize(
    ("done", "reason"),
    [(0, "too many ids share their first 56 bits"), (1, "no end after 20 requests")],
)
def test_false_counts_and_endless_pages_cost_requests_but_no_memory(done: int, reason: str) -> None:
    machine = Initiator(stores()[0].view(), random.Random(1), requests=20)
    page = 0
    with bounded_memory():
        while not isinstance(step := machine.next(), Done):
            assert isinstance(step, Ask)
            answer: Answer = ExactAnswer(done, (), 0)
            if answer_kind(step.request) is SegmentsAnswer:
                page += 1
                answer = endless_page(page)
            machine.receive(pack(answer))
    assert step.outcome.reason == reason


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        (4608, "more records than announced"),
        (2**32 - 1, "4294967295 records after filters; the limit is 4608"),
    ],
)
def test_records_that_follow_filters_without_end_cost_no_memory(records: int, reason: str) -> None:
    ours, theirs = differing(shared=300, ours=0, theirs=60, segments=1)
    machine = Initiator(ours.view(), random.Random(1))
    responder = Responder(theirs)
    start = make(0)[:-1] + b"\xce"  # a number of four bytes follows
    with bounded_memory():
        while not isinstance(step := machine.next(), Done):
            assert isinstance(step, Ask)
            answer = unpack_answer(responder.answer(step.request).answer)
            if isinstance(answer, FiltersAnswer):
                answer = FiltersAnswer((PartAnswer(360, bytes(8), records, None),))
            machine.receive(pack(answer))
            for batch in range(240 if answer_kind(step.request) is FiltersAnswer else 0):
                numbers = range(500 * batch, 500 * (batch + 1))
                machine.received([start + number.to_bytes(4, "big") for number in numbers])
    assert step.outcome.reason == reason


def test_leaves_that_seem_large_at_every_depth_cost_no_memory() -> None:
    ours, theirs = differing(shared=3000, ours=1, theirs=1, segments=1)
    machine = Initiator(ours.view(), random.Random(1), requests=9)
    responder = Responder(theirs)
    large = b"12345678" + b"\xff" * 4
    with bounded_memory():
        while not isinstance(step := machine.next(), Done):
            assert isinstance(step, Ask)
            answer = unpack_answer(responder.answer(step.request).answer)
            if isinstance(answer, LeavesAnswer):
                tables = tuple(len(table) // leaf_entry_bytes * large for table in answer.tables)
                answer = LeavesAnswer(tables)
            machine.receive(pack(answer))
    assert step.outcome.requests <= 9


def ids(count: int) -> list[RecordId]:
    """Return so many ids."""
    return [RecordId(number.to_bytes(32, "big")) for number in range(count)]


@functools.cache
def crowded() -> Peer:
    """Return a store of 20,000 records in one segment."""
    peer = Peer(2, map(make, range(20_000)))
    peer.view().leaves(peer.rows[0].key)
    return peer


def exact(*parts: PartIds) -> bytes:
    """Return a request for parts of the snapshot of `stores`."""
    return pack(ExactRequest(Snapshot((2).to_bytes(8, "big"), 1), bytes(16), parts))


def leaves(*cuts: Cut) -> bytes:
    """Return a request for leaves of the snapshot of `stores`."""
    return pack(LeavesRequest(Snapshot((2).to_bytes(8, "big"), 1), bytes(16), cuts))


def filtered(part: Part, filter_: Filter) -> bytes:
    """Return a request about one part of the snapshot of `stores`."""
    at = Snapshot((2).to_bytes(8, "big"), 1)
    return pack(FiltersRequest(hashing, at, bytes(16), (PartFilter(part, filter_),)))


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (exact(PartIds(Part(zero, 3, 8), b"")), "leaf 8 does not fit in 3 bits"),
        (exact(PartIds(Part(zero, 0, 1), b"")), "leaf 1 does not fit in 0 bits"),
        (exact(PartIds(Part(zero, 8, 1), b"1234567")), "7 bytes of short ids"),
        (pack(LeavesRequest(Snapshot(bytes(8), 1), bytes(3), ())), "length"),
        (pack(SegmentsRequest(None, MonthKey(b""), MonthKey(bytes(8)), ())), "length"),
        (leaves(Cut(Part(zero, 0, 0), 0)), "Expected `int` >= 1"),
        (leaves(Cut(Part(zero, 0, 0), 9)), "Expected `int` <= 8"),
        (leaves(Cut(Part(zero, 0, 1), 1)), "leaf 1 does not fit in 0 bits"),
        (leaves(Cut(Part(zero, 4, 0), 5)), "a part of 4 bits cut by 5 more"),
        (leaves(Cut(Part(zero, 50, 0), 7)), "a part of 50 bits cut by 7 more"),
        (leaves(*[Cut(Part(zero, 0, 0), 8)] * 21), "5376 leaves asked for; the limit is 5120"),
        (filtered(Part(zero, 3, 8), Filter(1, 0.5, b"1")), "leaf 8 does not fit in 3 bits"),
        (filtered(Part(zero, 0, 0), Filter(9, 0.5, b"1")), "a filter of 1 bytes, where 9 ids"),
        (filtered(Part(zero, 0, 0), Filter(5, 0.01, b"\xff" * 7)), "more bits than 5 ids can set"),
        (filtered(Part(zero, 0, 0), Filter(5, math.nan, b"")), "error_rate|float"),
        (filtered(Part(zero, 0, 0), Filter(2**14 + 1, 0.5, b"")), "16384"),
    ],
)
def test_a_bad_request_is_refused_with_the_reason(request_: bytes, reason: str) -> None:
    _, theirs = stores()
    with pytest.raises(MalformedMessage, match=reason):
        Responder(theirs).answer(request_)


def test_unknown_keys_are_answered_as_empty() -> None:
    _, theirs = stores()
    at = Snapshot(theirs.id, 1)
    responder = Responder(theirs)
    cut = Cut(Part(zero, 0, 0), 3)
    leaves = unpack_answer(responder.answer(pack(LeavesRequest(at, bytes(16), (cut,)))).answer)
    assert isinstance(leaves, LeavesAnswer)
    assert [len(table) for table in leaves.tables] == [8 * leaf_entry_bytes]
    reply = responder.answer(exact(PartIds(Part(zero, 0, 0), b"12345678")))
    answer = unpack_answer(reply.answer)
    assert answer == ExactAnswer(1, (Wanted(0, b"12345678"),), 0)
    assert reply.records == ()


def test_months_that_only_the_initiator_knows_are_named_as_different() -> None:
    theirs = Peer(2)
    unknown = MonthDigest(MonthKey(bytes(8)), bytes(16))
    request = SegmentsRequest(None, MonthKey(bytes(8)), MonthKey(b"\xff" * 8), (unknown,))
    answer = unpack_answer(Responder(theirs).answer(pack(request)).answer)
    assert isinstance(answer, SegmentsAnswer)
    assert answer.months == (MonthSegments(unknown.month, ()),)
    assert answer.next is None


def test_a_greedy_request_is_answered_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = Peer(2, map(make, range(5000)))
    (segment,) = {row.segment for row in theirs.rows}
    read: list[int] = []
    honest = IndexedView.ids

    def counted(
        view: IndexedView, key: SegmentKey, first: bytes, last: bytes, ids_max: int
    ) -> object:
        found = honest(view, key, first, last, ids_max)
        read.append(len(found))
        return found

    monkeypatch.setattr(IndexedView, "ids", counted)
    whole = PartIds(Part(segment_key(segment), 0, 0), b"")
    at = Snapshot(theirs.id, 5000)
    reply = Responder(theirs).answer(pack(ExactRequest(at, bytes(16), (whole,) * 2000)))
    answer = unpack_answer(reply.answer)
    assert isinstance(answer, ExactAnswer)
    assert answer.done == 1
    assert len(reply.records) == answer.records == 5000
    assert set(reply.records) == set(map(record_id, map(make, range(5000))))
    fine = [PartIds(Part(segment_key(segment), 16, leaf), b"") for leaf in range(2000)]
    read.clear()
    Responder(theirs).answer(pack(ExactRequest(at, bytes(16), tuple(fine))))
    assert sum(read) < ids_per_answer_max + max(read)


greedy = {
    "lists": lambda at, key: ExactRequest(
        at, bytes(16), tuple(PartIds(Part(key, 4, n % 16), b"") for n in range(2000))
    ),
    "a list of 8,000": lambda at, key: ExactRequest(
        at, bytes(16), (PartIds(Part(key, 0, 0), bytes(64_000)),)
    ),
    "filters": lambda at, key: FiltersRequest(
        hashing,
        at,
        bytes(16),
        tuple(
            PartFilter(Part(key, 4, n % 16), filters.build([], bytes(16), 0.5)) for n in range(1024)
        ),
    ),
    "a filter for many": lambda at, key: FiltersRequest(
        hashing,
        at,
        bytes(16),
        (PartFilter(Part(key, 2, 1), filters.build(ids(16_384), bytes(16), 0.0001)),),
    ),
    "leaves": lambda at, key: LeavesRequest(
        at, bytes(16), tuple(Cut(Part(key, 8, n % 256), 2) for n in range(1024))
    ),
    "months": lambda at, key: SegmentsRequest(
        None,
        MonthKey(bytes(8)),
        MonthKey(b"\xff" * 8),
        tuple(MonthDigest(MonthKey(n.to_bytes(8, "big")), bytes(16)) for n in range(2200)),
    ),
}


@pytest.mark.parametrize("request_of", greedy.values(), ids=greedy)
def test_a_greedy_request_costs_bounded_memory_and_is_answered_in_a_message(
    request_of: Callable[[Snapshot, SegmentKey], Request],
) -> None:
    theirs = crowded()
    key = theirs.rows[0].key
    data = pack(request_of(Snapshot(theirs.id, len(theirs.rows)), key))
    with bounded_memory():
        reply = Responder(theirs).answer(data)
    assert len(reply.answer) <= message_bytes_max
    assert len(reply.records) <= 2 * ids_per_answer_max
