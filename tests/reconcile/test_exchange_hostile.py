"""Nothing that a peer says makes an exchange raise, go on for ever, or grow."""

import contextlib
import functools
import random
import tracemalloc
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from p2p.codec import MalformedMessage, Message, pack
from p2p.envelope import record_id
from p2p.manifest import MonthKey, SegmentKey, segment_key
from p2p.reconcile import Ask, Done, Initiator, Ping, Push, Receipt, Responder
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
    Refused,
    Request,
    SegmentDigest,
    SegmentsAnswer,
    SegmentsRequest,
    Snapshot,
    Stale,
    Wanted,
    leaf_table_bytes,
    leaves_per_segment,
    unpack_answer,
)
from p2p.reconcile.responder import ids_per_answer_max
from tests.reconcile.peers import Course, IndexedView, Peer, exchange, make

zero = SegmentKey(bytes(8))
full_leaf = b"12345678" + b"\xff" * 4


@functools.cache
def _stores() -> tuple[Peer, Peer]:
    large = [make(serial) for serial in range(300)]
    small = [make(serial, 2) for serial in range(1001, 1031, 2)]
    return Peer(1, large[3:] + small[3:]), Peer(2, large[:-3] + small[:-3])


def stores() -> tuple[Peer, Peer]:
    """Return two stores that differ in a large segment and in a small one."""
    ours, theirs = _stores()
    return ours.copy(), theirs.copy()


def lying(kind: type[Message], **lie: object) -> Callable[[bytes], bytes]:
    """Return a way to change fields of every answer of one kind."""

    def tamper(data: bytes) -> bytes:
        answer = unpack_answer(data)
        return pack(msgspec.structs.replace(answer, **lie)) if isinstance(answer, kind) else data

    return tamper


def replaced(answer: Answer) -> Callable[[bytes], bytes]:
    """Return a way to put this answer in the place of every other."""
    return lambda _: pack(answer)


def months(*firsts: int) -> tuple[MonthSegments, ...]:
    """Return months without segments, by the first byte of their keys."""
    return tuple(MonthSegments(MonthKey(bytes([first] * 8)), ()) for first in firsts)


lies = {
    "no message": (lambda _: b"rubbish", "not a"),
    "too many bytes": (lambda _: bytes(70_000), "exceed"),
    "another answer": (replaced(LeavesAnswer(())), "LeavesAnswer in answer to SegmentsRequest"),
    "no snapshot": (replaced(Stale(Snapshot(bytes(8), 0))), "snapshot is gone"),
    "months out of order": (lying(SegmentsAnswer, months=months(5, 4)), "out of order"),
    "a month twice": (lying(SegmentsAnswer, months=months(5, 5)), "out of order"),
    "a page without end": (
        lying(SegmentsAnswer, months=(), next=MonthKey(b"\xff" * 8)),
        "leads nowhere",
    ),
    "a page that leads back": (
        lying(SegmentsAnswer, months=months(5), next=MonthKey(bytes(8))),
        "leads nowhere",
    ),
    "too few leaves": (lying(LeavesAnswer, tables=()), "the leaves of 0 segments, not 1"),
    "too many leaves": (
        lying(LeavesAnswer, tables=(bytes(leaf_table_bytes),) * 2),
        "the leaves of 2 segments",
    ),
    "more parts than asked": (lying(ExactAnswer, done=4096), "an answer about 4096 of"),
    "no part, but records": (lying(ExactAnswer, done=0, wanted=(), records=5), "about 0 of"),
    "wants of no part": (lying(ExactAnswer, wanted=(Wanted(4000, b""),)), "wants of part 4000"),
    "wants of a part twice": (
        lying(ExactAnswer, wanted=(Wanted(0, b""), Wanted(0, b""))),
        "wants of part 0 after part 0",
    ),
    "wants not offered": (lying(ExactAnswer, wanted=(Wanted(0, b"12345678"),)), "not offered"),
    "wants cut off": (lying(ExactAnswer, wanted=(Wanted(0, b"1234567"),)), "7 bytes of short ids"),
}


@pytest.mark.parametrize(("tamper", "reason"), lies.values(), ids=lies)
def test_a_lie_ends_the_exchange_with_the_reason(
    tamper: Callable[[bytes], bytes], reason: str
) -> None:
    ours, theirs = stores()
    outcome = Course(ours, theirs, random.Random(1), tamper=tamper).run().outcome
    assert reason in outcome.reason
    assert not outcome.complete
    assert not outcome.proves_copies


def ask_once(ours: Peer) -> tuple[Initiator, SegmentsAnswer]:
    """Return an exchange that waits for its first answer, and an honest one."""
    machine = Initiator(ours.view(), random.Random(1))
    step = machine.next()
    assert isinstance(step, Ask)
    answer = unpack_answer(Responder(Peer(2)).answer(step.request).answer)
    assert isinstance(answer, SegmentsAnswer)
    return machine, answer


def test_a_month_outside_the_page_ends_the_exchange() -> None:
    machine = Initiator(Peer(1).view(), random.Random(1))
    machine.next()
    page = SegmentsAnswer(
        Ping(bytes(8), 1, bytes(12), bytes(12)), months(5), MonthKey(bytes([6] * 8))
    )
    machine.receive(pack(page))
    machine.next()
    machine.receive(pack(page))
    step = machine.next()
    assert isinstance(step, Done)
    assert step.outcome.reason == "a month that was not asked about"


def test_a_snapshot_that_changes_between_pages_ends_the_exchange() -> None:
    machine = Initiator(Peer(1).view(), random.Random(1))
    for seq in (1, 2):
        machine.next()
        root = Ping(bytes(8), seq, bytes(12), bytes(12))
        machine.receive(pack(SegmentsAnswer(root, months(5), MonthKey(bytes([6] * 8)))))
    step = machine.next()
    assert isinstance(step, Done)
    assert step.outcome.reason == "an answer about another snapshot"


@pytest.mark.parametrize(
    ("receipt", "reason"),
    [
        (b"rubbish", "not a Receipt"),
        (pack(Receipt(b"renewed!")), "another store"),
        (pack(Receipt((2).to_bytes(8, "big"), (Refused(5, ""),))), "refuses record 5 of 5"),
    ],
    ids=["rubbish", "another store", "not pushed"],
)
def test_a_bad_receipt_proves_nothing_and_ends_the_exchange(receipt: bytes, reason: str) -> None:
    ours = Peer(1, map(make, range(5)))
    machine, answer = ask_once(ours)
    machine.receive(pack(answer))
    step = machine.next()
    assert isinstance(step, Push)
    assert machine.pushed(step.ids, receipt) == []
    end = machine.next()
    assert isinstance(end, Done)
    assert reason in end.outcome.reason
    assert end.outcome.given == 0


def test_more_records_than_announced_end_the_exchange() -> None:
    theirs = Peer(2, map(make, range(5)))
    machine = Initiator(Peer(1).view(), random.Random(1))
    announced = 0
    while announced == 0:
        step = machine.next()
        assert isinstance(step, Ask)
        announced = machine.receive(Responder(theirs).answer(step.request).answer)
    machine.received(announced + 1)
    end = machine.next()
    assert isinstance(end, Done)
    assert end.outcome.reason == "more records than announced"


def keys() -> st.SearchStrategy[bytes]:
    """Keys, some of which are ours."""
    real = list(stores()[0].view().months())
    return st.sampled_from([*real, bytes(8), b"\xff" * 8]) | st.binary(min_size=8, max_size=8)


def answers() -> st.SearchStrategy[Answer]:
    """Well-formed answers that say anything."""
    counts = st.sampled_from([1, 300, 10_000, 2**32 - 1])
    segments = st.builds(SegmentDigest, keys(), counts, st.just(bytes(16)))
    month = st.builds(MonthSegments, keys(), st.lists(segments, max_size=3).map(tuple))
    ordered = st.lists(month, max_size=4, unique_by=lambda entry: entry.month).map(
        lambda found: tuple(sorted(found, key=lambda entry: entry.month))
    )
    root = st.just(Ping(bytes(8), 1, bytes(12), bytes(12)))
    table = st.just(full_leaf * leaves_per_segment)
    wanted = st.builds(Wanted, st.integers(0, 3), st.binary(max_size=24))
    return st.one_of(
        st.builds(SegmentsAnswer, root, ordered, st.none() | keys()),
        st.builds(LeavesAnswer, st.lists(table, max_size=2).map(tuple)),
        st.builds(
            ExactAnswer,
            st.integers(0, 3),
            st.lists(wanted, max_size=2).map(tuple),
            st.just(0),
        ),
    )


@given(st.lists(answers(), min_size=1, max_size=6), st.integers(0, 2**32))
@settings(max_examples=50, deadline=None)
def test_any_answers_end_the_exchange_within_its_number_of_requests(
    said: list[Answer], seed: int
) -> None:
    ours, _ = stores()
    machine = Initiator(ours.view(), random.Random(seed), requests=40)
    by_kind = {type(answer): answer for answer in said}
    asked = pushed = 0
    while not isinstance(step := machine.next(), Done):
        if isinstance(step, Ask):
            asked += 1
            fitting = by_kind.get(_answer_to(step.request), said[asked % len(said)])
            assert machine.receive(pack(fitting)) == 0
        else:
            pushed += len(step.ids)
    assert asked <= 40
    assert pushed <= len(ours.rows)
    assert machine.next() == step


def _answer_to(request: bytes) -> type[Answer]:
    message: Request = msgspec.msgpack.decode(request, type=Request)
    match message:
        case SegmentsRequest():
            return SegmentsAnswer
        case LeavesRequest():
            return LeavesAnswer
        case ExactRequest():
            return ExactAnswer


@pytest.mark.parametrize(
    ("done", "reason"),
    [(0, "too many ids share their first 56 bits"), (1, "no end after 60 requests")],
)
def test_false_counts_and_endless_pages_cost_requests_but_no_memory(done: int, reason: str) -> None:
    ours = stores()[0]
    machine = Initiator(ours.view(), random.Random(1), requests=60)
    digests = [
        SegmentDigest(SegmentKey(serial.to_bytes(8, "big")), 2**32 - 1, bytes(16))
        for serial in range(31)
    ]
    tracemalloc.start()
    try:
        page = 0
        while not isinstance(step := machine.next(), Done):
            assert isinstance(step, Ask)
            kind = _answer_to(step.request)
            answer: Answer = ExactAnswer(done, (), 0)
            if kind is SegmentsAnswer:
                page += 1
                many = [
                    MonthSegments(MonthKey((page << 32 | i).to_bytes(8, "big")), tuple(digests))
                    for i in range(60)
                ]
                following = MonthKey((page + 1 << 32).to_bytes(8, "big"))
                root = Ping(bytes(8), 1, bytes(12), bytes(12))
                answer = SegmentsAnswer(root, tuple(many), following)
            machine.receive(pack(answer))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert step.outcome.reason == reason
    assert peak_bytes < 16 * 1024 * 1024


@given(st.binary(max_size=200))
@example(b"")
def test_a_responder_answers_or_refuses_any_bytes(data: bytes) -> None:
    responder = Responder(Peer(2, map(make, range(3))))
    with contextlib.suppress(MalformedMessage):
        responder.answer(data)


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_damaged_messages_are_refused_or_harmless(data: st.DataObject) -> None:
    ours, theirs = stores()
    had = ours.known | theirs.known

    def damage(message: bytes) -> bytes:
        place = data.draw(st.integers(0, 200))
        if place >= len(message):
            return message
        value = data.draw(st.integers(0, 255))
        return message[:place] + bytes([value]) + message[place + 1 :]

    Course(ours, theirs, random.Random(1), tamper=damage, requests=30).run()
    exchange(ours, theirs, random.Random(2))
    assert ours.known == theirs.known == had


def exact(*parts: PartIds) -> bytes:
    """Return a request for parts of the snapshot of `stores`."""
    return pack(ExactRequest(Snapshot((2).to_bytes(8, "big"), 1), bytes(16), parts))


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (exact(PartIds(Part(zero, 3, 8), b"")), "leaf 8 does not fit in 3 bits"),
        (exact(PartIds(Part(zero, 0, 1), b"")), "leaf 1 does not fit in 0 bits"),
        (exact(PartIds(Part(zero, 8, 1), b"1234567")), "7 bytes of short ids"),
        (pack(LeavesRequest(Snapshot(bytes(8), 1), bytes(3), ())), "length"),
        (pack(SegmentsRequest(None, MonthKey(b""), MonthKey(bytes(8)), ())), "length"),
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
    leaves = unpack_answer(responder.answer(pack(LeavesRequest(at, bytes(16), (zero,)))).answer)
    assert isinstance(leaves, LeavesAnswer)
    assert len(leaves.tables) == 1
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

    def counted(view: IndexedView, key: SegmentKey, leaf: int) -> object:
        found = honest(view, key, leaf)
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
