"""What follows an exchange that did not find or move everything. In virtual time."""

import itertools
from pathlib import Path

import pytest
import trio

from managers.sync_planner import audit
from managers.sync_planner.exchange import path_exchange
from p2p.codec import pack
from p2p.frames import frame
from p2p.reconcile import Ping, Snapshot, parts
from p2p.reconcile.messages import Stale
from tests.managers.sync_mesh import Mesh, Node, game, member, mesh, names, sync_status, tell
from tests.rig import pass_s
from transports.base import Incoming, Reply


@pytest.fixture(autouse=True)
def no_audits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing but exchanges find what differs."""
    monkeypatch.setattr(audit, "audit_interval_s", 1e9)


async def watermark(of: Node, peer: Node) -> int:
    """Return up to which sequence a peer is known to hold what a node holds."""
    return await of.runtime.store.read(lambda store: store.watermark(peer.runtime.node))


@pytest.mark.parametrize("gossips", [0, 1])
def test_a_collision_hides_a_game_from_one_exchange_and_nothing_is_concluded_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gossips: int
) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a, b = at.nodes
            games = [game(names[0], number) for number in range(6)]
            await a.runtime.store.ingest(games, 0)  # no push knows of it
            await b.runtime.store.ingest(games[1:], 0)
            with monkeypatch.context() as patch:
                patch.setattr(parts, "short_ids", lambda ids, _salt: [bytes(8) for _ in ids])
                await at.gossip()
                await pass_s(1)  # for the exchange of b, which has less
                (sync,) = a.planner.sync("games", [member(names[1])], lambda: None)
                await pass_s(1)
                assert sync.failure == "the digests still differ from what was found"
                for node, peer in ((a, b), (b, a)):
                    assert sync_status(node)["exchanges"] == 0
                    assert sync_status(node)["exchanges_failed"] == 1
                    assert await watermark(node, peer) == 0
                assert await a.safe() == (6, 0, 6)
                for _ in range(gossips):
                    await at.gossip()
            await pass_s(12)  # each waits for the other for ten seconds
            assert await b.stored() == 6
            await at.gossip()
            assert await a.safe() == await b.safe() == (6, 6, 0)

    tell(story)


class Answers:
    """Answers a node's exchanges as a test says, and notes when each was begun."""

    def __init__(self, at: Mesh, node: Node) -> None:
        self._honest = at.net.handlers[node.runtime.node][path_exchange]
        at.net.handlers[node.runtime.node][path_exchange] = self.answer
        self.bad: Reply | None = None
        self.begun_s: list[float] = []

    async def answer(self, request: Incoming) -> Reply:
        """Answer badly, if that is wanted."""
        self.begun_s.append(trio.current_time())
        return self.bad or await self._honest(request)

    def intervals_s(self) -> list[float]:
        """Return how long it took from one to the next, and forget them."""
        begun_s, self.begun_s = self.begun_s, []
        return [later - earlier for earlier, later in itertools.pairwise(begun_s)]


@pytest.mark.parametrize(
    "bad",
    [Reply(500), Reply(body=frame(pack(Stale(Snapshot(bytes(8), 1)))))],
    ids=["fails", "ends"],
)
def test_exchanges_that_fail_or_end_early_become_rarer_until_one_is_complete(
    tmp_path: Path, bad: Reply
) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a, b = at.nodes
            other = Ping(bytes(8), 9, bytes(12), bytes(12))
            answers = Answers(at, b)

            async def gossip_for(seconds: int) -> list[float]:
                for _ in range(2 * seconds):
                    await a.planner.heard(b.runtime.node, await a.planner.offer(), other)
                    await pass_s(0.5)
                return answers.intervals_s()

            for _ in range(2):
                answers.bad = bad
                intervals_s = await gossip_for(350)
                assert len(intervals_s) in (6, 7, 8)
                for interval_s, middle_s in zip(intervals_s, (5, 10, 20, 40, 60, 60), strict=False):
                    assert 0.8 * middle_s <= interval_s <= 1.2 * middle_s + 1
                answers.bad = None
                assert 4 <= min((await gossip_for(120))[1:]) <= 7

    tell(story)


def test_an_exchange_that_ended_early_is_tried_again_without_a_word_of_gossip(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a, b = at.nodes
            await b.runtime.store.ingest([game(names[1], 1)], 0)
            answers = Answers(at, b)
            answers.bad = Reply(body=frame(pack(Stale(Snapshot(bytes(8), 1)))))
            mine, theirs = await a.planner.offer(), await b.planner.offer()
            await a.planner.heard(b.runtime.node, mine, theirs)
            await pass_s(1)
            answers.bad = None
            await pass_s(7)
            assert await a.stored() == 1

    tell(story)
