"""Of two nodes that differ, one compares at a time: both at once would move records twice."""

from pathlib import Path

import pytest

from managers.sync_planner import anti_entropy
from managers.sync_planner.exchange import path_exchange
from p2p.codec import pack
from p2p.identity.ids import NodeId
from p2p.manifest import MonthKey
from p2p.reconcile import Ping
from p2p.reconcile.messages import SegmentsRequest
from tests.managers.sync_mesh import Mesh, Node, game, mesh, names, sync_status, tell
from tests.rig import pass_s
from transports.base import Incoming


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let 60 s be the time that an exchange waits for the peer's."""
    monkeypatch.setattr(anti_entropy, "yield_s_max", 60.0)


def begun(at: Mesh, node: Node) -> int:
    """Count the requests of a node's exchanges."""
    return sum(
        asker == node.runtime.node and path == path_exchange for asker, _, path in at.net.requests
    )


async def differ(node: Node, peer: NodeId, seq: int) -> None:
    """Let a node hear that a peer, whose store has so many rows, holds what it does not."""
    theirs = Ping(bytes(8), seq, bytes(12), bytes(12))
    await node.planner.heard(peer, await node.planner.offer(), theirs)


async def ask(at: Mesh, asker: NodeId, node: Node) -> None:
    """Let a peer begin an exchange with a node."""
    request = pack(SegmentsRequest(None, MonthKey(bytes(8)), MonthKey(b"\xff" * 8), ()))
    pieces = [request]

    async def receive() -> bytes:
        return pieces.pop() if pieces else b""

    handler = at.net.handlers[node.runtime.node][path_exchange]
    await handler(Incoming(path_exchange, asker, receive, len(request)))


@pytest.mark.parametrize(("seq", "at_once"), [(4, False), (6, True)])
def test_who_has_less_begins_at_once_and_the_other_a_little_later(
    tmp_path: Path, seq: int, at_once: bool
) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a = at.nodes[0]
            await a.play(5)
            await pass_s(1)
            await differ(a, names[1], seq)
            await pass_s(1.5)
            assert (begun(at, a) > 0) == at_once
            await pass_s(1)
            assert begun(at, a) > 0

    tell(story)


def test_an_exchange_waits_while_the_peer_compares(tmp_path: Path) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a = at.nodes[0]
            await ask(at, names[1], a)
            await differ(a, names[1], 9)
            await pass_s(9)
            assert begun(at, a) == 0
            await pass_s(2)
            assert begun(at, a) > 0

    tell(story)


def test_a_peer_that_compares_for_ever_is_not_waited_for_as_long(tmp_path: Path) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a = at.nodes[0]
            await differ(a, names[1], 1)
            for second in range(62):
                await ask(at, names[1], a)
                await differ(a, names[1], 9)
                await pass_s(1)
                assert second > 58 or begun(at, a) == 0
            assert begun(at, a) > 0

    tell(story)


@pytest.mark.parametrize("equal_s", [1, 50])
def test_digests_that_are_equal_now_and_then_do_not_prolong_that(
    tmp_path: Path, equal_s: int
) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a = at.nodes[0]
            for second in range(120):
                await ask(at, names[1], a)
                mine = await a.planner.offer()
                if second % (equal_s + 5) < equal_s:
                    await a.planner.heard(names[1], mine, mine)
                else:
                    await differ(a, names[1], 9)
                await pass_s(1)
                assert second > 58 or begun(at, a) == 0
            assert begun(at, a) > 0

    tell(story)


def test_nor_does_an_exchange_that_fails(tmp_path: Path) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a = at.nodes[0]
            at.net.cut.add(names[1])
            for _ in range(90):
                await ask(at, names[1], a)
                await differ(a, names[1], 9)
                await pass_s(1)
            assert begun(at, a) > 1

    tell(story)


@pytest.mark.parametrize("by_exchange", [True, False])
def test_a_peer_is_waited_for_again_after_an_exchange_of_ours_or_a_minute_of_equal_digests(
    tmp_path: Path, by_exchange: bool
) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a = at.nodes[0]
            await ask(at, names[1], a)
            await differ(a, names[1], 9)
            await pass_s(11 if by_exchange else 1)
            begun_then = begun(at, a)
            assert (begun_then > 0) == by_exchange
            mine = await a.planner.offer()
            await a.planner.heard(names[1], mine, mine)
            await pass_s(45 if by_exchange else 61)
            await ask(at, names[1], a)
            await differ(a, names[1], 9)
            await pass_s(9)
            assert begun(at, a) == begun_then

    tell(story)


def test_a_newcomer_takes_each_record_once_however_many_have_it(tmp_path: Path) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 5) as at:
            newcomer, *others = at.nodes
            records = [game(names[1], number) for number in range(3000)]
            for node in others:
                await node.runtime.store.ingest(records, 0)
            mine = await newcomer.planner.offer()
            for node in others:
                await newcomer.planner.heard(node.runtime.node, mine, await node.planner.offer())
            await pass_s(30)
            assert await newcomer.stored() == 3000
            assert sync_status(newcomer)["taken"] == 3000

    tell(story)
