"""Whatever two stores know, exchanges leave both with all of it, and move nothing twice."""

import random
from collections.abc import Sequence
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2p.envelope import Record, RecordId, RecordRefused, record_id
from p2p.kinds import Kind, Kinds
from p2p.manifest import SegmentKey
from p2p.reconcile import Ask, Initiator, Push, Responder, initiator, ping
from p2p.reconcile.messages import (
    ExactAnswer,
    ExactRequest,
    LeavesRequest,
    SegmentsAnswer,
    SegmentsRequest,
)
from tests.reconcile.peers import Course, Cut, IndexedView, Peer, exchange, make, names_that_collide

rngs = st.integers(0, 2**32).map(random.Random)


@st.composite
def pairs(draw: st.DrawFn, shared_max: int = 500, own_max: int = 150) -> tuple[Peer, Peer]:
    """Two stores that share some records and have some of their own."""
    segments = draw(st.sampled_from([1, 2, 3, 40]))
    shared = draw(st.integers(0, shared_max))
    ours, theirs = draw(st.integers(0, own_max)), draw(st.integers(0, own_max))
    chosen = draw(rngs).sample(range(8000), shared + ours + theirs)
    records = [make(serial, segments) for serial in chosen]
    return Peer(1, records[: ours + shared]), Peer(2, records[ours:])


def differing(shared: int, ours: int, theirs: int, segments: int) -> tuple[Peer, Peer]:
    """Two stores of so many shared and own records, spread over so many segments."""
    records = [make(serial, segments) for serial in range(shared + ours + theirs)]
    return Peer(1, records[: ours + shared]), Peer(2, records[ours:])


@given(pairs(shared_max=2000, own_max=300), rngs)
@settings(max_examples=15, deadline=None)
def test_one_exchange_leaves_both_with_the_union_and_moves_only_what_was_lacking(
    pair: tuple[Peer, Peer], rng: random.Random
) -> None:
    ours, theirs = pair
    had, they_had = ours.known, theirs.known
    seen = exchange(ours, theirs, rng)
    assert ours.known == theirs.known == had | they_had
    assert sorted(seen.given) == sorted(had - they_had)
    assert sorted(seen.taken) == sorted(they_had - had)
    assert seen.outcome.complete
    assert seen.outcome.proves_copies
    assert seen.outcome.phases <= 4
    assert (seen.outcome.given, seen.outcome.taken) == (len(seen.given), len(seen.taken))
    assert seen.outcome.withheld == 0


def test_a_large_segment_is_compared_by_leaves_and_then_by_lists() -> None:
    ours, theirs = differing(shared=2000, ours=3, theirs=4, segments=1)
    seen = exchange(ours, theirs, random.Random(1))
    assert seen.used(LeavesRequest)
    assert 1 <= seen.outcome.exact_lists <= 7
    assert seen.outcome.phases == 4
    assert seen.outcome.requests == 3
    assert len(seen.given) == 3
    assert len(seen.taken) == 4


def test_a_small_segment_is_compared_by_a_list_at_once() -> None:
    ours, theirs = differing(shared=200, ours=3, theirs=4, segments=1)
    seen = exchange(ours, theirs, random.Random(1))
    assert not seen.used(LeavesRequest)
    assert seen.outcome.requests == 2


def test_what_the_peer_has_nothing_of_is_pushed_without_asking() -> None:
    ours, theirs = Peer(1, map(make, range(2500))), Peer(2)
    seen = exchange(ours, theirs, random.Random(1))
    assert seen.outcome.requests == 1
    assert theirs.known == ours.known


def test_ids_are_read_no_faster_than_they_are_pushed(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = Peer(1, map(make, range(2500)))
    read: list[RecordId] = []
    honest = IndexedView.ids

    def counted(view: IndexedView, segment: SegmentKey, leaf: int) -> Sequence[RecordId]:
        found = honest(view, segment, leaf)
        read.extend(found)
        return found

    monkeypatch.setattr(IndexedView, "ids", counted)
    machine = Initiator(ours.view(), random.Random(1))
    step = machine.next()
    assert isinstance(step, Ask)
    machine.receive(Responder(Peer(2)).answer(step.request).answer)
    step = machine.next()
    assert isinstance(step, Push)
    assert len(step.ids) == 2048
    assert len(read) < 2048 + 50


def test_a_newcomer_takes_a_large_store_a_few_thousand_records_at_a_time() -> None:
    ours, theirs = Peer(1), Peer(2, map(make, range(6000)))
    seen = exchange(ours, theirs, random.Random(1))
    assert ours.known == theirs.known
    counts = [answer.records for answer in seen.answers if isinstance(answer, ExactAnswer)]
    assert sum(counts) == 6000
    assert len(counts) > 1
    assert max(counts) < 4096 + 2048


@given(st.integers(0, 600), st.sampled_from([1, 2, 40]), rngs)
@settings(max_examples=10, deadline=None)
def test_equal_stores_agree_by_their_pings_and_exchange_no_more(
    count: int, segments: int, rng: random.Random
) -> None:
    records = [make(serial, segments) for serial in range(count)]
    ours, theirs = Peer(1, records), Peer(2, rng.sample(records, count))
    assert ping(theirs.view()).agrees(ping(ours.view()))
    assert ping(theirs.view()).proves_copies(ping(ours.view()))
    seen = exchange(ours, theirs, rng)
    (answer,) = seen.answers
    assert isinstance(answer, SegmentsAnswer)
    assert not answer.months
    assert seen.outcome.phases == 1
    assert seen.outcome.proves_copies
    assert not seen.given
    assert not seen.taken


@given(pairs(shared_max=400, own_max=40), rngs)
@settings(max_examples=15, deadline=None)
def test_records_hidden_by_names_that_collide_are_found_by_later_exchanges(
    pair: tuple[Peer, Peer], rng: random.Random
) -> None:
    ours, theirs = pair
    union = ours.known | theirs.known
    with names_that_collide():
        for _ in range(64):
            if ping(ours.view()).agrees(ping(theirs.view())):
                break
            had, they_had = ours.known, theirs.known
            seen = exchange(ours, theirs, rng)
            assert not they_had & set(seen.given)
            assert not had & set(seen.taken)
    assert ours.known == theirs.known == union


def test_a_collision_hides_a_record_from_one_exchange() -> None:
    ours, theirs = differing(shared=100, ours=100, theirs=100, segments=1)
    with names_that_collide():
        seen = exchange(ours, theirs, random.Random(1))
    assert seen.outcome.complete
    assert ours.known != theirs.known
    assert not ping(ours.view()).agrees(ping(theirs.view()))


@given(pairs(), st.integers(0, 12), rngs)
@settings(max_examples=25, deadline=None)
def test_after_a_cut_at_any_message_the_next_exchange_converges(
    pair: tuple[Peer, Peer], cut_at: int, rng: random.Random
) -> None:
    ours, theirs = pair
    had, they_had = ours.known, theirs.known

    def cut(step: int) -> None:
        if step == cut_at:
            raise Cut

    course = Course(ours, theirs, rng, before=cut)
    try:
        course.run()
    except Cut:
        assert not course.seen.outcome.complete
    assert ours.known >= had
    assert theirs.known >= they_had
    exchange(ours, theirs, rng)
    assert ours.known == theirs.known == had | they_had


@given(pairs(), st.booleans(), rngs)
@settings(max_examples=12, deadline=None)
def test_records_that_arrive_meanwhile_do_no_harm(
    pair: tuple[Peer, Peer], same: bool, rng: random.Random
) -> None:
    ours, theirs = pair
    union = ours.known | theirs.known
    segments = rng.choice([1, 3])

    def produce(step: int) -> None:
        first = 20_000 + 100 * step
        ours.ingest([make(first + i, segments) for i in range(5)], 0)
        their_first = first if same else first + 3
        theirs.ingest([make(their_first + i, segments) for i in range(8)], 0)

    held_then = ours.known
    seen = exchange(ours, theirs, rng, before=produce)
    assert ours.known >= union
    assert theirs.known >= union
    assert not {record_id(make(serial)) for serial in range(20_000, 30_000)} & set(seen.given)
    assert seen.outcome.proves_copies
    assert theirs.known >= held_then
    exchange(theirs, ours, rng)
    assert ours.known == theirs.known


@st.composite
def graphs(draw: st.DrawFn) -> tuple[int, list[tuple[int, int]]]:
    """A connected graph: its number of nodes, and its edges in the order of their exchanges."""
    nodes = draw(st.integers(2, 6))
    edges = [(node, draw(st.integers(0, node - 1))) for node in range(1, nodes)]
    more = st.tuples(st.integers(0, nodes - 1), st.integers(0, nodes - 1))
    edges += [(a, b) for a, b in draw(st.lists(more, max_size=3)) if a != b]
    return nodes, draw(st.permutations(edges))


@given(graphs(), rngs)
@settings(max_examples=12, deadline=None)
def test_stores_on_a_connected_graph_converge_in_as_many_rounds_as_its_longest_path(
    graph: tuple[int, list[tuple[int, int]]], rng: random.Random
) -> None:
    nodes, edges = graph
    peers = [Peer(node) for node in range(nodes)]
    for serial in range(60):
        rng.choice(peers).ingest([make(serial, 5)], 0)
    for _ in range(nodes - 1):
        for one, other in edges:
            exchange(peers[one], peers[other], rng)
    assert {len(peer.known) for peer in peers} == {60}
    assert len({ping(peer.view()).known for peer in peers}) == 1


def month_by_month(months: int) -> list[bytes]:
    """Return one record for each of so many months."""
    step = 9 * 5  # `make` puts serials so far apart into months of their own
    return [make(serial, step * months) for serial in range(0, step * months, step)]


def test_more_months_than_a_request_holds_are_compared_page_by_page() -> None:
    records = month_by_month(2400)
    ours, theirs = Peer(1, records[3:]), Peer(2, records[:-3])
    seen = exchange(ours, theirs, random.Random(1))
    assert ours.known == theirs.known
    pages = [request for request in seen.requests if isinstance(request, SegmentsRequest)]
    assert len(pages) == 2
    assert sum(len(page.months) for page in pages) == len(ours.view(len(records) - 3).months())


def test_more_months_than_an_answer_holds_are_compared_page_by_page() -> None:
    ours, theirs = Peer(1), Peer(2, month_by_month(1600))
    seen = exchange(ours, theirs, random.Random(1))
    assert ours.known == theirs.known
    pages = [answer for answer in seen.answers if isinstance(answer, SegmentsAnswer)]
    assert [page.next is None for page in pages] == [False, True]


@given(pairs(), rngs)
@settings(max_examples=15, deadline=None)
def test_small_pages_and_small_answers_move_the_same_records(
    pair: tuple[Peer, Peer], rng: random.Random
) -> None:
    ours, theirs = pair
    had, they_had = ours.known, theirs.known
    with (
        mock.patch.object(initiator, "_months_per_page", 2),
        mock.patch.object(initiator, "_page_bytes", 40_000),
        mock.patch.object(initiator, "push_records_max", 7),
        mock.patch.object(initiator, "segments_per_request_max", 1),
    ):
        seen = exchange(ours, theirs, rng, ids_per_answer=100)
    assert seen.outcome.complete
    assert sorted(seen.given) == sorted(had - they_had)
    assert sorted(seen.taken) == sorted(they_had - had)
    assert ours.known == theirs.known


@pytest.mark.parametrize("ids_per_answer", [30, 2])
def test_a_part_with_too_many_ids_for_an_answer_is_cut_smaller(ids_per_answer: int) -> None:
    ours, theirs = differing(shared=200, ours=1, theirs=1, segments=1)
    seen = exchange(ours, theirs, random.Random(1), ids_per_answer=ids_per_answer)
    assert any(isinstance(answer, ExactAnswer) and answer.done == 0 for answer in seen.answers)
    assert ours.known == theirs.known
    assert len(seen.given) == len(seen.taken) == 1


def test_a_part_that_cannot_be_cut_smaller_ends_the_exchange() -> None:
    ours, theirs = differing(shared=50, ours=1, theirs=1, segments=1)
    seen = exchange(ours, theirs, random.Random(1), ids_per_answer=0)
    assert not seen.outcome.complete
    assert "too many ids share their first 56 bits" in seen.outcome.reason


def refusing(*refused: RecordId) -> Kinds:
    """Return kinds by whose rules these games are bad."""

    def check(record: Record) -> None:
        if record.id in refused:
            raise RecordRefused("bad")

    return Kinds([Kind("game", 1, check)])


def test_a_record_that_one_side_refused_before_is_not_sent_to_it_again() -> None:
    bad = record_id(make(0))
    ours = Peer(1, map(make, range(300)))
    theirs = Peer(2, map(make, range(200)), refusing(bad))
    assert theirs.refusals
    for one, other in ((ours, theirs), (theirs, ours)):
        seen = exchange(one, other, random.Random(1))
        assert bad not in seen.given
        assert bad not in seen.taken
        assert seen.outcome.complete
    assert ours.known == theirs.known
    mine, peers = ping(ours.view()), ping(theirs.view())
    assert peers.agrees(mine)
    assert not peers.proves_copies(mine)
    assert not exchange(ours, theirs, random.Random(1)).outcome.proves_copies
    assert exchange(theirs, ours, random.Random(1)).outcome.proves_copies


def test_equal_held_digests_prove_copies_whatever_either_side_has_refused() -> None:
    ours = Peer(1, map(make, range(20)), refusing(record_id(make(0)), record_id(make(1))))
    theirs = Peer(2, map(make, range(1, 20)), refusing(record_id(make(1))))
    mine, peers = ping(ours.view()), ping(theirs.view())
    assert mine.known != peers.known
    assert peers.agrees(mine)
    assert peers.proves_copies(mine)
    assert mine.proves_copies(peers)


def test_a_refused_record_has_nothing_to_give_and_ends_nothing() -> None:
    bad = record_id(make(0))
    kinds = refusing(bad)
    ours, theirs = Peer(1, map(make, range(100)), kinds), Peer(2, map(make, range(1, 100)))
    seen = exchange(ours, theirs, random.Random(1))
    assert seen.outcome.complete
    assert not seen.given
    seen = exchange(theirs, ours, random.Random(1))
    assert seen.outcome.complete
    assert seen.outcome.withheld == 1


def test_a_record_refused_on_arrival_proves_no_copies() -> None:
    bad = record_id(make(0))
    ours, theirs = Peer(1, map(make, range(5))), Peer(2, kinds=refusing(bad))
    seen = exchange(ours, theirs, random.Random(1))
    assert seen.outcome.complete
    assert (seen.outcome.given, seen.outcome.refused) == (4, 1)
    assert not seen.outcome.proves_copies


def test_an_exchange_with_a_renewed_store_ends_with_the_reason() -> None:
    ours, theirs = differing(shared=500, ours=1, theirs=1, segments=1)

    def renew(step: int) -> None:
        if step == 2:
            theirs.id = b"another!"

    seen = exchange(ours, theirs, random.Random(1), before=renew)
    assert seen.outcome.reason == "the peer's snapshot is gone"
    assert not seen.outcome.complete
    assert not seen.outcome.proves_copies


def test_an_exchange_with_a_store_that_lost_rows_ends_with_the_reason() -> None:
    ours, theirs = differing(shared=500, ours=1, theirs=1, segments=1)

    def lose(step: int) -> None:
        if step == 2:
            del theirs.rows[-1:]

    seen = exchange(ours, theirs, random.Random(1), before=lose)
    assert seen.outcome.reason == "the peer's snapshot is gone"


def test_salts_are_fresh_for_every_request() -> None:
    ours, theirs = differing(shared=0, ours=100, theirs=5000, segments=1)
    seen = exchange(ours, theirs, random.Random(1))
    salts = [r.salt for r in seen.requests if isinstance(r, LeavesRequest | ExactRequest)]
    assert len(salts) > 2
    assert len(set(salts)) == len(salts)


def test_steps_out_of_turn_are_our_own_fault() -> None:
    machine = Initiator(Peer(1).view(), random.Random(1))
    with pytest.raises(RuntimeError, match="no request awaits"):
        machine.receive(b"")
    machine.next()
    with pytest.raises(RuntimeError, match="no answer yet"):
        machine.next()
