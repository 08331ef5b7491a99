"""Exchanges on demand: begun at once, watched while they run. In virtual time."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import trio

from managers.sync_planner import Sync
from managers.sync_planner.exchange import path_exchange, path_records
from managers.sync_planner.traffic import Traffic
from p2p.membership import MemberState
from p2p.reconcile import Outcome, Ping
from tests.managers.sync_mesh import (
    Mesh,
    Node,
    game,
    member,
    mesh,
    names,
    sync_status,
    tell,
)
from tests.rig import pass_s
from transports.base import Incoming, Reply


def slow_down(at: Mesh, node: Node, seconds: float) -> None:
    """Let a node hold back every answer of an exchange for so long."""
    honest = at.net.handlers[node.runtime.node][path_exchange]

    async def slow(request: Incoming) -> Reply:
        reply = await honest(request)
        await pass_s(seconds)
        return reply

    at.net.handlers[node.runtime.node][path_exchange] = slow


def begun(sync: Sync) -> bool:
    """Whether it has begun."""
    return sync.outcome is not None


async def settled(syncs: Sequence[Sync]) -> None:
    """Wait until all are over."""
    with trio.fail_after(300):
        while not all(sync.ended for sync in syncs):
            await pass_s(0.1)


def test_records_move_both_ways_without_a_word_of_gossip(tmp_path: Path) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 3) as at:
            a, b, _ = at.nodes
            await at.play_apart(5, 20)
            syncs = a.planner.sync("games", a.planner.alive_peers(), lambda: None)
            await settled(syncs)
            assert [sync.failure for sync in syncs] == ["", ""]
            by_peer = {sync.member.id: sync.outcome for sync in syncs}
            with_b = by_peer[b.runtime.node]
            assert with_b is not None
            assert (with_b.taken, with_b.given, with_b.complete) == (20, 5, True)
            assert [await a.stored(), await b.stored()] == [25, 25]

    tell(story)


def test_it_says_when_it_begins_and_how_far_it_is(tmp_path: Path) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a, b = at.nodes
            await at.play_apart(300)
            slow_down(at, a, 10)
            told: list[tuple[bool, bool]] = []
            [sync] = b.planner.sync(
                "all",
                [member(a.runtime.node)],
                lambda: told.append((begun(sync), sync.ended)),
            )
            assert not begun(sync)
            await pass_s(15)
            assert told == [(True, False)]
            assert sync.outcome is not None
            assert sync.outcome.message_bytes > 0
            assert sync.began_s is not None
            assert sync.began_s < 1
            await settled([sync])
            assert told == [(True, False), (True, True)]
            assert sync.outcome.taken == 300

    tell(story)


def test_one_that_is_asked_for_while_another_runs_waits_and_is_a_new_one(tmp_path: Path) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a, b = at.nodes
            slow_down(at, a, 10)
            [first] = b.planner.sync("games", [member(a.runtime.node)], lambda: None)
            await pass_s(5)
            await a.runtime.store.ingest([game(names[0], 1)], 0)  # after the first's snapshot
            [second] = b.planner.sync("games", [member(a.runtime.node)], lambda: None)
            [third] = b.planner.sync("games", [member(a.runtime.node)], lambda: None)
            await pass_s(4)
            assert not begun(second)
            await settled([first, second, third])
            assert second.began_s == third.began_s == first.ended_s
            requests = [path for _, _, path in at.net.requests if path == path_exchange]
            assert first.outcome is not None
            assert second.outcome is not None
            assert (first.outcome.taken, second.outcome.taken) == (0, 1)
            assert len(requests) == first.outcome.requests + second.outcome.requests
            assert await b.stored() == 1

    tell(story)


async def busy(_: Incoming) -> Reply:
    """Take no push."""
    return Reply(503)


def test_what_an_exchange_has_given_is_not_pushed_again(tmp_path: Path) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a, b = at.nodes
            honest = at.net.handlers[b.runtime.node][path_records]
            at.net.handlers[b.runtime.node][path_records] = busy
            await a.play(3)
            await pass_s(0.5)
            at.net.handlers[b.runtime.node][path_records] = honest
            at.net.requests.clear()
            await settled(a.planner.sync("games", [member(b.runtime.node)], lambda: None))
            assert await b.stored() == 3
            await pass_s(100)
            pushes = [path for _, _, path in at.net.requests if path == path_records]
            assert len(pushes) == 1
            told = sync_status(a)
            assert (told["pushed"], told["given"]) == (0, 3)
            assert told["record_bytes"] == sum(len(game(names[0], number)) for number in range(3))

    tell(story)


def test_a_node_that_leaves_does_not_wait_for_its_next_exchange(tmp_path: Path) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a, b = at.nodes
            await settled(a.planner.sync("games", [member(b.runtime.node)], lambda: None))
            await a.runtime.store.ingest([game(names[0], 1)], 0)  # no push knows of it
            mine, theirs = await a.planner.offer(), await b.planner.offer()
            other = Ping(mine.store, mine.seq + 1, bytes(12), bytes(12))
            await a.planner.heard(b.runtime.node, other, theirs)
            await pass_s(1)
            assert await b.stored() == 0
            with trio.move_on_after(1):
                await a.planner.flush()
            await pass_s(0)
            assert await b.stored() == 1

    tell(story)


def test_with_a_peer_that_cannot_be_reached_it_ends_with_the_reason(tmp_path: Path) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a, b = at.nodes
            at.net.cut.add(b.runtime.node)
            a.seats.seated[1] = member(b.runtime.node, MemberState.DEAD)
            [sync] = a.planner.sync("games", [a.seats.seated[1]], lambda: None)
            await settled([sync])
            assert sync.failure == "cut"

    tell(story)


def test_what_nobody_knows_is_not_synced(tmp_path: Path) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 1) as at:
            with pytest.raises(ValueError, match="no 'models' to sync; expected games or all"):
                at.nodes[0].planner.sync("models", [], lambda: None)

    tell(story)


def test_what_it_costs_is_counted_by_kind_even_if_it_is_cut(tmp_path: Path) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a, b = at.nodes
            games = [game(names[0], number) for number in range(300)]
            await a.runtime.store.ingest(games, 0)
            await b.play(2)
            await pass_s(1)
            size = len(games[0])
            told = sync_status(b)
            assert told["pushed"] == 2
            assert told["record_bytes"] == pytest.approx(2 * size, rel=0.1)
            at.net.cut_after_bytes = 10_000
            syncs = b.planner.sync("games", [member(names[0])], lambda: None)
            await settled(syncs)
            told = sync_status(b)
            assert (told["exchanges"], told["exchanges_failed"]) == (0, 1)
            some = told["taken"]
            assert 0 < some < 300
            at.net.cut_after_bytes = None
            syncs += b.planner.sync("games", [member(names[0])], lambda: None)
            await settled(syncs)
            outcomes = [sync.outcome for sync in syncs]
            told = sync_status(b)
            assert (told["exchanges"], told["exchanges_failed"]) == (1, 1)
            assert (told["taken"], told["given"], told["pushed"]) == (300, 0, 2)
            assert told["record_bytes"] == pytest.approx(302 * size, rel=0.1)
            for name in ("filters", "false_positives", "exact_lists", "message_bytes"):
                assert told[name] == sum(getattr(outcome, name) for outcome in outcomes)
            assert told["message_bytes"] > 0

    tell(story)


def test_the_counters_add_up_what_each_exchange_has_done() -> None:
    traffic = Traffic(exchanges=1, pushed=2)
    for _ in range(2):
        traffic.add(
            Outcome(
                seq=9,
                filters=1,
                false_positives=2,
                exact_lists=3,
                message_bytes=4,
                given=5,
                taken=6,
            ),
            record_bytes=7,
        )
    assert traffic == Traffic(
        exchanges=1, pushed=2, filters=2, false_positives=4, exact_lists=6, message_bytes=8,
        given=10, taken=12, record_bytes=14,
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(2))
def test_exchanges_pushes_inserts_and_audits_at_once_do_no_harm(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("managers.sync_planner.audit.audit_interval_s", 3.0)

    async def story() -> None:
        async with mesh(tmp_path, 3) as at:
            rng = at.nodes[0].runtime.rng
            rng.seed(seed)
            for _ in range(30):
                node = rng.choice(at.nodes)
                if rng.random() < 0.5:
                    await node.play(rng.randrange(1, 40))
                else:
                    await at.gossip()
                if rng.random() < 0.3:
                    node.planner.sync("games", node.planner.alive_peers(), lambda: None)
                at.net.cut = {rng.choice(names[:3])} if rng.random() < 0.3 else set()
                at.net.cut_after_bytes = 5000 if rng.random() < 0.3 else None
                await pass_s(rng.random())
            at.net.cut, at.net.cut_after_bytes = set(), None
            for _ in range(4):
                await pass_s(10)
                await at.gossip()
            made = sum(node.made for node in at.nodes)
            assert [await node.safe() for node in at.nodes] == [(made, made, 0)] * 3
            assert len({(await node.planner.offer()).known for node in at.nodes}) == 1
            told = [sync_status(node) for node in at.nodes]
            assert all(each["audit_found"] == 0 < each["audits"] for each in told)

    tell(story)
