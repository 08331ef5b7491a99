"""Nodes find each other, keep in touch, and say who is there. In virtual time."""

import contextlib
import dataclasses
import logging
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from managers.loop_manager import LoopManager
from managers.node_selector import Ending, NodeSelector, epoch_setting
from p2p.identity.ids import MeshId, NodeId
from p2p.identity.signing import key_id
from p2p.membership import (
    Effects,
    MemberChanged,
    Membership,
    MembershipConfig,
    MemberState,
)
from p2p.reconcile import Ping, Snapshot
from p2p.records import Core
from tests.managers.direct import Net
from tests.rig import in_virtual_time, pass_s, rig
from transports.base import (
    Address,
    DeadlineExceeded,
    Refused,
    TransportError,
    Unreachable,
)

mesh_id = MeshId(bytes(8))
nothing = Ping(bytes(8), 0, bytes(12), bytes(12))


class Rider:
    """Counts what it hears."""

    def __init__(self) -> None:
        self.heard_from: list[NodeId] = []
        self.reminders: list[Snapshot] = []
        self.to_remind: Snapshot | None = None

    async def offer(self) -> Ping:
        """Offer nothing."""
        return nothing

    async def heard(self, peer: NodeId, mine: Ping, theirs: Ping) -> None:
        """Count."""
        self.heard_from.append(peer)

    def reminder(self, peer: NodeId) -> Snapshot | None:
        """Remind as the test wants."""
        return self.to_remind

    async def reminded(self, seen: Snapshot) -> None:
        """Keep."""
        self.reminders.append(seen)


@dataclasses.dataclass
class Node:
    """One node."""

    id: NodeId
    machine: Membership
    selector: NodeSelector
    rider: Rider
    address: Address
    endings: list[Ending]
    ticks: int = 0

    def sees(self) -> dict[str, MemberState]:
        """Return what it holds the others to be, by name."""
        return {m.name: m.state for m in self.machine.members() if m.id != self.id}


def make(stack: contextlib.ExitStack, net: Net, folder: Path, number: int, *seeds: Address) -> Node:
    """Make a node; it is found at the port of its number."""
    rng = random.Random(number)
    key = Ed25519PrivateKey.from_private_bytes(rng.randbytes(32))
    node = key_id(key.public_key().public_bytes_raw())
    place = folder / str(number)
    place.mkdir(exist_ok=True)
    address = Address("127.0.0.1", number)
    core = Core(mesh=mesh_id, node=node, epoch=1, boot=rng.randbytes(8), name=str(number))
    machine = Membership(
        key,
        core,
        config=MembershipConfig(),
        rng=rng,
        now_s=trio.current_time(),
        seeds=[(seed.host, seed.port) for seed in seeds],
    )
    runtime = stack.enter_context(rig(place, peers=machine, node=node, seed=number))
    rider, endings = Rider(), list[Ending]()
    selector = NodeSelector(
        runtime,
        machine=machine,
        transport=net.transport(node),
        rider=rider,
        seeds=seeds,
        own_addresses=lambda: (address,),
        give_up=lambda ending, reason: endings.append(ending),
    )
    net.places[address] = node
    net.handlers[node] = dict(selector.receive())
    return Node(node, machine, selector, rider, address, endings)


@contextlib.asynccontextmanager
async def mesh(folder: Path, count: int) -> AsyncIterator[tuple[Net, list[Node]]]:
    """Start nodes, all but the first with the first as their seed."""
    net = Net()
    with contextlib.ExitStack() as stack:
        first = make(stack, net, folder, 1)
        others = [make(stack, net, folder, n, first.address) for n in range(2, count + 1)]
        async with trio.open_nursery() as nursery:
            for node in (first, *others):
                for loop in node.selector.loops():
                    nursery.start_soon(loop.run)
            yield net, [first, *others]
            nursery.cancel_scope.cancel()


def test_all_find_each_other_through_one_seed(tmp_path: Path) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 3) as (_, nodes):
            await pass_s(20)
            for node in nodes:
                assert set(node.sees().values()) == {MemberState.ALIVE}
                assert len(node.sees()) == 2
                assert node.selector.introduced
                assert list(node.selector.health()) == []
                assert set(node.rider.heard_from) == {n.id for n in nodes} - {node.id}

    in_virtual_time(story)


def test_an_idle_node_wakes_only_when_it_has_something_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = 0
    tick = Membership.tick

    def counted(self: Membership, now_s: float) -> object:
        nonlocal ticks
        ticks += 1
        assert ticks < 10_000, "it spins"
        return tick(self, now_s)

    async def story() -> None:
        async with mesh(tmp_path, 3):
            monkeypatch.setattr(Membership, "tick", counted)
            await pass_s(100)

    in_virtual_time(story)
    assert ticks < 3 * 100 * 8


def test_a_killed_member_is_found_dead_and_a_leaving_one_left(tmp_path: Path) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 3) as (net, nodes):
            await pass_s(10)
            await nodes[2].selector.leave()
            assert nodes[0].sees()["3"] is MemberState.LEFT
            assert nodes[1].sees()["3"] is MemberState.LEFT
            net.cut.update(node.id for node in nodes)
            await pass_s(20)
            assert nodes[0].sees()["2"] is MemberState.DEAD
            assert list(nodes[0].selector.health()) == [f"2 ({nodes[1].id.hex()[:12]}) is dead"]

    in_virtual_time(story)


def test_who_is_busy_with_another_exchange_is_told_of_a_leave_after_it(tmp_path: Path) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 3) as (net, nodes):
            await pass_s(10)
            net.silent.update(node.id for node in nodes[:2])
            await pass_s(1.5)
            assert nodes[2].machine._exchanges.under_way
            net.silent.clear()
            await nodes[2].selector.leave()
            for node in nodes[:2]:
                assert node.sees()["3"] is MemberState.LEFT

    in_virtual_time(story)


def test_each_change_is_logged_in_words(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    async def story() -> None:
        async with mesh(tmp_path, 2) as (_, nodes):
            await pass_s(10)
            await nodes[1].selector.leave()
            gone = MemberChanged(NodeId(bytes(32)), MemberState.LEFT, None)
            nodes[0].selector._take(Effects((), (), 0.0, (gone,)))

    in_virtual_time(story)
    told = [message for message in caplog.messages if not message.startswith("1 ")]
    assert told == ["2 is alive", "2 has left", "000000000000 is forgotten"]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            Unreachable("127.0.0.1:71: connection refused"),
            "is tried again and again: 127.0.0.1:71: connection refused",
        ),
        (
            Unreachable("no answer from 127.0.0.1:71 in 3.0 s"),
            "is tried again and again: no answer from 127.0.0.1:71 in 3.0 s",
        ),
        (
            Unreachable("127.0.0.1:7100 refuses"),
            "is tried again and again: 127.0.0.1:71: 127.0.0.1:7100 refuses",
        ),
        (
            DeadlineExceeded("/v1/join took longer than 3.0 s"),
            "is tried again and again: 127.0.0.1:71: /v1/join took longer than 3.0 s",
        ),
        (
            Refused("127.0.0.1:71: the peer belongs to another mesh"),
            "does not let us in: 127.0.0.1:71: the peer belongs to another mesh",
        ),
    ],
)
def test_what_is_wrong_with_a_seed_names_it_once(
    error: TransportError, said: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> list[str]:
        with contextlib.ExitStack() as stack:
            seed = Address("127.0.0.1", 71)
            node = make(stack, Net(), tmp_path, 1, seed)
            node.selector._trouble(seed, error)
            return list(node.selector.health())

    (problem,) = in_virtual_time(story)
    assert caplog.messages == [f"a seed {said}"]
    assert problem == f"a seed has not let us in: {said.partition(': ')[2]}"


def test_only_a_stranger_whom_every_seed_refuses_gives_up(tmp_path: Path) -> None:
    async def story() -> list[Ending]:
        net = Net()
        one, other = Address("127.0.0.1", 71), Address("127.0.0.1", 72)
        net.refusing.add(one)
        with contextlib.ExitStack() as stack:
            node = make(stack, net, tmp_path, 1, one, other)
            async with trio.open_nursery() as nursery:
                for loop in node.selector.loops():
                    nursery.start_soon(loop.run)
                await pass_s(100)
                assert node.endings == []
                assert len(list(node.selector.health())) == 2
                net.refusing.add(other)
                await pass_s(100)
                nursery.cancel_scope.cancel()
            return node.endings

    assert set(in_virtual_time(story)) == {Ending.NOT_ADMITTED}


def test_what_could_not_be_stored_is_stored_later_and_sent_only_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        net = Net()
        with contextlib.ExitStack() as stack:
            seed = make(stack, net, tmp_path, 1)
            node = make(stack, net, tmp_path, 2, seed.address)
            runtime = node.selector.runtime
            store = runtime.store._store
            with monkeypatch.context() as patch:
                patch.setattr(store, "set_setting", _full)
                loops = LoopManager(runtime)
                loops.supervise([node.selector])
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(loops.run)
                    for loop in seed.selector.loops():
                        nursery.start_soon(loop.run)
                    await pass_s(30)
                    assert net.requests == []
                    patch.undo()
                    await pass_s(120)
                    nursery.cancel_scope.cancel()
            assert store.get_setting(epoch_setting) == 1
            assert node.sees() == {"1": MemberState.ALIVE}

    in_virtual_time(story)


def _full(*_: object) -> None:
    raise OSError("no space left")


def test_a_reminder_reaches_its_peer(tmp_path: Path) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 2) as (_, nodes):
            nodes[0].rider.to_remind = Snapshot(bytes(8), 7)
            await pass_s(10)
            assert set(nodes[1].rider.reminders) == {Snapshot(bytes(8), 7)}
            assert nodes[0].rider.reminders == []

    in_virtual_time(story)
