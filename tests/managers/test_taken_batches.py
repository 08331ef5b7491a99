"""What a batch from a peer proves, if it is cancelled or overtaken while it is committed."""

import functools
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Unpack

import pytest
import trio
import trio.testing

from managers.state.store import SqliteStore
from managers.sync_planner.evidence import Evidence
from managers.sync_planner.exchange import path_records
from p2p.frames import frame
from p2p.reconcile import Ping
from p2p.store import Mark
from tests.managers.sync_mesh import Mesh, Node, game, mesh, names, tell
from tests.rig import ArgumentsT, InlineThreads, ResultT, me, pass_s, rig
from transports.base import Incoming


class SlowDisk:
    """Holds up the next call of a store, as a thread does: nobody can cancel it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached = trio.Event()
        self.goes_on = trio.Event()
        monkeypatch.setattr(InlineThreads, "run", self._run)

    async def _run(
        self, function: Callable[[Unpack[ArgumentsT]], ResultT], *arguments: *ArgumentsT
    ) -> ResultT:
        await trio.lowlevel.checkpoint()
        if any(isinstance(argument, SqliteStore) for argument in arguments):
            self.reached.set()
            with trio.CancelScope(shield=True):
                await self.goes_on.wait()
        return function(*arguments)


async def introduced(at: Mesh) -> tuple[Node, Node]:
    """Let the first of two nodes know the other's store, and all be quiet."""
    a, b = at.nodes
    await at.gossip()
    await pass_s(0.1)
    return a, b


async def nothing() -> None:
    """Let nothing happen."""


async def start(nursery: trio.Nursery, act: Callable[[int], Awaitable[None]], turn: int) -> None:
    """Let something happen beside what follows."""
    nursery.start_soon(act, turn)


async def push(
    to: Node, sender: Node, count: int, meanwhile: Callable[[], Awaitable[None]] = nothing
) -> None:
    """Let a node receive games in one body; something happens while it is read."""
    pieces = [b"".join(frame(game(sender.runtime.node, number)) for number in range(count)), b""]

    async def receive() -> bytes:
        if len(pieces) > 1:
            await meanwhile()
        return pieces.pop(0)

    handler = to.planner.receive()[path_records]
    await handler(Incoming(path_records, sender.runtime.node, receive))


def test_a_batch_cancelled_while_it_is_committed_is_there_with_its_proof(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a, b = await introduced(at)
            disk = SlowDisk(monkeypatch)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(push, a, b, 3)
                await disk.reached.wait()
                nursery.cancel_scope.cancel()
                disk.goes_on.set()
            assert await a.safe() == (3, 3, 0)
            assert (await a.planner.offer()).seq == 3

    tell(story)


def test_a_store_that_is_lost_while_its_batch_is_committed_holds_nothing_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a, b = await introduced(at)
            mine = await a.planner.offer()
            empty = Ping(b"renewed!", 0, bytes(12), bytes(12))
            disk = SlowDisk(monkeypatch)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(push, a, b, 3)
                await disk.reached.wait()
                nursery.start_soon(a.planner.heard, b.runtime.node, mine, empty)
                await trio.testing.wait_all_tasks_blocked()
                disk.goes_on.set()
            assert (await a.safe())[2] == 3

    tell(story)


def test_a_batch_that_waits_behind_the_loss_of_its_senders_store_proves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a, b = await introduced(at)
            mine = await a.planner.offer()
            empty = Ping(b"renewed!", 0, bytes(12), bytes(12))
            disk = SlowDisk(monkeypatch)

            async def lose() -> None:
                nursery.start_soon(a.planner.heard, b.runtime.node, mine, empty)
                await disk.reached.wait()

            async with trio.open_nursery() as nursery:
                nursery.start_soon(push, a, b, 1, lose)
                await trio.testing.wait_all_tasks_blocked()
                disk.goes_on.set()
            assert (await a.safe())[2] == 1

    tell(story)


def test_whenever_the_senders_store_is_lost_its_batch_proves_nothing_after(tmp_path: Path) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a, b = await introduced(at)
            at.net.cut.add(b.runtime.node)  # no exchange brings new evidence
            mine = await a.planner.offer()

            async def lose(turn: int) -> None:
                for _ in range(turn % 10):
                    await trio.lowlevel.checkpoint()
                empty = Ping(b"store%03d" % turn, 0, bytes(12), bytes(12))
                await a.planner.heard(b.runtime.node, mine, empty)

            for turn in range(40):
                async with trio.open_nursery() as nursery:
                    meanwhile = functools.partial(start, nursery, lose, turn)
                    nursery.start_soon(push, a, b, turn + 1, meanwhile)
                assert (await a.safe())[2] == turn + 1

    tell(story)


def test_evidence_that_is_none_changes_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        with rig(tmp_path) as runtime:
            evidence = Evidence(runtime.store, runtime.clock)
            await runtime.store.ingest([game(me, 1)], 0)
            await evidence.hear(names[0], Ping(b"present!", 5, bytes(12), bytes(12)))
            await evidence.prove(names[0], Mark(b"the-old1", 5), 1)
            await evidence.note_copies(names[0], b"present!", [])
            assert evidence.mark_for(names[0], b"") is None
            assert evidence.mark_for(names[0], b"present!") == Mark(b"present!", 5)
            assert evidence.changes == 0
            assert await runtime.store.read(lambda store: store.seen()) == {}

    tell(story)
