"""A manager's world in virtual time: inline threads, a clock that jumps, a store in a folder."""

import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar, TypeVarTuple, Unpack

import trio
import trio.testing

from managers.state.store import SqliteStore
from mixins.clock import Clock
from mixins.runtime import PeerView, Runtime
from mixins.store_access import StoreAccess
from p2p.envelope import Record, RecordRefused
from p2p.events import EventBus
from p2p.identity.ids import NodeId
from p2p.kinds import Kind, Kinds
from p2p.membership import Member

ResultT = TypeVar("ResultT")
ArgumentsT = TypeVarTuple("ArgumentsT")

me = NodeId(b"me".ljust(16, b"."))
epoch_ms = 1_790_000_000_000


class VirtualClock:
    """Trio's clock, and a wall clock that started with it."""

    def monotonic_s(self) -> float:
        """Return trio's time."""
        return trio.current_time()

    def wall_ms(self) -> int:
        """Return a moment in 2026, and what has passed since."""
        return epoch_ms + int(1000 * trio.current_time())


class InlineThreads:
    """Runs at once what would go to a thread."""

    async def run(
        self, function: Callable[[Unpack[ArgumentsT]], ResultT], *arguments: *ArgumentsT
    ) -> ResultT:
        """Run `function` here."""
        await trio.lowlevel.checkpoint()
        return function(*arguments)


class Peers:
    """A view of the mesh that a test sets."""

    def __init__(self, *members: Member, durable: frozenset[NodeId] = frozenset({me})) -> None:
        self._members = members
        self._durable = durable

    def members(self) -> tuple[Member, ...]:
        """Return what the test set."""
        return self._members

    def durable_ids(self) -> frozenset[NodeId]:
        """Return what the test set."""
        return self._durable

    def median_offset_ms(self) -> int:
        """All clocks agree."""
        return 0


def check_game(record: Record) -> None:
    """Refuse what a test marks as bad."""
    if isinstance(record.body, list) and record.body[:1] == ["bad"]:
        raise RecordRefused("marked as bad")


@contextlib.contextmanager
def rig(
    folder: Path,
    *,
    peers: PeerView | None = None,
    clock: Clock | None = None,
    seed: int = 1,
    node: NodeId = me,
    check: Callable[[Record], None] = check_game,
) -> Iterator[Runtime]:
    """Make a runtime; the kind `game` is known and refuses bodies that begin with "bad"."""
    rng = random.Random(seed)
    threads = InlineThreads()
    store = SqliteStore(folder / "records.db", Kinds([Kind("game", 1, check)]), rng.randbytes)
    with contextlib.closing(store):
        yield Runtime(
            node=node,
            clock=clock or VirtualClock(),
            rng=rng,
            new_id=rng.randbytes,
            threads=threads,
            log=logging.getLogger("rig"),
            store=StoreAccess(store, threads),
            bus=EventBus(),
            peers=peers or Peers(),
        )


async def pass_s(seconds: float) -> None:
    """Let virtual time pass; none of ours does."""
    await trio.sleep(seconds)


def in_virtual_time(story: Callable[[], Awaitable[ResultT]]) -> ResultT:
    """Run a story whose waits take no time."""
    return trio.run(story, clock=trio.testing.MockClock(autojump_threshold=0))
