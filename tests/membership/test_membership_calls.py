"""One machine: whom it calls, when, and with what."""

import itertools
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from p2p.identity.ids import NodeId
from p2p.membership import (
    JoinAnswer,
    JoinRequest,
    MembershipConfig,
    SyncAnswer,
    SyncRequest,
)
from tests.membership.single import (
    boot,
    calm,
    contacts,
    join,
    machine,
    refuses,
    request,
    sends,
    signed,
    silent,
)
from tests.membership.world import make_address, make_id


def test_an_unanswered_seed_is_tried_with_backoff_up_to_half_a_minute() -> None:
    membership = machine(seeds=[make_address(2)])
    now_s, tried = 0.0, []
    while now_s < 300.0:
        effects = membership.tick(now_s)
        if contacts(effects):
            tried.append(now_s)
            effects = membership.contact_failed(now_s, make_address(2))
        now_s = effects.wake_at_s
    gaps = [later - earlier for earlier, later in itertools.pairwise(tried)]
    assert 1.5 <= gaps[0] <= 2.5
    assert all(gap <= 30 * 1.25 for gap in gaps)
    assert all(gap >= 30 * 0.75 for gap in gaps[8:])
    assert len(gaps) > 10


def test_a_seed_is_left_alone_while_the_node_there_lives_and_if_it_is_ourselves() -> None:
    membership = machine(seeds=[make_address(2), make_address(1)])
    membership.tick(0.0)
    effects = membership.contacted(0.1, make_address(2), make_id(2), JoinAnswer(signed(2)))
    assert make_id(2) in sends(effects)
    calm(membership, effects, 0.1)
    membership.contacted(0.1, make_address(1), make_id(1), JoinAnswer(signed(1)))
    now_s = 0.2
    while now_s < 200.0:
        membership.heard(now_s, make_id(2))
        effects = membership.tick(now_s)
        assert contacts(effects) == []
        for to in sends(effects):
            membership.declined(now_s, to)
        now_s += 0.9
    seen = silent(membership, from_s=200.0, to_s=300.0)
    assert {address for effects in seen for address in contacts(effects)} == {make_address(2)}


def test_one_exchange_at_a_time_with_each_peer_and_some_in_all() -> None:
    membership = machine(config=MembershipConfig(in_flight_max=5))
    join(membership, *range(2, 20))
    waiting: set[NodeId] = set()
    for second in range(30):
        effects = membership.tick(float(second))
        for to in sends(effects):
            assert to not in waiting
            waiting.add(to)
        assert len(waiting) <= 5
        if second % 3 == 0 and waiting:
            to = min(waiting)
            waiting.remove(to)
            waiting |= set(sends(membership.failed(float(second), to, refused=False)))


def test_everyone_has_a_turn_in_every_round() -> None:
    membership = machine()
    join(membership, *range(2, 12))
    turns: list[NodeId] = []
    now_s = 10.0
    while len(turns) < 30:
        effects = membership.tick(now_s)
        for to in sends(effects):
            turns.append(to)
            effects = membership.answered(now_s, to, SyncAnswer(boot, membership.root), 0.01)
        now_s = effects.wake_at_s
    assert set(turns[:10]) == set(turns[10:20]) == set(turns[20:])
    assert turns[:10] == turns[10:20]


def test_what_a_peer_will_not_take_is_offered_once() -> None:
    membership = machine()
    join(membership, 2, 3)
    silent(membership, from_s=5.0, to_s=6.0)
    membership.heard(6.0, make_id(2))
    asked: list[SyncRequest] = []
    for now_s in (10.0, 11.0, 12.0, 13.0):
        pending = sends(membership.tick(now_s))
        while make_id(2) in pending:
            asked.append(pending.pop(make_id(2)).message)
            refused = asked[-1].root != b"its root"
            answer = refuses() if refused else SyncAnswer(boot, b"its root")
            pending = sends(membership.answered(now_s, make_id(2), answer, 0.01))
    first, offer, *later = asked
    assert (first.root, first.cores) == (membership.root, ())
    assert signed(3) in offer.cores
    assert later
    assert {(request.root, request.cores) for request in later} == {(b"its root", ())}


def test_what_was_lost_on_the_way_is_offered_again() -> None:
    membership = machine()
    join(membership, 2)
    calm(membership, membership.tick(10.0), 10.0)
    assert make_id(2) in sends(membership.tick(11.2))
    pending = sends(membership.answered(11.3, make_id(2), refuses(), 0.01))
    assert signed(1) in pending[make_id(2)].message.cores
    membership.failed(11.4, make_id(2), refused=False)
    pending = sends(membership.tick(12.5))
    assert pending[make_id(2)].message.root == membership.root


def test_a_peer_that_agrees_to_nothing_is_not_asked_again_and_again() -> None:
    membership = machine()
    join(membership, 2)
    now_s, asked = 10.0, 0
    effects = membership.tick(now_s)
    rng = random.Random(1)
    while asked < 1000 and make_id(2) in sends(effects):
        asked += 1
        effects = membership.answered(now_s, make_id(2), SyncAnswer(boot, rng.randbytes(8)), 0.01)
    assert asked < 100


numbers = st.integers(1, 5)
inputs = st.one_of(
    st.tuples(st.just("tick"), st.floats(0, 100)),
    st.tuples(st.just("receive"), numbers, st.lists(st.tuples(numbers, st.integers(1, 3)))),
    st.tuples(st.just("join"), numbers, st.integers(1, 3)),
    st.tuples(st.just("failed"), numbers, st.booleans()),
    st.tuples(st.just("answered"), numbers, st.binary(min_size=8, max_size=8)),
    st.tuples(st.just("status"), st.integers(0, 3)),
    st.tuples(st.just("leave"), numbers),
)


@settings(max_examples=60)
@given(st.lists(inputs, max_size=30))
def test_no_order_of_inputs_breaks_the_machine(steps: list[tuple[object, ...]]) -> None:
    membership = machine(config=MembershipConfig(in_flight_max=2, tombstone_s=50.0))
    now_s = 0.0
    for step in steps:
        match step:
            case ("tick", float(pause_s)):
                now_s += pause_s
                effects = membership.tick(now_s)
            case ("receive", int(peer), list(about)):
                cores = [signed(number, epoch=epoch) for number, epoch in about]
                _, effects = membership.receive(now_s, make_id(peer), request(*cores))
            case ("join", int(peer), int(epoch)):
                hello = JoinRequest(signed(peer, epoch=epoch))
                _, effects = membership.receive_join(now_s, make_id(peer), hello)
            case ("failed", int(peer), bool(refused)):
                effects = membership.failed(now_s, make_id(peer), refused=refused)
            case ("answered", int(peer), bytes(their_root)):
                answer = SyncAnswer(boot, their_root, None, (signed(peer),))
                effects = membership.answered(now_s, make_id(peer), answer, 0.1, 5.0)
            case ("status", int(games)):
                effects = membership.set_status(now_s, {"games": games})
            case _:
                effects = membership.leave(now_s)
        assert effects.wake_at_s >= now_s
        known = {member.id for member in membership.members()}
        assert membership.durable_ids() <= known
        assert set(sends(effects)) <= known - {make_id(1)}
