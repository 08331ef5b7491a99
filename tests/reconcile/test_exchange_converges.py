"""Whatever two stores know, exchanges leave both with all of it, and move nothing twice."""

import contextlib
import random
from collections import Counter
from collections.abc import Sequence
from unittest import mock

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from p2p.codec import message_bytes_max, pack
from p2p.envelope import Record, RecordId, RecordRefused, record_id
from p2p.kinds import Kind, Kinds
from p2p.manifest import SegmentKey
from p2p.reconcile import Ask, Initiator, Push, Responder, initiator, parts, ping, responder
from p2p.reconcile.messages import (
    ExactAnswer,
    ExactRequest,
    FiltersRequest,
    LeavesAnswer,
    LeavesRequest,
    SegmentsAnswer,
    SegmentsRequest,
)
from tests.reconcile.peers import (
    IndexedView,
    Peer,
    differing,
    exchange,
    filter_pages,
    filters_in,
    filters_that_err,
    hidden_by_filters,
    make,
    names_that_collide,
    pairs,
    rngs,
)

phases_max = 6
"""Of an exchange, after the root."""


def law_of_one_exchange(count: Counter[str], pair: tuple[Peer, Peer], rng: random.Random) -> None:
    """Without collisions, one exchange moves what was lacking and nothing else."""
    ours, theirs = pair
    mine, others = ours.view(), theirs.view()
    had, they_had = ours.known, theirs.known
    seen = exchange(ours, theirs, rng)
    assert ours.known == theirs.known == had | they_had
    assert sorted(seen.given) == sorted(had - they_had)
    assert sorted(seen.taken) == sorted(they_had - had)
    outcome = seen.outcome
    assert outcome.complete
    assert outcome.proves_copies
    assert outcome.phases <= phases_max
    assert (outcome.given, outcome.taken) == (len(seen.given), len(seen.taken))
    assert outcome.withheld == 0
    assert outcome.filters == filters_in(seen)
    assert outcome.false_positives == hidden_by_filters(seen, mine, others)
    count["filters"] += outcome.filters
    count["false positives"] += outcome.false_positives
    count["lists after them"] += bool(outcome.false_positives and seen.used(ExactRequest))
    count["leaves"] += seen.used(LeavesRequest)


@pytest.mark.parametrize("err", [False, True], ids=["filters as asked", "filters that err"])
def test_one_exchange_leaves_both_with_the_union_and_moves_only_what_was_lacking(err: bool) -> None:
    count = Counter[str]()

    @given(pairs(shared_max=4000, own_max=1000, over=(3, 5, 40)), rngs)
    @example(differing(shared=2500, ours=100, theirs=150, segments=3), random.Random(1))
    @settings(max_examples=12, deadline=None)
    def law(pair: tuple[Peer, Peer], rng: random.Random) -> None:
        with filters_that_err() if err else contextlib.nullcontext():
            law_of_one_exchange(count, pair, rng)

    law()
    assert count["filters"], "no exchange used a filter"
    assert count["leaves"], "no exchange used leaves"
    assert count["lists after them"] or not err, "no filter hid a record until a list showed it"


def test_what_collisions_hide_from_an_exchange_is_found_by_the_next() -> None:
    count = Counter[str]()

    @given(pairs(shared_max=4000, own_max=1000, over=(3, 5, 40)), rngs)
    @example(differing(shared=2500, ours=100, theirs=150, segments=3), random.Random(1))
    @settings(max_examples=8, deadline=None)
    def law(pair: tuple[Peer, Peer], rng: random.Random) -> None:
        ours, theirs = pair
        union = ours.known | theirs.known
        with names_that_collide(4), filters_that_err():
            seen = exchange(ours, theirs, rng)
        count["hidden"] += ours.known != theirs.known
        count["filters"] += seen.outcome.filters
        count["lists after them"] += bool(seen.outcome.false_positives)
        assert exchange(ours, theirs, rng).outcome.phases <= phases_max
        assert ours.known == theirs.known == union

    law()
    assert count["hidden"], "no collision hid a record from an exchange"
    assert count["filters"], "no exchange used a filter"
    assert count["lists after them"], "no filter hid a record until a list showed it"


def test_records_hidden_by_names_that_go_on_colliding_are_found_in_the_end() -> None:
    count = Counter[str]()

    @given(pairs(shared_max=1500, own_max=150), st.sampled_from([4, 32, 256]), rngs)
    @example(differing(shared=900, ours=40, theirs=50, segments=3), 4, random.Random(1))
    @settings(max_examples=15, deadline=None)
    def law(pair: tuple[Peer, Peer], few: int, rng: random.Random) -> None:
        ours, theirs = pair
        union = ours.known | theirs.known
        with names_that_collide(few), filters_that_err():
            for _ in range(99):
                if ping(ours.view()).agrees(ping(theirs.view())):
                    break
                had, they_had = ours.known, theirs.known
                seen = exchange(ours, theirs, rng)
                assert not they_had & set(seen.given)
                assert not had & set(seen.taken)
                hides = ours.known != theirs.known
                assert seen.outcome.complete != hides
                assert seen.outcome.proves_copies != hides
                assert seen.outcome.phases <= phases_max
                count["filters"] += seen.outcome.filters
                count["false positives"] += seen.outcome.false_positives
                count["hidden"] += hides
        assert ours.known == theirs.known == union

    law()
    assert count["filters"], "no exchange used a filter"
    assert count["false positives"], "no filter hid a record until a list showed it"
    assert count["hidden"], "no collision hid a record from an exchange"


def test_a_large_segment_is_compared_by_leaves_and_then_by_filters() -> None:
    ours, theirs = differing(shared=2000, ours=3, theirs=4, segments=1)
    seen = exchange(ours, theirs, random.Random(1))
    assert [type(request) for request in seen.requests] == [
        SegmentsRequest,
        LeavesRequest,
        FiltersRequest,
    ]
    (leaves,) = (request for request in seen.requests if isinstance(request, LeavesRequest))
    assert [cut.bits for cut in leaves.cuts] == [3]
    assert seen.outcome.exact_lists == 0
    assert seen.outcome.phases == 4
    assert len(seen.given) == 3
    assert len(seen.taken) == 4


@pytest.mark.parametrize(
    ("shared", "kind"),
    [(13, ExactRequest), (14, FiltersRequest), (508, FiltersRequest), (509, LeavesRequest)],
)
def test_the_size_of_a_segment_says_how_it_is_compared(shared: int, kind: type) -> None:
    ours, theirs = differing(shared=shared, ours=3, theirs=4, segments=1)
    seen = exchange(ours, theirs, random.Random(1))
    assert type(seen.requests[1]) is kind


def test_a_filter_is_sent_back_only_where_the_counts_say_that_something_is_lacking() -> None:
    for own, filters in ((0, 1), (2, 2)):
        ours, theirs = differing(shared=200, ours=own, theirs=5, segments=1)
        seen = exchange(ours, theirs, random.Random(1))
        assert seen.outcome.filters == filters_in(seen) == filters


@pytest.mark.parametrize(
    ("own", "others", "asked", "back"),
    [(0, 5, 0.006, None), (5, 0, 0.03, 0.006), (10, 4, 0.03, 0.003), (4, 10, 0.005, 0.0075)],
)
def test_a_filter_errs_the_less_the_more_the_other_side_has(
    own: int, others: int, asked: float, back: float | None
) -> None:
    ours, theirs = differing(shared=200, ours=own, theirs=others, segments=1)
    ((request, answer),) = filter_pages(exchange(ours, theirs, random.Random(1)))
    assert request.filters[0].filter.error_rate == pytest.approx(asked)
    sent_back = answer.parts[0].filter
    assert (sent_back and sent_back.error_rate) == (back and pytest.approx(back))


def test_leaves_that_are_still_large_are_cut_once_more() -> None:
    ours, theirs = differing(shared=3000, ours=3, theirs=4, segments=1)
    with (
        mock.patch.object(initiator, "_listed_ids_max", 2),
        mock.patch.object(initiator, "_filtered_ids_max", 8),
        mock.patch.object(parts, "filter_ids_aim", 4),
    ):
        seen = exchange(ours, theirs, random.Random(1))
    leaves = [request for request in seen.requests if isinstance(request, LeavesRequest)]
    assert [request.cuts[0].part.bits for request in leaves] == [0, 8]
    again_and_push = 2
    assert seen.outcome.phases == len(set(map(type, seen.requests))) + again_and_push
    assert ours.known == theirs.known


def test_leaves_whose_ids_are_too_many_for_an_answer_are_asked_for_again() -> None:
    ours, theirs = differing(shared=3000, ours=3, theirs=4, segments=1)
    with (
        mock.patch.object(initiator, "_listed_ids_max", 2),
        mock.patch.object(initiator, "_filtered_ids_max", 8),
        mock.patch.object(parts, "filter_ids_aim", 4),
    ):
        seen = exchange(ours, theirs, random.Random(1), ids_per_answer=20)
    tables = [len(answer.tables) for answer in seen.answers if isinstance(answer, LeavesAnswer)]
    assert len(tables) > 3
    assert max(tables) < 7
    assert ours.known == theirs.known


def test_no_filter_is_sent_twice() -> None:
    records = [make(n, 80) for n in range(80 * 250)]
    ours, theirs = Peer(1, records[80:]), Peer(2, records)
    seen = exchange(ours, theirs, random.Random(1))
    sent = [
        each.part
        for request in seen.requests
        if isinstance(request, FiltersRequest)
        for each in request.filters
    ]
    assert len(sent) == len(set(sent)) == 80
    assert ours.known == theirs.known


def test_what_the_peer_has_nothing_of_is_pushed_without_asking() -> None:
    ours, theirs = Peer(1, map(make, range(2500))), Peer(2)
    seen = exchange(ours, theirs, random.Random(1))
    assert seen.outcome.requests == 1
    assert theirs.known == ours.known


def test_ids_are_read_no_faster_than_they_are_pushed(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = Peer(1, map(make, range(4500)))
    read: list[RecordId] = []
    honest = IndexedView.ids

    def counted(
        view: IndexedView, segment: SegmentKey, first: bytes, last: bytes, ids_max: int
    ) -> Sequence[RecordId]:
        found = honest(view, segment, first, last, ids_max)
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
    assert len(read) <= 2048 + parts.page_ids_max


def test_a_newcomer_takes_a_large_store_as_many_records_at_a_time_as_a_responder_reads() -> None:
    ours, theirs = Peer(1), Peer(2, map(make, range(6000)))
    seen = exchange(ours, theirs, random.Random(1), ids_per_answer=2000)
    assert ours.known == theirs.known
    counts = [answer.records for answer in seen.answers if isinstance(answer, ExactAnswer)]
    whole, *pieces = counts
    assert whole == 0
    assert sum(pieces) == 6000
    assert max(pieces) < 2000 + 6000 // 16 + 100


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


@pytest.mark.parametrize(("own", "others"), [(3, 4), (1, 0), (0, 1), (1, 1)])
def test_nothing_is_concluded_from_an_exchange_from_which_a_collision_hides_a_record(
    own: int, others: int
) -> None:
    ours, theirs = differing(shared=10, ours=own, theirs=others, segments=1)
    with mock.patch.object(parts, "short_ids", lambda ids, _salt: [bytes(8) for _ in ids]):
        seen = exchange(ours, theirs, random.Random(1))
    assert ours.known != theirs.known
    assert not ping(ours.view()).agrees(ping(theirs.view()))
    assert seen.outcome.withheld == 0
    assert not seen.outcome.complete
    assert not seen.outcome.proves_copies
    assert seen.outcome.reason == "the digests still differ from what was found"


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
        mock.patch.object(initiator, "_page_bytes", 34_000),
        mock.patch.object(initiator, "push_records_max", 7),
        mock.patch.object(initiator, "cuts_per_request_max", 1),
        mock.patch.object(initiator, "filters_per_request_max", 2),
    ):
        seen = exchange(ours, theirs, rng, ids_per_answer=100)
    assert seen.outcome.complete
    assert sorted(seen.given) == sorted(had - they_had)
    assert sorted(seen.taken) == sorted(they_had - had)
    assert ours.known == theirs.known


@pytest.mark.parametrize("filters_max", [2, 1024])
def test_a_request_ends_where_its_message_is_full(filters_max: int) -> None:
    ours, theirs = differing(shared=2000, ours=100, theirs=100, segments=20)
    room = 1000
    with (
        filters_that_err(),
        mock.patch.object(initiator, "_page_bytes", room),
        mock.patch.object(initiator, "filters_per_request_max", filters_max),
    ):
        seen = exchange(ours, theirs, random.Random(1))
    assert seen.used(ExactRequest)
    assert max(len(pack(request)) for request in seen.requests) < room + 128
    counts = [len(request.filters) for request, _ in filter_pages(seen)]
    assert sum(counts) == 20
    assert len(counts) > 1
    assert max(counts) <= filters_max
    assert ours.known == theirs.known


def test_an_answer_about_filters_ends_where_its_message_is_full() -> None:
    ours, theirs = differing(shared=2000, ours=100, theirs=100, segments=20)
    room = 1500
    with mock.patch.object(responder, "_header_bytes_max", message_bytes_max - room):
        seen = exchange(ours, theirs, random.Random(1))
    answers = [answer for _, answer in filter_pages(seen)]
    assert sum(len(answer.parts) for answer in answers) == 20
    assert len(answers) > 2
    assert max(len(pack(answer)) for answer in answers) < room + 10
    assert ours.known == theirs.known


@pytest.mark.parametrize("ids_per_answer", [30, 2])
def test_a_part_with_too_many_ids_for_an_answer_is_cut_smaller(ids_per_answer: int) -> None:
    ours, theirs = differing(shared=10, ours=1, theirs=200, segments=1)
    seen = exchange(ours, theirs, random.Random(1), ids_per_answer=ids_per_answer)
    assert any(isinstance(answer, ExactAnswer) and answer.done == 0 for answer in seen.answers)
    assert ours.known == theirs.known
    assert len(seen.given) == 1
    assert len(seen.taken) == 200


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
    assert not seen.outcome.proves_copies


def test_records_that_the_peer_has_refused_are_no_false_positives() -> None:
    records = [make(serial) for serial in range(130)]
    bad = [record_id(data) for data in records[100:110]]
    for seed in range(5):
        ours, theirs = Peer(1, records[:100]), Peer(2, records, refusing(*bad))
        mine, others = ours.view(), theirs.view()
        with filters_that_err():
            seen = exchange(ours, theirs, random.Random(seed))
        assert seen.outcome.exact_lists == 1
        assert seen.outcome.false_positives == hidden_by_filters(seen, mine, others) > 0
        assert seen.outcome.withheld == len(bad)
        assert len(seen.taken) == 20


def test_a_peer_that_withholds_what_it_says_it_holds_proves_no_copies() -> None:
    ours, theirs = Peer(1, map(make, range(5))), Peer(2, map(make, range(6)))
    withheld = record_id(make(5))
    with mock.patch.object(theirs, "bodies", return_value={}):
        seen = exchange(ours, theirs, random.Random(1))
    assert withheld not in ours.known
    assert seen.outcome.peer is not None
    assert seen.outcome.peer.refuses_nothing
    assert seen.outcome.complete
    assert not seen.outcome.proves_copies


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
    assert "or was renewed" in seen.outcome.reason
    assert not seen.outcome.complete
    assert not seen.outcome.proves_copies


def test_an_exchange_with_a_store_that_lost_rows_ends_with_the_reason() -> None:
    ours, theirs = differing(shared=500, ours=1, theirs=1, segments=1)

    def lose(step: int) -> None:
        if step == 2:
            del theirs.rows[-1:]

    seen = exchange(ours, theirs, random.Random(1), before=lose)
    assert "or was renewed" in seen.outcome.reason


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
