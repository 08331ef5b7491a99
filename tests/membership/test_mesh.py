"""Whole meshes of machines in virtual time: who sees whom, and how soon."""

import functools

import msgspec
import pytest

from p2p.codec import pack
from p2p.membership import Effects, JoinRequest, Membership, MembershipConfig, MemberState
from p2p.records import Signed, sign_core
from tests.membership.world import Box, World, all_alive, all_see, make_core, make_id, make_key

ALIVE, SUSPECT, DEAD = MemberState.ALIVE, MemberState.SUSPECT, MemberState.DEAD
LEFT, UNVERIFIED = MemberState.LEFT, MemberState.UNVERIFIED


def in_sync(seed: int, count: int) -> tuple[World, list[Box]]:
    """Return a mesh whose members all know each other."""
    world = World(seed)
    boxes = world.mesh_of(count)
    world.run_until(lambda: all_alive(boxes), within_s=5)
    return world, boxes


def deaths(boxes: list[Box]) -> list[tuple[int, float]]:
    """Return who was declared dead and when, by anyone."""
    return [(box.number, at) for box in boxes for at, change in box.changes if change.new is DEAD]


@pytest.mark.parametrize("count", [2, 3, 8, 20])
def test_nodes_that_join_through_one_seed_soon_all_know_each_other(count: int) -> None:
    world = World(seed=count)
    boxes = world.add(count)
    for box in boxes:
        world.start(box, seeds=[boxes[0].address])  # the seed finds itself there
    world.run_until(lambda: all_alive(boxes), within_s=5)
    world.run(20)
    assert all(not any_trouble(box) for box in boxes)


def any_trouble(box: Box) -> bool:
    counters = box.running.counters
    return bool(counters.forged or counters.equivocations or counters.misdirected)


def test_a_seed_that_starts_last_is_found() -> None:
    world = World(seed=1)
    boxes = world.add(3)
    for box in boxes[1:]:
        world.start(box, seeds=[boxes[0].address])
    world.run(100)
    world.start(boxes[0])
    world.run_until(lambda: all_alive(boxes), within_s=45)


def test_when_the_seed_is_gone_any_member_serves() -> None:
    world, boxes = in_sync(seed=2, count=3)
    world.crash(boxes[0])
    world.run_until(lambda: all_see(boxes[1:], DEAD, boxes[:1]), within_s=20)
    newcomer = world.add(1)[0]
    world.start(newcomer, seeds=[boxes[0].address, boxes[2].address])
    world.run_until(lambda: all_see([newcomer, *boxes[1:]], ALIVE, [newcomer, *boxes[1:]]), 5)
    assert newcomer.states()[boxes[0].id] is UNVERIFIED


def test_a_restarted_node_needs_no_seed() -> None:
    world, boxes = in_sync(seed=3, count=4)
    for box in boxes:
        world.crash(box)
    world.run(60)
    for box in boxes:
        world.start(box)
    assert set(boxes[0].states().values()) == {ALIVE, SUSPECT}
    world.run_until(lambda: all_alive(boxes), within_s=5)
    assert {member.core.epoch for member in boxes[0].running.members()} == {2}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("count", "refuses", "within_s"),
    [(2, False, 13), (2, True, 9), (3, False, 15), (3, True, 10), (10, False, 25), (10, True, 20)],
)
def test_a_crashed_node_is_soon_dead_to_all(
    seed: int, count: int, refuses: bool, within_s: float
) -> None:
    world, boxes = in_sync(seed, count)
    world.run(20 + world.rng.random())
    *others, crashed = boxes
    world.crash(crashed, refuses=refuses)
    world.run_until(lambda: all_see(others, DEAD, [crashed]), within_s)
    assert deaths(others) == [(box.number, box.became(crashed.id, DEAD)[0]) for box in others]
    assert all(len(box.became(crashed.id, SUSPECT)) == 1 for box in others)
    world.run(60)
    assert all_see(others, DEAD, [crashed])


def test_a_dead_node_that_restarts_is_alive_at_once() -> None:
    world, boxes = in_sync(seed=4, count=5)
    world.crash(boxes[-1])
    world.run_until(lambda: all_see(boxes[:-1], DEAD, boxes[-1:]), within_s=20)
    world.start(boxes[-1])
    world.run_until(lambda: all_alive(boxes), within_s=2)


def test_a_node_that_stood_still_blames_nobody() -> None:
    world, boxes = in_sync(seed=5, count=5)
    stopped = boxes[2]
    for _ in range(5):
        world.run(7 + world.rng.random())
        before = len(stopped.changes)
        world.pause(stopped)
        world.run(60)
        others = [box for box in boxes if box is not stopped]
        assert all_see(others, DEAD, [stopped])
        world.resume(stopped)
        world.run_until(lambda: all_alive(boxes), within_s=35)
        assert [change for _, change in stopped.changes[before:]] == []
    assert stopped.running.counters.stalls == 5


def test_a_slow_box_blames_nobody_and_is_not_blamed() -> None:
    """A process that stands still for a second again and again, as under full load."""
    world, boxes = in_sync(seed=6, count=4)
    for _ in range(40):
        world.run(world.rng.uniform(0.1, 1.0))
        world.pause(boxes[1])
        world.run(world.rng.uniform(0.6, 2.0))
        world.resume(boxes[1])
    assert deaths(boxes) == []
    assert boxes[1].became(boxes[0].id, SUSPECT) == []


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("count", "duration_s"), [(2, 400), (3, 400), (12, 40)])
def test_a_lossy_network_kills_nobody(seed: int, count: int, duration_s: float) -> None:
    world, boxes = in_sync(seed, count)
    world.loss = 0.2  # of requests, and again of answers: 36 % of all exchanges fail
    world.run(duration_s)
    assert deaths(boxes) == []


def test_a_mesh_forms_through_a_lossy_network() -> None:
    world = World(seed=7, loss=0.2)
    boxes = world.mesh_of(6)
    world.run_until(lambda: all_alive(boxes), within_s=60)


def test_a_network_that_becomes_slow_kills_nobody() -> None:
    world, boxes = in_sync(seed=8, count=3)
    world.run(120)
    world.delay_s = (0.6, 1.2)  # round trips of up to 2.4 s, where 0.08 s were usual
    world.run(300)
    assert deaths(boxes) == []
    assert all_see(boxes, ALIVE, boxes)


@pytest.mark.parametrize("count", [2, 3, 10])
def test_in_sync_an_exchange_costs_less_than_seventy_bytes(count: int) -> None:
    world = World(seed=9)
    boxes = world.mesh_of(count)
    for box in boxes:
        world.set_status(box, {"games": box.number})
    world.run_until(lambda: all_alive(boxes), within_s=5)
    world.run(10)
    world.sizes.clear()
    world.run(30)
    assert set(world.sizes) == {("SyncRequest", 42), ("SyncAnswer", 24)}
    assert len(world.sizes) == pytest.approx(2 * 30 * count, rel=0.1)


def test_two_halves_that_changed_apart_become_one_again() -> None:
    world, boxes = in_sync(seed=10, count=6)
    left, right = boxes[:3], boxes[3:]
    world.cut = lambda one, other: (one in left) != (other in left)
    world.run_until(lambda: all_see(left, DEAD, right) and all_see(right, DEAD, left), 40)
    newcomers = world.add(2)
    left.append(newcomers[0])
    world.start(newcomers[0], seeds=[left[0].address])
    world.start(newcomers[1], seeds=[right[0].address])
    world.crash(left[1])
    world.start(left[1])
    for box in boxes:
        world.set_status(box, {"half": "left" if box in left else "right"})
    world.run(120)
    assert all_see(boxes[:3], DEAD, right)
    world.cut = lambda one, other: False
    world.run_until(lambda: all_alive([*boxes, newcomers[0], newcomers[1]]), within_s=45)


def test_a_node_that_cannot_be_called_calls_and_so_is_alive() -> None:
    world = World(seed=11)
    boxes = world.add(3)
    world.start(boxes[0])
    world.start(boxes[1], seeds=[boxes[0].address])
    world.start(boxes[2], seeds=[boxes[0].address], addresses=())
    world.run_until(lambda: all_alive(boxes), within_s=5)
    world.run(300)
    assert deaths(boxes) == []
    assert boxes[0].became(boxes[2].id, SUSPECT) == []
    world.crash(boxes[2])
    world.run_until(lambda: all_see(boxes[:2], DEAD, boxes[2:]), within_s=15)


def test_a_cut_in_one_direction_kills_nobody() -> None:
    world, boxes = in_sync(seed=20, count=3)
    world.deaf = lambda asker, target: (asker, target) == (boxes[0], boxes[1])
    world.run(300)
    assert deaths(boxes) == []


def test_a_node_with_an_address_that_nobody_reaches_does_not_flap() -> None:
    world, boxes = in_sync(seed=12, count=12)
    hidden = world.add(1)[0]
    world.start(hidden, seeds=[boxes[0].address], addresses=(("192.168.1.7", 8770),))
    world.run_until(lambda: all_see(boxes, ALIVE, [hidden]), within_s=20)
    for box in boxes:
        box.changes.clear()
    world.run(100)
    assert [box.changes for box in boxes if box.changes] == []


def test_who_leaves_has_left_and_is_not_dead() -> None:
    world, boxes = in_sync(seed=13, count=12)
    world.leave(boxes[-1])
    world.run(0.5)
    world.crash(boxes[-1])
    assert all_see(boxes[:-1], LEFT, boxes[-1:])
    world.run(100)
    assert all_see(boxes[:-1], LEFT, boxes[-1:])
    assert deaths(boxes) == []
    newcomer = world.add(1)[0]
    world.start(newcomer, seeds=[boxes[0].address])
    world.run(60)
    assert newcomer.states()[boxes[-1].id] is UNVERIFIED
    world.start(boxes[-1])
    world.run_until(lambda: all_alive([*boxes, newcomer]), within_s=5)


def test_a_newcomer_that_cannot_verify_a_dead_member_stays_cheap() -> None:
    world, boxes = in_sync(seed=14, count=3)
    world.crash(boxes[2])
    world.run_until(lambda: all_see(boxes[:2], DEAD, boxes[2:]), within_s=20)
    late = world.add(2)
    world.start(late[0], seeds=[boxes[0].address])
    world.run(10)
    world.crash(boxes[0])
    world.crash(boxes[1])
    world.start(
        late[1], seeds=[late[0].address]
    )  # hears nothing of box 3: hearsay is not passed on
    world.run(60)
    assert boxes[2].id not in late[1].states()
    assert late[0].running.root != late[1].running.root
    world.sizes.clear()
    world.run(20)
    syncs = {(name, size) for name, size in world.sizes if name.startswith("Sync")}
    assert syncs == {("SyncRequest", 42), ("SyncAnswer", 24)}


def test_a_lost_disk_asks_its_peers_for_its_epoch() -> None:
    world = World(seed=15)
    boxes = world.mesh_of(3)
    for _ in range(3):
        world.crash(boxes[2])
        world.start(boxes[2])
        world.run(5)
    world.crash(boxes[2])
    boxes[2].disk.epoch, boxes[2].disk.remembered = 0, {}
    world.start(boxes[2], seeds=[boxes[0].address])
    world.run_until(lambda: all_alive(boxes), within_s=5)
    assert boxes[2].running.members()[0].core.epoch == 5
    assert boxes[2].disk.epoch == 5
    assert boxes[2].doubles == []


def test_a_restored_disk_speaks_with_a_new_epoch() -> None:
    world = World(seed=16)
    boxes = world.mesh_of(3)
    snapshot = boxes[2].disk.epoch
    for _ in range(3):
        world.crash(boxes[2])
        world.start(boxes[2])
        world.run(5)
    world.crash(boxes[2])
    boxes[2].disk.epoch = snapshot
    world.start(boxes[2])
    world.run_until(lambda: all_alive(boxes), within_s=5)
    assert boxes[2].running.members()[0].core.epoch == 5
    assert boxes[2].doubles == []


@pytest.mark.parametrize("seed", range(6))
def test_of_two_processes_with_one_key_exactly_one_gives_way(seed: int) -> None:
    world, boxes = in_sync(seed, 3)
    double = world.double_of(boxes[2], ("10.9.9.9", 8770))
    world.start(double)
    both = [boxes[2], double]
    world.run_until(lambda: any(box.doubles for box in both), within_s=10)
    world.run(0.1)
    gone, stays = sorted(both, key=lambda box: not box.doubles)
    world.crash(gone)
    world.run_until(lambda: all_alive([*boxes[:2], stays]), within_s=10)
    world.run(30)
    assert not stays.doubles


def test_nodes_that_were_told_two_records_with_one_version_come_to_agree() -> None:
    world, boxes = in_sync(seed=21, count=2)
    liar = make_core(9)
    for box, zone in zip(boxes, ("here", "there"), strict=True):
        told = sign_core(make_key(9), msgspec.structs.replace(liar, zone=zone))
        world.input(box, functools.partial(introduced, now_s=world.now_s, core=told))
    assert boxes[0].running.root != boxes[1].running.root
    world.run(5)
    assert boxes[0].running.root == boxes[1].running.root
    assert all(box.running.counters.equivocations > 0 for box in boxes)


def introduced(machine: Membership, now_s: float, core: Signed) -> Effects:
    return machine.receive_join(now_s, make_id(9), JoinRequest(core))[1]


@pytest.mark.parametrize("page", [1024, 50])
def test_three_hundred_members_are_learnt_from_one(
    page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("p2p.membership.directory.digests_max", page)
    world = World(seed=17, config=MembershipConfig(dead_after_s=1e6, in_flight_max=1))
    veteran, newcomer, *others = world.add(302)
    for box in others:
        core = sign_core(make_key(box.number), make_core(box.number))
        veteran.disk.remembered[box.id] = pack(core)
    world.start(veteran)
    world.start(newcomer, seeds=[veteran.address])
    world.run_until(lambda: len(newcomer.states()) == 302, within_s=20)
    assert newcomer.states()[others[0].id] is UNVERIFIED
    assert newcomer.running.root == veteran.running.root


def test_clocks_are_compared_with_the_median_of_the_living() -> None:
    world = World(seed=18)
    boxes = world.add(5)
    for box, skew_ms in zip(boxes, [-1e12, 0.0, 40.0, 60.0, 5000.0], strict=True):
        box.skew_ms = skew_ms
        world.start(box, seeds=[boxes[1].address])
    world.run(10)
    assert boxes[0].running.median_offset_ms() == 1e12 + 40
    assert boxes[2].running.median_offset_ms() == 0
    assert boxes[4].running.median_offset_ms() == -4960


def test_the_same_seed_gives_the_same_run() -> None:
    def run() -> list[tuple[str, int]]:
        world = World(seed=19, loss=0.1)
        boxes = world.mesh_of(6)
        world.run(20)
        world.crash(boxes[3])
        world.run(20)
        return world.sizes

    assert run() == run()
