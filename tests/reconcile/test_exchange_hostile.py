"""Nothing that a peer says makes an exchange raise, go on for ever, or grow."""

import functools
import math
import random
from collections.abc import Callable, Collection, Mapping

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pybloom_live import BloomFilter

from p2p.codec import Message, canonical, pack
from p2p.envelope import NoEnvelope, RecordId, record_id, segment_of
from p2p.manifest import MonthKey
from p2p.reconcile import (
    Ask,
    Done,
    Initiator,
    Ping,
    Push,
    Receipt,
    Responder,
    filters,
    initiator,
)
from p2p.reconcile.messages import (
    Answer,
    ExactAnswer,
    Filter,
    FiltersAnswer,
    LeavesAnswer,
    MonthSegments,
    PartAnswer,
    Refused,
    SegmentDigest,
    SegmentsAnswer,
    Snapshot,
    Stale,
    Wanted,
    leaf_digest_bytes,
    leaf_entry_bytes,
    unpack_answer,
)
from tests.reconcile.peers import Course, Peer, answer_kind, exchange, filter_pages, make

full_leaf = b"12345678" + b"\xff" * 4


@functools.cache
def _stores() -> tuple[Peer, Peer]:
    large = [make(serial) for serial in range(600)]
    middle = [make(serial, 3) for serial in range(1001, 1301, 3)]
    small = [make(serial, 3) for serial in range(1003, 1048, 3)]
    return (
        Peer(1, large[3:] + middle[3:] + small[3:]),
        Peer(2, large[:-3] + middle[:-3] + small[:-3]),
    )


def stores() -> tuple[Peer, Peer]:
    """Return two stores that differ in a large segment, in a middling one and in a small one."""
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


def answering(**lie: object) -> Callable[[bytes], bytes]:
    """Return a way to change fields of what is answered about every part."""

    def tamper(data: bytes) -> bytes:
        answer = unpack_answer(data)
        if not isinstance(answer, FiltersAnswer):
            return data
        return pack(
            FiltersAnswer(tuple(msgspec.structs.replace(part, **lie) for part in answer.parts))
        )

    return tamper


def sending_back(filter_: Filter) -> Callable[[bytes], bytes]:
    """Return a way to put this filter in the place of every other."""
    return answering(filter=filter_)


lies = {
    "no message": (lambda _: b"rubbish", "not a"),
    "too many bytes": (lambda _: bytes(70_000), "exceed"),
    "another answer": (replaced(LeavesAnswer(())), "LeavesAnswer in answer to SegmentsRequest"),
    "no snapshot": (replaced(Stale(Snapshot(bytes(8), 0))), "too much meanwhile"),
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
    "too few leaves": (lying(LeavesAnswer, tables=()), "the leaves of 0 of 1 parts"),
    "too many leaves": (
        lying(LeavesAnswer, tables=(bytes(leaf_entry_bytes),) * 2),
        "the leaves of 2 of 1 parts",
    ),
    "leaves of another cut": (
        lying(LeavesAnswer, tables=(bytes(leaf_entry_bytes),)),
        "12 bytes of leaves",
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
    "more parts than filters": (
        lying(FiltersAnswer, parts=(PartAnswer(1, bytes(8), 0, None),) * 9),
        "an answer about 9 of 1 parts",
    ),
    "records without end": (
        lying(FiltersAnswer, parts=(PartAnswer(1, bytes(8), 2**32 - 1, None),)),
        "4294967295 records after filters; the limit is 4608",
    ),
    "a filter of another length": (
        sending_back(Filter(100, 0.01, bytes(7))),
        "a filter of 7 bytes, where 100 ids at 0.01 take 959 bits",
    ),
    "a filter longer than it says": (sending_back(Filter(1, 0.5, bytes(65_000))), "65000 bytes"),
    "a filter with every bit set": (
        sending_back(Filter(100, 0.01, b"\xff" * 120)),
        "more bits than 100 ids can set",
    ),
    "a filter without ids": (sending_back(Filter(0, 0.01, b"")), "not a"),
    "a filter at an error rate of 1": (sending_back(Filter(1, 1.0, b"")), "not a"),
    "a filter at no number": (sending_back(Filter(1, math.nan, b"")), "not a"),
    "a filter at an error rate of 0": (sending_back(Filter(1, 0.0, b"")), "not a"),
    "a filter of too many ids": (sending_back(Filter(2**14 + 1, 0.01, b"")), "not a"),
}


@pytest.mark.parametrize(("tamper", "reason"), lies.values(), ids=lies)
def test_a_lie_ends_the_exchange_with_the_reason_and_the_next_one_converges(
    tamper: Callable[[bytes], bytes], reason: str
) -> None:
    ours, theirs = stores()
    union = ours.known | theirs.known
    outcome = Course(ours, theirs, random.Random(1), tamper=tamper).run().outcome
    assert reason in outcome.reason
    assert not outcome.complete
    assert not outcome.proves_copies
    assert exchange(ours, theirs, random.Random(2)).outcome.complete
    assert ours.known == theirs.known == union


def matching_all(data: bytes) -> bytes:
    """Send back filters that hold every id, as far as their fields allow."""
    answer = unpack_answer(data)
    if not isinstance(answer, FiltersAnswer):
        return data
    full = Filter(1000, 0.4, b"\xff" * ((BloomFilter(1000, 0.4).num_bits + 7) // 8))
    return pack(
        FiltersAnswer(tuple(msgspec.structs.replace(part, filter=full) for part in answer.parts))
    )


def all_differing(data: bytes) -> bytes:
    """Give all leaves other digests, with their counts."""
    answer = unpack_answer(data)
    if not isinstance(answer, LeavesAnswer):
        return data
    tables = [bytearray(table) for table in answer.tables]
    for table in tables:
        for start in range(0, len(table), leaf_entry_bytes):
            table[start : start + leaf_digest_bytes] = b"another."
    return pack(LeavesAnswer(tuple(map(bytes, tables))))


harmless = {
    "filters that hold every id": matching_all,
    "filters of no id": sending_back(filters.build([], bytes(16), 0.5)),
    "filters under another salt": sending_back(
        filters.build([record_id(make(n)) for n in range(600)], b"1" * 16, 0.01)
    ),
    "filters left out": answering(filter=None),
    "false digests": answering(digest=bytes(8)),
    "false counts": answering(count=2**32 - 1),
    "counts of nothing": answering(count=0),
    "more records than follow": answering(records=500),
    "leaves that all differ": all_differing,
}


@pytest.mark.parametrize("tamper", harmless.values(), ids=harmless)
def test_a_false_answer_costs_messages_and_no_record(
    tamper: Callable[[bytes], bytes],
) -> None:
    ours, theirs = stores()
    union = ours.known | theirs.known
    outcome = Course(ours, theirs, random.Random(1), tamper=tamper).run().outcome
    assert outcome.complete
    assert ours.known == theirs.known == union


def test_a_peer_that_hashes_otherwise_is_answered_by_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = stores()
    union = ours.known | theirs.known
    monkeypatch.setattr(initiator, "hashing", 5)
    seen = exchange(ours, theirs, random.Random(1))
    assert [answer.parts for _, answer in filter_pages(seen)] == [(), ()]
    assert seen.outcome.complete
    assert seen.outcome.false_positives == 0
    assert seen.outcome.exact_lists == 6
    assert ours.known == theirs.known == union


class Forger(Peer):
    """A peer that sends other records than those it has announced."""

    forged: tuple[bytes, ...] = ()

    def bodies(self, ids: Collection[RecordId]) -> Mapping[RecordId, bytes]:
        """Return as many records as were asked for, but others."""
        chosen = (self.forged * len(ids))[: len(ids)]
        return {RecordId(bytes([number])): data for number, data in enumerate(chosen)}


endless_name = canonical(["x" * 1000, 1, "", 0, bytes(16), 0])

forgeries = {
    "no records": b"\xc1",
    "half of a record": make(0)[:-1],
    "a record with a long name": endless_name,
    "a record of another segment": make(5004, 40),
    "a record of another leaf": make(700),
    "a record that is known": make(10),
}


@pytest.mark.parametrize("data", forgeries.values(), ids=forgeries)
def test_records_that_were_not_announced_end_the_exchange_and_hide_none(data: bytes) -> None:
    ours, honest = stores()
    had, they_had = ours.known, honest.known
    forger = Forger(2, [record.data for record in honest.held.values()])
    forger.forged = (data,)
    outcome = Course(ours, forger, random.Random(1)).run().outcome
    assert outcome.reason == "more records than announced"
    assert not outcome.proves_copies
    exchange(ours, honest, random.Random(2))
    assert ours.known == honest.known == had | they_had | (ours.known & {record_id(data)})


def test_a_name_that_no_record_may_have_is_not_kept_in_memory() -> None:
    with pytest.raises(NoEnvelope, match="length <= 32"):
        segment_of(endless_name)


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
    machine.received([b"record"] * (announced + 1))
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
    table = st.sampled_from([2, 4, 256]).map(lambda leaves: full_leaf * leaves)
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
            fitting = by_kind.get(answer_kind(step.request), said[asked % len(said)])
            assert machine.receive(pack(fitting)) == 0
        else:
            pushed += len(step.ids)
    assert asked <= 40
    assert pushed <= len(ours.rows)
    assert machine.next() == step


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

    machine = Initiator(ours.view(), random.Random(1), requests=30)
    Course(ours, theirs, random.Random(1), machine=machine, tamper=damage).run()
    exchange(ours, theirs, random.Random(2))
    assert ours.known == theirs.known == had
