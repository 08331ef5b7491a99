"""One machine by itself: what it stores, says, refuses and forgets."""

import itertools
import random
from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2p.codec import pack, unpack
from p2p.identity.ids import MeshId, NodeId
from p2p.membership import (
    Contact,
    DuplicateIdentity,
    Effects,
    Equivocation,
    Forget,
    JoinAnswer,
    JoinRequest,
    MemberChanged,
    Membership,
    MembershipConfig,
    MemberState,
    Misdirected,
    Remember,
    Send,
    StoreEpoch,
    SyncAnswer,
    SyncRequest,
)
from p2p.membership.directory import highest_id, lowest_id, nothing_of
from p2p.membership.messages import DigestPage
from p2p.records import (
    Address,
    BadRecord,
    Core,
    Signed,
    Status,
    content_hash,
    sign_core,
    sign_status,
)
from tests.membership.world import make_address, make_core, make_id, make_key, mesh

ALIVE, SUSPECT, DEAD = MemberState.ALIVE, MemberState.SUSPECT, MemberState.DEAD
LEFT, UNVERIFIED = MemberState.LEFT, MemberState.UNVERIFIED
day_s = 24 * 3600.0
root = bytes(8)
boot = make_core(2).boot


def machine(
    number: int = 1,
    *,
    epoch: int = 1,
    seeds: Iterable[Address] = (),
    remembered: Iterable[bytes] = (),
    config: MembershipConfig | None = None,
) -> Membership:
    return Membership(
        make_key(number),
        make_core(number, epoch=epoch),
        config=config or MembershipConfig(),
        rng=random.Random(number),
        now_s=0.0,
        seeds=seeds,
        remembered=remembered,
    )


def signed(
    number: int, *, epoch: int = 1, version: int = 0, zone: str = "home", leaving: bool = False
) -> Signed:
    core = make_core(number, epoch=epoch, version=version, leaving=leaving, zone=zone)
    return sign_core(make_key(number), core)


def request(*cores: Signed, to: int = 1, statuses: Iterable[Signed] = ()) -> SyncRequest:
    return SyncRequest(make_id(to), boot, root, cores, tuple(statuses))


def join(membership: Membership, *numbers: int, now_s: float = 0.0) -> None:
    """Let nodes introduce themselves."""
    for number in numbers:
        hello = JoinRequest(signed(number))
        _, effects = membership.receive_join(now_s, make_id(number), hello)
        calm(membership, effects, now_s)


def calm(membership: Membership, effects: Effects, now_s: float) -> None:
    """Answer all that is sent, as nodes do that know the same."""
    pending = list(effects.send)
    while pending:
        send = pending.pop()
        assert isinstance(send, Send)
        answer = SyncAnswer(boot, membership.root)
        pending += membership.answered(now_s, send.to, answer, 0.01).send


def state_of(membership: Membership, number: int) -> MemberState | None:
    states = {member.id: member.state for member in membership.members()}
    return states.get(make_id(number))


def sends(effects: Effects) -> dict[NodeId, Send]:
    return {send.to: send for send in effects.send if isinstance(send, Send)}


def contacts(effects: Effects) -> list[Address]:
    return [send.address for send in effects.send if isinstance(send, Contact)]


def silent(membership: Membership, *, from_s: float, to_s: float) -> list[Effects]:
    """Tick whenever due, and fail all that is sent."""
    seen = []
    now_s = from_s
    while now_s <= to_s:
        effects = membership.tick(now_s)
        seen.append(effects)
        pending = list(effects.send)
        while pending:
            send = pending.pop()
            if isinstance(send, Send):
                effects = membership.failed(now_s, send.to, refused=False)
            else:
                effects = membership.contact_failed(now_s, send.address)
            seen.append(effects)
            pending += effects.send
        now_s = max(effects.wake_at_s, now_s + 0.001)
    return seen


# -- Starting, and our own records


def test_the_epoch_is_to_be_stored_before_anything_is_said() -> None:
    effects = machine(epoch=7, seeds=[make_address(2)]).tick(0.0)
    assert effects.persist == (StoreEpoch(7),)
    assert contacts(effects) == [make_address(2)]
    _, effects = machine(epoch=7).receive_join(0.0, make_id(2), JoinRequest(signed(2)))
    assert effects.persist[0] == StoreEpoch(7)


def test_a_core_of_another_key_is_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match=make_id(2).hex()):
        Membership(
            make_key(1),
            make_core(2),
            config=MembershipConfig(),
            rng=random.Random(0),
            now_s=0.0,
        )


def test_alone_there_is_only_ourselves() -> None:
    membership = machine()
    effects = membership.tick(0.0)
    assert effects.send == ()
    (member,) = membership.members()
    assert (member.id, member.state, member.last_heard_s) == (make_id(1), ALIVE, 0.0)
    assert membership.durable_ids() == {make_id(1)}
    assert membership.median_offset_ms() == 0


def test_an_epoch_of_ours_that_we_do_not_know_is_overtaken_and_stored() -> None:
    membership = machine(epoch=3)
    join(membership, 2)
    theirs = sign_core(make_key(1), make_core(1, epoch=9, boot=b"the-past"))
    _, effects = membership.receive(0.0, make_id(2), request(theirs))
    assert StoreEpoch(10) in effects.persist
    assert membership.members()[0].core.epoch == 10
    assert effects.changes == ()


def test_an_old_epoch_of_ours_asks_for_nothing() -> None:
    membership = machine(epoch=3)
    theirs = sign_core(make_key(1), make_core(1, epoch=2, boot=b"the-past"))
    membership.receive(0.0, make_id(2), request(theirs))
    assert membership.members()[0].core.epoch == 3


def test_nobody_else_can_raise_our_epoch() -> None:
    membership = machine(epoch=3)
    theirs = sign_core(make_key(1), make_core(1, epoch=9, boot=b"the-past"))
    forged = msgspec.structs.replace(theirs, signature=bytes(64))
    membership.receive(0.0, make_id(2), request(forged))
    assert membership.members()[0].core.epoch == 3
    assert membership.counters.forged == 1


def test_of_two_processes_that_meet_again_and_again_one_gives_way() -> None:
    alike = [machine(), machine()]
    alike[1] = Membership(
        make_key(1),
        make_core(1, boot=b"the-copy"),
        config=MembershipConfig(),
        rng=random.Random(1),
        now_s=0.0,
    )
    gone = set()
    for _ in range(5):
        cores = [sign_core(make_key(1), each.members()[0].core) for each in alike]
        for index, each in enumerate(alike):
            _, effects = each.receive(0.0, make_id(2), request(cores[1 - index]))
            if any(isinstance(change, DuplicateIdentity) for change in effects.changes):
                gone.add(index)
        if gone:
            break
    assert len(gone) == 1


def test_a_status_is_signed_if_it_changed_and_once_in_five_seconds() -> None:
    membership = machine()
    membership.tick(0.0)

    def versions(now_s: float, values: dict[str, int | float | str | bool]) -> int:
        membership.set_status(now_s, values)
        status = membership.members()[0].status
        return 0 if status is None else status.version

    assert versions(0.0, {"games": 1}) == 1
    assert versions(1.0, {"games": 1}) == 1
    assert versions(2.0, {"games": 2}) == 1
    assert versions(3.0, {"games": 3}) == 1
    membership.tick(4.9)
    assert versions(4.9, {"games": 3}) == 1
    membership.tick(5.1)
    status = membership.members()[0].status
    assert status is not None
    assert (status.version, status.values) == (2, {"games": 3})
    assert versions(20.0, {"games": 4}) == 3
    assert versions(21.0, {"games": 5}) == 3
    assert versions(22.0, {"games": 4}) == 3
    assert membership.tick(60.0)
    assert versions(60.0, {"games": 4}) == 3


def test_the_machine_wakes_for_a_status_that_becomes_due() -> None:
    membership = machine(config=MembershipConfig(probe_interval_s=100.0))
    membership.tick(0.0)
    membership.set_status(0.0, {"games": 1})
    assert membership.set_status(1.0, {"games": 2}).wake_at_s == 5.0


def test_a_status_out_of_bounds_is_refused() -> None:
    membership = machine()
    with pytest.raises(ValueError, match="exceed"):
        membership.set_status(0.0, {f"{n}": "x" * 200 for n in range(9)})
    with pytest.raises(ValueError, match="Status"):
        membership.set_status(0.0, {"x": "y" * 300})
    assert membership.members()[0].status is None


def test_a_new_address_is_told_to_all_at_once() -> None:
    membership = machine()
    join(membership, 2, 3, 4)
    effects = membership.set_addresses(0.2, (("box.example", 9000),))
    assert set(sends(effects)) == {make_id(2), make_id(3), make_id(4)}
    for send in sends(effects).values():
        assert unpack(send.message.cores[-1].payload, Core).addresses == (("box.example", 9000),)
    assert membership.set_addresses(0.3, (("box.example", 9000),)).send == ()
    with pytest.raises(ValueError, match="Core"):
        membership.set_addresses(0.4, (("box.example", 0),))


def test_news_is_not_told_to_whom_it_came_from_or_is_about() -> None:
    membership = machine()
    join(membership, 2, 3, 4)
    calm(membership, membership.tick(0.0), 0.0)
    newer = signed(3, version=1)
    answer, effects = membership.receive(0.5, make_id(2), request(newer))
    assert newer not in answer.cores
    assert set(sends(effects)) == {make_id(4)}
    assert newer in sends(effects)[make_id(4)].message.cores


def test_leaving_tells_everyone_and_ends_all_probing() -> None:
    membership = machine()
    join(membership, *range(2, 15))
    effects = membership.leave(1.0)
    assert set(sends(effects)) == {make_id(number) for number in range(2, 15)}
    assert all(unpack(s.message.cores[-1].payload, Core).leaving for s in sends(effects).values())
    for number in range(2, 15):
        assert membership.failed(2.0, make_id(number), refused=False).send == ()
    assert membership.tick(3.0).send == ()
    assert membership.leave(4.0).send == ()
    assert membership.members()[0].state is LEFT
    answer, _ = membership.receive(5.0, make_id(2), request())
    assert isinstance(answer, SyncAnswer)


# -- Whom to believe


def test_a_message_for_another_node_is_refused_and_no_sign_of_life() -> None:
    membership = machine()
    join(membership, 2)
    membership.tick(10.0)
    with pytest.raises(Misdirected, match=make_id(3).hex()):
        membership.receive(10.0, make_id(2), request(to=3))
    assert membership.members()[1].last_heard_s == 10.0
    assert membership.counters.misdirected == 1


def test_who_introduces_itself_is_alive_at_once_and_remembered() -> None:
    membership = machine()
    status = sign_status(make_key(2), mesh, Status(make_id(2), 1, 1, {"games": 3}))
    answer, effects = membership.receive_join(0.0, make_id(2), JoinRequest(signed(2), status))
    assert state_of(membership, 2) is ALIVE
    assert Remember(make_id(2), pack(signed(2))) in effects.persist
    assert unpack(answer.core.payload, Core).node == make_id(1)
    assert answer.yours is None
    member = membership.members()[1]
    assert member.status is not None
    assert member.status.values == {"games": 3}
    assert membership.durable_ids() == {make_id(1), make_id(2)}


def test_who_introduces_itself_with_a_lost_past_is_told_of_it() -> None:
    membership = machine()
    membership.receive_join(0.0, make_id(2), JoinRequest(signed(2, epoch=5)))
    answer, _ = membership.receive_join(0.0, make_id(2), JoinRequest(signed(2, epoch=1)))
    assert answer.yours == signed(2, epoch=5)


def test_who_asks_with_another_boot_is_shown_what_is_known_of_it_and_asked_for_more() -> None:
    membership = machine()
    join(membership, 2)
    asked = SyncRequest(make_id(1), b"new-boot", root)
    for now_s in (10.0, 11.0):
        answer, _ = membership.receive(now_s, make_id(2), asked)
        assert answer.cores == (signed(2),)
        assert answer.digests is not None


def test_nobody_introduces_another() -> None:
    membership = machine()
    with pytest.raises(BadRecord, match=make_id(3).hex()):
        membership.receive_join(0.0, make_id(2), JoinRequest(signed(3)))
    forged = msgspec.structs.replace(signed(2), signature=bytes(64))
    with pytest.raises(BadRecord, match="signature"):
        membership.receive_join(0.0, make_id(2), JoinRequest(forged))
    assert len(membership.members()) == 1


def test_a_stranger_by_hearsay_counts_only_once_it_has_spoken() -> None:
    membership = machine()
    join(membership, 2)
    _, effects = membership.receive(0.0, make_id(2), request(signed(3)))
    assert MemberChanged(make_id(3), None, UNVERIFIED) in effects.changes
    assert membership.durable_ids() == {make_id(1), make_id(2)}
    assert not any(isinstance(change, Remember) for change in effects.persist)
    wants = SyncRequest(make_id(1), boot, root, want=(nothing_of(make_id(3)),))
    answer, _ = membership.receive(0.0, make_id(2), wants)
    assert signed(3) not in answer.cores
    answer, _ = membership.receive(0.0, make_id(2), request())
    assert answer.digests is not None
    assert [digest.node for digest in answer.digests.withheld] == [make_id(3)]

    _, effects = membership.receive(0.0, make_id(3), request())
    assert MemberChanged(make_id(3), UNVERIFIED, ALIVE) in effects.changes
    assert Remember(make_id(3), pack(signed(3))) in effects.persist
    assert make_id(3) in membership.durable_ids()
    answer, _ = membership.receive(0.0, make_id(2), wants)
    assert signed(3) in answer.cores


def test_a_stranger_is_called_and_an_answer_makes_it_a_member() -> None:
    membership = machine()
    join(membership, 2)
    membership.receive(0.0, make_id(2), request(signed(3)))
    effects = membership.tick(1.0)
    assert make_id(3) in sends(effects)
    membership.answered(1.1, make_id(3), SyncAnswer(boot, membership.root), 0.1)
    assert state_of(membership, 3) is ALIVE


def test_strangers_by_hearsay_are_limited() -> None:
    membership = machine(config=MembershipConfig(strangers_max=2))
    join(membership, 2)
    membership.receive(0.0, make_id(2), request(*(signed(number) for number in range(3, 8))))
    assert len(membership.members()) == 4
    assert membership.counters.strangers_refused == 3
    join(membership, 9)
    assert state_of(membership, 9) is ALIVE


def test_forged_and_foreign_records_change_nothing_and_are_counted() -> None:
    membership = machine()
    join(membership, 2)
    before = membership.root, membership.members()
    foreign = msgspec.structs.replace(make_core(4), mesh=MeshId(b"mesh-two"))
    forged_status = Signed(
        pack(Status(make_id(2), 1, 9, {})), signed(2).public_key, signature=bytes(64)
    )
    bad = [
        msgspec.structs.replace(signed(3), signature=bytes(64)),
        msgspec.structs.replace(signed(2, version=1), signature=bytes(64)),
        sign_core(make_key(4), foreign),
        sign_core(make_key(5), make_core(6)),
        Signed(b"\xc1 junk", signed(2).public_key, bytes(64)),
    ]
    _, effects = membership.receive(0.0, make_id(2), request(*bad, statuses=[forged_status]))
    assert (membership.root, membership.members()) == before
    assert membership.counters.forged == len(bad) + 1
    assert effects.changes == ()


def test_two_records_with_one_version_raise_an_alarm_and_the_lower_hash_is_kept() -> None:
    low, high = sorted((signed(2, zone="a"), signed(2, zone="b")), key=content_hash)
    for first, second in ((low, high), (high, low)):
        membership = machine()
        membership.receive(0.0, make_id(2), request(first))
        _, effects = membership.receive(0.0, make_id(2), request(second))
        assert Equivocation(make_id(2)) in effects.changes
        assert membership.counters.equivocations == 1
        assert membership.members()[1].core == unpack(low.payload, Core)
        assert state_of(membership, 2) is ALIVE


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


# -- Whom to call


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


def refuses(membership: Membership) -> SyncAnswer:
    """Answer as a peer that holds only itself, and takes in nothing of what we send."""
    held = (nothing_of(make_id(2)),)
    return SyncAnswer(boot, b"its root", DigestPage(lowest_id, highest_id, held, ()))


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
            answer = refuses(membership) if refused else SyncAnswer(boot, b"its root")
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
    pending = sends(membership.answered(11.3, make_id(2), refuses(membership), 0.01))
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
