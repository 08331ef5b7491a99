"""A peer that stalls, or does so on purpose, costs the others a moment at most. In virtual time."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from managers.sync_planner import anti_entropy, audit, exchange, manager
from managers.sync_planner.bulk import progress_bytes_min
from managers.sync_planner.exchange import path_exchange, path_records
from p2p.codec import record_bytes_max
from p2p.frames import frame_header_bytes
from p2p.identity.ids import NodeId
from p2p.reconcile import Ping
from tests.managers.sync_mesh import Mesh, Node, game, member, mesh, names, tell
from tests.rig import pass_s
from transports.base import DeadlineExceeded, Incoming, Reply


async def trickle(_: Incoming) -> Reply:
    """Begin a frame as large as may be, and bring just enough of it not to be given up."""

    async def body() -> AsyncIterator[bytes]:
        yield record_bytes_max.to_bytes(frame_header_bytes, "big")
        while True:
            await pass_s(25)
            yield bytes(progress_bytes_min)

    return Reply(body=body())


def throttle(at: Mesh, node: Node) -> None:
    """Let a node's answers come at 3,000 bytes a second."""
    honest = at.net.handlers[node.runtime.node][path_exchange]

    async def throttled(request: Incoming) -> Reply:
        reply = await honest(request)
        assert not isinstance(reply.body, bytes)
        whole = b"".join([piece async for piece in reply.body])

        async def body() -> AsyncIterator[bytes]:
            for start in range(0, len(whole), 3000):
                await pass_s(1)
                yield whole[start : start + 3000]

        return Reply(body=body())

    at.net.handlers[node.runtime.node][path_exchange] = throttled


async def differ(at: Mesh, node: Node, peers: list[NodeId]) -> None:
    """Let a node hear that these peers hold what it does not."""
    mine = await node.planner.offer()
    for peer in peers:
        await node.planner.heard(peer, mine, Ping(bytes(8), 1, bytes(12), bytes(12)))


def test_peers_that_trickle_hold_up_the_exchange_with_another_for_one_turn_at_most(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        async with mesh(tmp_path, anti_entropy.at_once_max + 2) as at:
            a, *slow, honest = at.nodes
            for each in slow:
                at.net.handlers[each.runtime.node][path_exchange] = trickle
            await honest.runtime.store.ingest([game(honest.runtime.node, 1)], 0)
            await differ(at, a, [each.runtime.node for each in slow])
            await pass_s(1)
            await differ(at, a, [honest.runtime.node])
            await pass_s(anti_entropy.turn_s - 3)
            assert await a.stored() == 0
            await pass_s(5)
            assert await a.stored() == 1

    tell(story)


def test_an_exchange_that_waits_until_there_is_no_difference_left_is_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "audit_interval_s", 1e9)

    async def story() -> None:
        async with mesh(tmp_path, 6) as at:
            a, *slow, other = at.nodes
            for each in slow:
                at.net.handlers[each.runtime.node][path_exchange] = trickle
            for each in (a, other):
                await each.runtime.store.ingest([game(names[0], 1)], 0)
            await differ(at, a, names[1:5])
            await pass_s(1)
            await differ(at, a, [names[5]])
            await pass_s(1)
            mine, theirs = await a.planner.offer(), await other.planner.offer()
            await a.planner.heard(names[5], mine, theirs)
            await pass_s(2 * anti_entropy.turn_s)
            assert names[5] not in [to for _, to, _ in at.net.requests]

    tell(story)


def test_an_exchange_that_made_way_goes_on_by_itself(tmp_path: Path) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 6) as at:
            a, *slow, other = at.nodes
            healed = slow[0].runtime.node
            honest = at.net.handlers[healed][path_exchange]
            for each in slow:
                at.net.handlers[each.runtime.node][path_exchange] = trickle
            await slow[0].runtime.store.ingest([game(healed, 1)], 0)
            await differ(at, a, [each.runtime.node for each in slow])
            await pass_s(1)
            at.net.handlers[healed][path_exchange] = honest
            for _ in range(4):
                await differ(at, a, [other.runtime.node])
                await pass_s(anti_entropy.turn_s)
            assert await a.stored() == 1

    tell(story)


def test_a_slow_peer_that_brings_records_is_not_begun_with_again_and_again(tmp_path: Path) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 6) as at:
            a, *stalling, slow = at.nodes
            large = "x" * 3000
            await slow.runtime.store.ingest([game(names[5], n, large) for n in range(600)], 0)
            throttle(at, slow)
            for each in stalling:
                at.net.handlers[each.runtime.node][path_exchange] = trickle
            counts = []
            for _ in range(20):
                await differ(at, a, names[1:])
                await pass_s(anti_entropy.turn_s)
                counts.append(await a.stored())
            assert 0 < counts[4] < counts[9] < counts[19]

    tell(story)


def test_a_slow_peer_is_heard_to_the_end_while_nobody_waits(tmp_path: Path) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a, slow = at.nodes
            games = [game(names[1], number, "x" * 3000) for number in range(400)]
            await slow.runtime.store.ingest(games, 0)
            throttle(at, slow)
            await a.planner.exchange(member(names[1]))
            assert trio.current_time() > 300
            assert await a.stored() == 400

    tell(story)


def test_a_peer_that_does_not_answer_is_given_up_soon(tmp_path: Path) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a, b = at.nodes
            at.net.silent.add(b.runtime.node)
            began_s = trio.current_time()
            with pytest.raises(DeadlineExceeded, match="no answer within 60 s"):
                await a.planner.exchange(member(b.runtime.node))
            assert trio.current_time() - began_s == exchange.answer_s_max

    tell(story)


def test_peers_whose_pushes_trickle_hold_up_the_pushes_of_others_for_one_turn_at_most(
    tmp_path: Path,
) -> None:
    async def receive() -> bytes:
        await trio.sleep_forever()
        raise AssertionError

    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a, b = at.nodes
            replies: list[Reply] = []

            async def push(peer: NodeId) -> None:
                take = a.planner.receive()[path_records]
                replies.append(await take(Incoming(path_records, peer, receive)))

            async with trio.open_nursery() as nursery:
                for number in range(manager.pushes_read_at_once_max):
                    for _ in range(5):
                        nursery.start_soon(push, NodeId(bytes([number]) * 16))
                await pass_s(1)
                await b.play(3)
                await pass_s(manager.push_turn_s + 1)
                assert await a.stored() == 3
                assert {reply.status for reply in replies} == {503}
                nursery.cancel_scope.cancel()

    tell(story)
