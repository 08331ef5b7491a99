"""Of two nodes that differ, one compares at a time: both at once would move records twice."""

from pathlib import Path

import pytest

from managers.sync_planner.exchange import path_exchange
from p2p.codec import pack
from p2p.identity.ids import NodeId
from p2p.manifest import MonthKey
from p2p.reconcile import Ping
from p2p.reconcile.messages import SegmentsRequest
from tests.managers.sync_mesh import Mesh, Node, mesh, names, tell
from tests.rig import pass_s
from transports.base import Incoming


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
            for second in range(305):
                await ask(at, names[1], a)
                await differ(a, names[1], 9)
                await pass_s(1)
                assert second > 295 or begun(at, a) == 0
            assert begun(at, a) > 0

    tell(story)
