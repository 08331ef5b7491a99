"""One machine: who lives, who dies, and who is forgotten."""

import msgspec
import pytest

from p2p.codec import pack
from p2p.membership import (
    Forget,
    MemberChanged,
    MembershipConfig,
    MemberState,
    SyncAnswer,
)
from tests.membership.single import (
    boot,
    join,
    machine,
    request,
    root,
    sends,
    signed,
    silent,
    state_of,
)
from tests.membership.world import make_id

ALIVE, SUSPECT, DEAD = MemberState.ALIVE, MemberState.SUSPECT, MemberState.DEAD
LEFT, UNVERIFIED = MemberState.LEFT, MemberState.UNVERIFIED
day_s = 24 * 3600.0


# -- Life and death


def test_nothing_is_heard_from_the_silent_and_they_die() -> None:
    membership = machine()
    join(membership, 2)
    seen = silent(membership, from_s=0.0, to_s=15.0)
    changes = [change for effects in seen for change in effects.changes]
    assert changes[-2:] == [
        MemberChanged(make_id(2), ALIVE, SUSPECT),
        MemberChanged(make_id(2), SUSPECT, DEAD),
    ]
    assert membership.durable_ids() == {make_id(1), make_id(2)}


@pytest.mark.parametrize("sign", ["request", "heard", "declined"])
def test_any_sign_of_life_revives_the_dead(sign: str) -> None:
    membership = machine()
    join(membership, 2)
    silent(membership, from_s=0.0, to_s=15.0)
    now_s = 15.0
    if sign == "request":
        membership.receive(now_s, make_id(2), request())
    elif sign == "heard":
        membership.heard(now_s, make_id(2))
    else:
        while make_id(2) not in sends(membership.tick(now_s)):
            now_s += 1.0
        membership.declined(now_s, make_id(2))
    assert state_of(membership, 2) is ALIVE
    assert membership.members()[1].last_heard_s == 0.0


def test_hearsay_revives_the_dead_only_with_a_new_signature_of_their_own() -> None:
    membership = machine()
    join(membership, 2, 3)
    silent(membership, from_s=0.0, to_s=20.0)
    membership.receive(20.0, make_id(3), request(signed(2)))
    assert state_of(membership, 2) is DEAD
    membership.receive(20.0, make_id(3), request(signed(2, version=1)))
    assert state_of(membership, 2) is DEAD
    membership.receive(20.0, make_id(3), request(signed(2, epoch=2)))
    assert state_of(membership, 2) is ALIVE


def test_who_has_left_comes_back_only_with_a_new_epoch() -> None:
    membership = machine()
    join(membership, 2)
    membership.receive(0.0, make_id(2), request(signed(2, version=1, leaving=True)))
    assert state_of(membership, 2) is LEFT
    assert membership.durable_ids() == {make_id(1)}
    membership.receive(1.0, make_id(2), request())
    assert state_of(membership, 2) is LEFT
    membership.receive(2.0, make_id(2), request(signed(2, epoch=2)))
    assert state_of(membership, 2) is ALIVE


def test_failures_during_our_own_standstill_are_not_held_against_anyone() -> None:
    membership = machine()
    join(membership, 2)
    effects = membership.tick(0.0)
    assert make_id(2) in sends(effects)
    for _ in range(20):
        now_s = membership.tick(effects.wake_at_s).wake_at_s + 60.0
        effects = membership.failed(now_s, make_id(2), refused=True)
        assert state_of(membership, 2) is ALIVE
        effects = membership.tick(effects.wake_at_s)
    assert membership.counters.stalls == 20


def test_a_round_trip_through_our_own_standstill_is_not_measured() -> None:
    membership = machine()
    join(membership, 2)
    assert make_id(2) in sends(membership.tick(0.0))
    membership.answered(60.0, make_id(2), SyncAnswer(boot, membership.root), 60.0, 60_000.0)
    assert membership.median_offset_ms() == 0
    assert sends(membership.tick(61.0))[make_id(2)].timeout_s == MembershipConfig().timeout_s_min


def test_a_suspect_is_granted_the_time_that_we_stood_still() -> None:
    membership = machine()
    join(membership, 2)
    silent(membership, from_s=0.0, to_s=6.0)
    assert state_of(membership, 2) is SUSPECT
    silent(membership, from_s=66.0, to_s=68.0)
    assert state_of(membership, 2) is SUSPECT
    silent(membership, from_s=68.0, to_s=72.0)
    assert state_of(membership, 2) is DEAD


def test_the_dead_are_retried_every_half_minute() -> None:
    membership = machine()
    join(membership, 2)
    silent(membership, from_s=0.0, to_s=15.0)
    seen = silent(membership, from_s=15.0, to_s=15.0 + 300.0)
    assert 8 <= sum(make_id(2) in sends(effects) for effects in seen) <= 13


# -- Memory


def test_the_remembered_are_called_without_a_seed() -> None:
    left = signed(4, leaving=True)
    membership = machine(remembered=[pack(signed(2)), pack(signed(3)), pack(left)])
    assert [state_of(membership, number) for number in (2, 3, 4)] == [SUSPECT, SUSPECT, LEFT]
    assert membership.durable_ids() == {make_id(1), make_id(2), make_id(3)}
    assert membership.members()[1].last_heard_s is None
    assert set(sends(membership.tick(0.0))) == {make_id(2), make_id(3)}


def test_a_damaged_memory_does_not_stop_the_start() -> None:
    forged = msgspec.structs.replace(signed(3), signature=bytes(64))
    membership = machine(remembered=[b"junk", pack(forged), pack(signed(1)), pack(signed(2))])
    assert [member.id for member in membership.members()] == [make_id(1), make_id(2)]
    assert membership.counters.forged == 2


def test_the_dead_are_forgotten_after_a_day_and_hearsay_does_not_bring_them_back() -> None:
    membership = machine(config=MembershipConfig(retry_interval_s=7200.0))
    join(membership, 2)
    silent(membership, from_s=0.0, to_s=60.0)
    assert state_of(membership, 2) is DEAD
    join(membership, 3, now_s=day_s + 100.0)
    effects = membership.tick(day_s + 100.0)
    assert Forget(make_id(2)) in effects.persist
    assert MemberChanged(make_id(2), DEAD, None) in effects.changes
    assert state_of(membership, 2) is None
    membership.receive(day_s + 200.0, make_id(3), request(signed(2)))
    assert state_of(membership, 2) is None
    membership.receive(day_s + 200.0, make_id(3), request(signed(2, epoch=2)))
    assert state_of(membership, 2) is UNVERIFIED


def test_who_was_forgotten_comes_back_by_itself() -> None:
    membership = machine(config=MembershipConfig(tombstone_s=100.0))
    join(membership, 2)
    silent(membership, from_s=0.0, to_s=200.0)
    assert state_of(membership, 2) is None
    join(membership, 2, now_s=201.0)
    assert state_of(membership, 2) is ALIVE


def test_after_an_hour_hearsay_of_the_forgotten_is_heard_again() -> None:
    membership = machine(config=MembershipConfig(tombstone_s=100.0))
    join(membership, 2)
    silent(membership, from_s=0.0, to_s=200.0)
    join(membership, 3, now_s=4000.0)
    membership.receive(4000.0, make_id(3), request(signed(2)))
    assert state_of(membership, 2) is UNVERIFIED


def test_tombstones_are_limited_and_the_oldest_go_first() -> None:
    membership = machine(config=MembershipConfig(tombstones_max=3))
    for number in range(2, 8):
        now_s = float(number)
        join(membership, number, now_s=now_s)
        membership.receive(now_s, make_id(number), request(signed(number, version=1, leaving=True)))
    membership.tick(9.0)
    assert [state_of(membership, number) for number in range(2, 8)] == [None] * 3 + [LEFT] * 3


def test_an_answer_of_somebody_forgotten_meanwhile_is_ignored() -> None:
    membership = machine(config=MembershipConfig(tombstone_s=0.0))
    join(membership, 2)
    assert make_id(2) in sends(membership.tick(0.0))
    membership.receive(0.5, make_id(2), request(signed(2, version=1, leaving=True)))
    membership.tick(1.0)
    assert state_of(membership, 2) is None
    membership.answered(1.1, make_id(2), SyncAnswer(boot, root), 0.1)
    membership.failed(1.1, make_id(2), refused=False)
    assert state_of(membership, 2) is None
