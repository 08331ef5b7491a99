"""Every leaf of every peer is compared in time, whatever the digests say. In virtual time."""

import logging
import random
from pathlib import Path

import pytest
import trio

from managers.sync_planner import audit
from managers.sync_planner.audit import AuditRounds, audit_interval_s
from managers.sync_planner.exchange import path_exchange
from p2p.reconcile import Ping
from p2p.reconcile.messages import ExactRequest, unpack_request
from tests.managers.sync_mesh import Mesh, Node, game, mesh, sync_status, tell
from tests.rig import pass_s
from transports.base import Incoming, Reply

hour_s = 3600.0
often_s = 5.0
round_s = 256 * often_s


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Audit every few seconds, so that a round is over soon."""
    monkeypatch.setattr(audit, "audit_interval_s", often_s)


def rounds(seed: int) -> AuditRounds:
    return AuditRounds(random.Random(seed), now_s=0.0)


def taken(of: AuditRounds, count: int) -> list[int]:
    """Take so many audits, each at its time."""
    leaves = []
    for _ in range(count):
        leaves.append(of.next_leaf(of.due_s))
        of.done(leaves[-1])
    return leaves


def test_a_round_has_every_leaf_once_and_each_round_an_order_of_its_own() -> None:
    one, other = rounds(1), rounds(2)
    orders = [taken(one, 256), taken(one, 256), taken(other, 256)]
    assert all(sorted(order) == list(range(256)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3


@pytest.mark.parametrize("seed", range(10))
def test_a_round_ends_within_22_hours(seed: int) -> None:
    of = rounds(seed)
    taken(of, 256)
    assert 17 * hour_s < of.due_s < 256 * audit_interval_s < 22 * hour_s


def test_audits_of_many_peers_are_spread() -> None:
    first_s = [rounds(seed).due_s for seed in range(100)]
    assert 0 <= min(first_s) < 30
    assert 270 < max(first_s) < audit_interval_s


def test_a_leaf_whose_audit_failed_comes_again_as_the_last_of_its_round() -> None:
    of = rounds(1)
    failed = of.next_leaf(0.0)
    rest = taken(of, 256)
    assert sorted(rest) == list(range(256))
    assert rest[-1] == failed


async def gossip_for(at: Mesh, seconds: float) -> None:
    """Let time pass with a gossip every ten seconds."""
    until_s = trio.current_time() + seconds
    while trio.current_time() < until_s:
        await at.gossip()
        await pass_s(10)


class Tap:
    """Counts the exact lists that a node is asked for, by leaf."""

    def __init__(self, at: Mesh, node: Node) -> None:
        self._handle = at.net.handlers[node.runtime.node][path_exchange]
        at.net.handlers[node.runtime.node][path_exchange] = self.answer
        self.leaves: list[int] = []

    async def answer(self, request: Incoming) -> Reply:
        """Note the leaf, and answer as the node does."""
        body = await request.read()
        message = unpack_request(body)
        assert isinstance(message, ExactRequest)
        assert {part.part.bits for part in message.parts} == {8}
        self.leaves += {part.part.leaf for part in message.parts}

        once = iter([body, b""])

        async def receive() -> bytes:
            return next(once)

        return await self._handle(Incoming(request.path, request.peer, receive))


def test_peers_in_sync_audit_each_other_leaf_by_leaf_and_find_nothing(
    tmp_path: Path, often: None
) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a, b = at.nodes
            await a.play(20)
            await pass_s(1)
            tap = Tap(at, b)
            await gossip_for(at, 60)
            told = sync_status(a)
            assert 11 <= told["audits"] == len(tap.leaves) == len(set(tap.leaves)) <= 16
            assert told["exact_lists"] == told["audits"]
            assert told["message_bytes"] > 0
            assert (told["audit_found"], told["exchanges"], told["exchanges_failed"]) == (0, 0, 0)

    tell(story)


def test_what_equal_digests_hide_is_found_moved_counted_and_told(
    tmp_path: Path, often: None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)

    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a, b = at.nodes
            for node, count in ((a, 3), (b, 2)):
                await node.runtime.store.ingest(
                    [game(node.runtime.node, number) for number in range(count)], 0
                )
            mine, theirs = await a.planner.offer(), await b.planner.offer()
            alike = Ping(theirs.store, theirs.seq, mine.known, theirs.held)
            await a.planner.heard(b.runtime.node, mine, alike)
            await pass_s(round_s)
            assert [await a.stored(), await b.stored()] == [5, 5]
            told = sync_status(a)
            assert (told["audit_found"], told["given"], told["taken"]) == (5, 3, 2)
            assert (told["exchanges"], told["exchanges_failed"]) == (0, 0)
            assert await a.safe() == (5, 5, 0)  # by receipts, and by what b sent
            watermark = await a.runtime.store.read(lambda store: store.watermark(b.runtime.node))
            assert watermark == 0  # an audit of a leaf is no proof of the rest

    tell(story)
    found = [r.getMessage() for r in caplog.records if "an audit of" in r.getMessage()]
    assert 3 <= len(found) <= 5
    assert all("although the digests were equal" in message for message in found)


def test_a_difference_that_the_digests_showed_is_no_finding(
    tmp_path: Path, often: None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)

    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a, b = at.nodes
            await a.runtime.store.ingest([game(a.runtime.node, 1)], 0)
            mine, theirs = await a.planner.offer(), await b.planner.offer()
            at.net.cut.add(b.runtime.node)
            await a.planner.heard(b.runtime.node, mine, theirs)
            await pass_s(1)
            at.net.cut.clear()  # too late for the exchange, and no gossip makes it due again
            await pass_s(round_s)
            assert await b.stored() == 1
            assert sync_status(a)["audit_found"] == 0

    tell(story)
    assert "only one side knew" not in caplog.text


def test_what_an_audit_found_before_it_was_cut_is_told(
    tmp_path: Path, often: None, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a, b = at.nodes
            games = [game(b.runtime.node, number) for number in range(2000)]
            await a.runtime.store.ingest(games[:1], 0)
            await b.runtime.store.ingest(games, 0)
            mine, theirs = await a.planner.offer(), await b.planner.offer()
            alike = Ping(theirs.store, theirs.seq, mine.known, theirs.held)
            at.net.cut_after_bytes = 200  # in the midst of a leaf's records
            await a.planner.heard(b.runtime.node, mine, alike)
            await pass_s(20 * often_s)
            told = sync_status(a)
            assert told["audits"] < 10
            assert 0 < told["taken"] < told["audit_found"]

    tell(story)
    assert "only one side knew" in caplog.text


def test_an_audit_is_of_what_both_had_at_their_last_gossip(tmp_path: Path, often: None) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a, b = at.nodes
            await a.play(1)
            await pass_s(1)
            await at.gossip()
            await a.runtime.store.ingest([game(a.runtime.node, n) for n in range(1, 500)], 0)
            await b.runtime.store.ingest([game(b.runtime.node, n) for n in range(500)], 0)
            await pass_s(10 * often_s)
            assert [await a.stored(), await b.stored()] == [500, 501]
            told = sync_status(a)
            assert (told["audits"] > 8, told["audit_found"]) == (True, 0)

    tell(story)


def test_audits_of_a_peer_that_is_away_go_on_from_there(tmp_path: Path, often: None) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a, b = at.nodes
            await a.play(2000)  # some in every leaf
            await pass_s(1)
            tap = Tap(at, b)
            await gossip_for(at, 50 * often_s)
            before = list(tap.leaves)
            at.net.cut.add(b.runtime.node)
            await gossip_for(at, 100 * often_s)
            assert tap.leaves == before
            at.net.cut.clear()
            await gossip_for(at, round_s)
            assert len(before) > 40
            assert sorted(tap.leaves[:256]) == list(range(256))

    tell(story)


def test_no_audit_runs_beside_an_exchange_with_the_same_peer(tmp_path: Path, often: None) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a, b = at.nodes
            await at.play_apart(10)
            honest = at.net.handlers[b.runtime.node][path_exchange]
            running = 0

            async def slow(request: Incoming) -> Reply:
                nonlocal running
                running += 1
                assert running == 1
                await pass_s(30)
                running -= 1
                return await honest(request)

            at.net.handlers[b.runtime.node][path_exchange] = slow
            for number in range(100):
                mine, theirs = await a.planner.offer(), await b.planner.offer()
                other = Ping(theirs.store, theirs.seq, bytes([number] * 12), bytes([number] * 12))
                await a.planner.heard(b.runtime.node, mine, other)
                await pass_s(20)
            told = sync_status(a)
            assert told["exchanges"] > 10
            assert told["audits"] >= 5

    tell(story)
