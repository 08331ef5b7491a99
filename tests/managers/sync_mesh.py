"""Some nodes with sync planners in one process, for tests in virtual time."""

import contextlib
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path

import trio

from managers.sync_planner import SyncPlanner
from mixins.base import P2PMixinBase
from mixins.runtime import Runtime
from p2p.envelope import Record, make_record
from p2p.events import HostOffline, HostOnline, RecordsStored
from p2p.identity.ids import MeshId, NodeId
from p2p.membership import Member, MemberState
from p2p.records import Core
from tests.managers.direct import Net
from tests.rig import check_game, epoch_ms, in_virtual_time, pass_s, rig

names = [NodeId(bytes([65 + number]) * 16) for number in range(6)]


class Producer(P2PMixinBase):
    """Stands for the job manager, and for who tells of hosts."""

    name = "producer"
    publishes = (RecordsStored, HostOnline, HostOffline)


def member(node: NodeId, state: MemberState = MemberState.ALIVE) -> Member:
    """Describe a durable member."""
    core = Core(mesh=MeshId(bytes(8)), node=node, epoch=1, boot=bytes(8))
    return Member(node, node.hex()[:2], state, 0.0, (), "", True, core, None)


def game(producer: NodeId, number: int, body: str = "good") -> bytes:
    """Make a record that the rig takes for a game."""
    return make_record("game", 1, "square8_2p", epoch_ms, producer, [body, number])


@dataclasses.dataclass
class Seats:
    """One node's view of the mesh, that a test changes."""

    seated: list[Member]
    durable: set[NodeId]

    def members(self) -> tuple[Member, ...]:
        """Return who is there."""
        return tuple(self.seated)

    def durable_ids(self) -> set[NodeId]:
        """Return who is durable."""
        return self.durable

    def median_offset_ms(self) -> int:
        """All clocks agree."""
        return 0

    def leave(self, node: NodeId) -> None:
        """Let a member leave."""
        self.durable.discard(node)
        self.seated = [
            member(each.id, MemberState.LEFT) if each.id == node else each for each in self.seated
        ]


@dataclasses.dataclass
class Node:
    """One node: its planner, and what it needs to play and gossip."""

    runtime: Runtime
    planner: SyncPlanner
    producer: Producer
    seats: Seats
    made: int = 0

    async def play(self, count: int) -> None:
        """Produce some games in one batch."""
        numbers = range(self.made, self.made + count)
        await self.producer.ingest([game(self.runtime.node, number) for number in numbers])
        self.made += count

    async def stored(self) -> int:
        """Count the games held."""
        counts = await self.runtime.store.read(lambda store: store.count_by_config("game"))
        return sum(counts.values())

    async def safe(self) -> tuple[int, int, int]:
        """Return games stored, safe, and only here."""
        safety = await self.planner.count()
        return safety.stored, safety.safe, safety.only_here


def sync_status(node: Node) -> dict[str, int]:
    """Return what a node counts of its sync."""
    told = node.planner.status()["sync"]
    assert isinstance(told, dict)
    return told


class Mesh:
    """Some nodes in one process."""

    def __init__(self, net: Net, nodes: list[Node]) -> None:
        self.net = net
        self.nodes = nodes

    async def play_apart(self, *counts: int) -> None:
        """Let the first node produce so many games, the next so many, unheard by the others."""
        self.net.cut.update(names)
        for node, count in zip(self.nodes, counts, strict=False):
            await node.play(count)
        await pass_s(0.5)
        self.net.cut.clear()

    async def gossip(self) -> None:
        """Let every two nodes tell each other their digests, once."""
        for asker in self.nodes:
            for answerer in self.nodes:
                if asker is not answerer and answerer.runtime.node not in self.net.cut:
                    mine, theirs = await asker.planner.offer(), await answerer.planner.offer()
                    await asker.planner.heard(answerer.runtime.node, mine, theirs)
                    await answerer.planner.heard(asker.runtime.node, theirs, mine)


@contextlib.asynccontextmanager
async def mesh(
    folder: Path, count: int, *, check: Mapping[int, Callable[[Record], None]] | None = None
) -> AsyncIterator[Mesh]:
    """Start nodes that know each other; some may check games in ways of their own."""
    net = Net()
    nodes: list[Node] = []
    with contextlib.ExitStack() as stack:
        members = [member(name) for name in names[:count]]
        for number, name in enumerate(names[:count]):
            place = folder / str(number)
            place.mkdir(exist_ok=True)
            seats = Seats(list(members), set(names[:count]))
            checked = (check or {}).get(number, check_game)
            runtime = stack.enter_context(
                rig(place, peers=seats, seed=number, node=name, check=checked)
            )
            planner = SyncPlanner(runtime, transport=net.transport(name))
            nodes.append(Node(runtime, planner, Producer(runtime), seats))
            net.handlers[name] = dict(planner.receive())
            await planner.load()
        async with trio.open_nursery() as nursery:
            for node in nodes:
                for loop in node.planner.loops():
                    nursery.start_soon(loop.run)
            yield Mesh(net, nodes)
            nursery.cancel_scope.cancel()


def tell(story: Callable[[], Awaitable[None]]) -> None:
    """Run a story in virtual time."""
    in_virtual_time(story)
