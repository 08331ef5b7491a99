"""The face that every manager shows, and the few helpers they all need."""

import dataclasses
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import ClassVar, TypeVar

from mixins.runtime import Runtime
from p2p.events import Event, RecordsStored
from p2p.identity.ids import NodeId
from p2p.membership import Member, MemberState
from p2p.store import Ingested, Mark, NodeStore
from transports.base import Handler

ResultT = TypeVar("ResultT")


@dataclasses.dataclass(frozen=True, slots=True)
class Loop:
    """Something a manager does for as long as the node runs, supervised by the loop manager."""

    name: str
    run: Callable[[], Awaitable[None]]


class P2PMixinBase:
    """What every manager is: loops to run, messages to receive, a status and a health.

    It holds no feature and no state but its runtime. Managers hold the pure machines of `p2p`;
    they do not inherit them, and none knows another's insides.
    """

    name: ClassVar[str]
    publishes: ClassVar[tuple[type[Event], ...]] = ()

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.log = runtime.log.getChild(self.name)
        runtime.bus.declare(self.name, self.publishes)

    def loops(self) -> Iterable[Loop]:
        """Return what this manager runs for as long as the node lives."""
        return ()

    def receive(self) -> Mapping[str, Handler]:
        """Return the handler of each path that peers may call."""
        return {}

    def status(self) -> Mapping[str, object]:
        """Return what this manager tells `ringrift-agent status`: measured, never estimated."""
        return {}

    def health(self) -> Iterable[str]:
        """Return this manager's problems, a sentence each; none if all is well."""
        return ()

    async def read(self, query: Callable[[NodeStore], ResultT]) -> ResultT:
        """Run a query on the store that changes nothing."""
        return await self.runtime.store.read(query)

    async def write(self, change: Callable[[NodeStore], ResultT]) -> ResultT:
        """Run a change of the store; it is on the disk when this returns."""
        return await self.runtime.store.write(change)

    async def ingest(
        self, batch: Iterable[bytes], source: NodeId | None = None, source_at: Mark | None = None
    ) -> Ingested:
        """Store a batch of records and tell the node what is new; see `p2p.store.NodeStore`.

        Only managers that declare `RecordsStored` may call this.
        """
        done = await self.store_batch(batch, source, source_at)
        self.announce(done, source)
        return done

    async def store_batch(
        self, batch: Iterable[bytes], source: NodeId | None = None, source_at: Mark | None = None
    ) -> Ingested:
        """Store as `ingest` does, for a manager that calls `announce` itself, a little later."""
        now_ms = self.runtime.clock.wall_ms()
        done = await self.runtime.store.ingest(batch, now_ms, source, source_at)
        if done.refused:
            first = done.refused[0]
            self.log.warning(
                "refused %d of %d records from %s; the first, %s: %s",
                len(done.refused),
                sum(map(len, (done.stored, done.known, done.refused, done.refused_before))),
                "this node" if source is None else source.hex()[:12],
                first.id.hex()[:12],
                first.reason,
            )
        return done

    def announce(self, done: Ingested, source: NodeId | None = None) -> None:
        """Tell the node what a batch has added, if it has added something."""
        if done.stored:
            self.emit(RecordsStored(done.stored, source))

    def emit(self, event: Event) -> None:
        """Publish an event that this manager has declared."""
        self.runtime.bus.publish(self.name, event)

    def alive_peers(self) -> list[Member]:
        """Return the other members that are alive."""
        return [
            member
            for member in self.runtime.peers.members()
            if member.state is MemberState.ALIVE and member.id != self.runtime.node
        ]
