"""One machine: what it says of itself, and whom it believes."""

import random

import msgspec
import pytest

from p2p.codec import pack, unpack
from p2p.identity.ids import MeshId
from p2p.membership import (
    DuplicateIdentity,
    Equivocation,
    JoinRequest,
    MemberChanged,
    Membership,
    MembershipConfig,
    MemberState,
    Misdirected,
    Remember,
    StoreEpoch,
    SyncAnswer,
    SyncRequest,
)
from p2p.membership.directory import nothing_of
from p2p.records import (
    BadRecord,
    Core,
    Signed,
    Status,
    content_hash,
    sign_core,
    sign_status,
)
from tests.membership.single import (
    boot,
    calm,
    contacts,
    join,
    machine,
    request,
    root,
    sends,
    signed,
    state_of,
)
from tests.membership.world import make_address, make_core, make_id, make_key, mesh

ALIVE, LEFT, UNVERIFIED = MemberState.ALIVE, MemberState.LEFT, MemberState.UNVERIFIED


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
