"""Records reach everybody who should hold them, and evidence says who does. In virtual time."""

import itertools
from pathlib import Path

import pytest
import trio

from managers.sync_planner.exchange import path_exchange, path_records
from p2p.codec import MalformedMessage, pack
from p2p.envelope import Record, RecordRefused
from p2p.frames import frame
from p2p.reconcile import Ping, Receipt, Snapshot
from p2p.reconcile.messages import ExactAnswer
from p2p.store import Safety
from tests.managers.sync_mesh import game, member, mesh, tell
from tests.rig import pass_s
from transports.base import Incoming, Reply


def refuse_everything(record: Record) -> None:
    """Refuse every game, as a node of another version might."""
    raise RecordRefused("not to my taste")


def test_what_is_produced_is_pushed_and_receipted(tmp_path: Path) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 3) as at:
            a, b, c = at.nodes
            await a.play(5)
            await pass_s(1)
            assert [await b.stored(), await c.stored()] == [5, 5]
            assert await a.safe() == (5, 5, 0)
            assert {path for _, _, path in at.net.requests} == {path_records}

    tell(story)


def test_a_lone_node_knows_that_its_games_are_only_here(tmp_path: Path) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 1) as at:
            await at.nodes[0].play(3)
            assert await at.nodes[0].safe() == (3, 0, 3)
            assert len(await at.nodes[0].planner.only_here()) == 3
            assert list(at.nodes[0].planner.health()) == []

    tell(story)


def test_an_unreachable_peer_gets_everything_once_it_is_back(tmp_path: Path) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a, b = at.nodes
            at.net.cut.add(b.runtime.node)
            await a.play(3)
            await pass_s(100)
            assert await a.safe() == (3, 0, 3)
            assert any("not been safe" in problem for problem in a.planner.health())
            tries = len(at.net.requests)
            assert 3 <= tries <= 20
            at.net.cut.clear()
            await pass_s(100)
            assert await b.stored() == 3
            assert await a.safe() == (3, 3, 0)
            assert list(a.planner.health()) == []

    tell(story)


def test_a_silent_peer_does_not_hold_up_the_others(tmp_path: Path) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 3) as at:
            a, b, c = at.nodes
            at.net.silent.add(b.runtime.node)
            await a.play(3)
            await pass_s(1)
            await a.play(3)
            await pass_s(1)
            assert await c.stored() == 6

    tell(story)


def test_nodes_that_differ_exchange_until_they_do_not(tmp_path: Path) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 3) as at:
            await at.play_apart(300, 20)
            for _ in range(6):
                await at.gossip()
                await pass_s(10)
            assert [await node.stored() for node in at.nodes] == [320, 320, 320]
            assert [await node.safe() for node in at.nodes] == [(320, 320, 0)] * 3
            quiet = len(at.net.requests)
            await at.gossip()
            await pass_s(10)
            assert len(at.net.requests) == quiet

    tell(story)


def test_an_exchange_that_is_cut_keeps_what_came_and_the_next_one_ends_it(tmp_path: Path) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a, b = at.nodes
            await at.play_apart(3000)
            at.net.cut_after_bytes = 150_000
            mine, theirs = await b.planner.offer(), await a.planner.offer()
            await b.planner.heard(a.runtime.node, mine, theirs)
            await pass_s(0.4)
            some = await b.stored()
            at.net.cut_after_bytes = None
            for _ in range(3):
                await at.gossip()
                await pass_s(10)
            assert 0 < some < 3000
            assert await b.stored() == 3000

    tell(story)


def test_equal_held_digests_prove_copies_whatever_both_have_refused(tmp_path: Path) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a, b = at.nodes
            await a.play(2)
            await pass_s(1)
            for number, node in enumerate(at.nodes):
                await node.producer.ingest([game(a.runtime.node, 99 + number, "bad")])
            mine, theirs = await b.planner.offer(), await a.planner.offer()
            assert mine.known != theirs.known
            await b.planner.heard(a.runtime.node, mine, theirs)
            proved = await b.runtime.store.read(lambda store: store.watermark(a.runtime.node))
            assert proved == mine.seq

    tell(story)


def test_an_equal_digest_of_what_is_known_proves_no_copy_of_what_was_refused(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 2, check={1: refuse_everything}) as at:
            a, b = at.nodes
            await a.play(1)
            await pass_s(1)
            mine, theirs = await a.planner.offer(), await b.planner.offer()
            assert mine.known == theirs.known
            await a.planner.heard(b.runtime.node, mine, theirs)
            assert await a.safe() == (1, 0, 1)

    tell(story)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, b"\xff\xff"),
        Reply(200, b""),
        Reply(500, b"out of order"),
        Reply(200, pack(Receipt(bytes(8), ()))[:-1]),
    ],
)
def test_nonsense_for_a_receipt_proves_nothing(tmp_path: Path, reply: Reply) -> None:
    async def nonsense(_: Incoming) -> Reply:
        return reply

    async def story() -> None:
        async with mesh(tmp_path, 3) as at:
            a, b, c = at.nodes
            at.net.handlers[b.runtime.node] = dict.fromkeys((path_records, path_exchange), nonsense)
            await a.play(2)
            await pass_s(5)
            assert await c.stored() == 2
            assert await a.safe() == (2, 0, 0)
            await at.gossip()
            await pass_s(20)

    tell(story)


def test_flush_ends_as_soon_as_everything_is_safe(tmp_path: Path) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a, _ = at.nodes
            await a.play(2)
            with trio.fail_after(5):
                await a.planner.flush()
            assert await a.planner.only_here() == []

    tell(story)


def test_a_completed_exchange_is_evidence_without_a_further_word(tmp_path: Path) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a, b = at.nodes
            await at.play_apart(300, 5)
            outcome = await b.planner.exchange(member(a.runtime.node))
            assert (outcome.given, outcome.taken) == (5, 300)
            proved = await b.runtime.store.read(lambda store: store.watermark(a.runtime.node))
            assert proved == 5
            assert await b.safe() == (305, 305, 0)

    tell(story)


def test_what_a_peer_sends_it_holds(tmp_path: Path) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 3) as at:
            a, b, c = at.nodes
            at.net.cut.add(c.runtime.node)
            await a.play(4)
            await pass_s(1)
            at.net.cut.add(a.runtime.node)
            at.net.cut.remove(c.runtime.node)
            await c.planner.exchange(member(b.runtime.node))
            safety = await c.planner.count()
            assert (safety.stored, safety.safe) == (4, 4)

    tell(story)


def test_a_record_that_a_peer_refuses_is_not_counted_as_held_there(tmp_path: Path) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 2, check={1: refuse_everything}) as at:
            a, b = at.nodes
            await a.play(1)
            await pass_s(1)
            assert await b.stored() == 0
            assert await a.safe() == (1, 0, 1)

    tell(story)


def test_what_one_side_refuses_does_not_keep_two_nodes_busy(tmp_path: Path) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 2, check={1: refuse_everything}) as at:
            a, b = at.nodes
            await a.play(1)
            await b.runtime.store.ingest([game(b.runtime.node, 1)], 0)  # known to b, held by nobody
            await pass_s(1)
            await at.gossip()
            await pass_s(20)
            tried = len(at.net.requests)
            assert tried >= 2
            for _ in range(10):
                await at.gossip()
                await pass_s(10)
            assert len(at.net.requests) == tried
            await a.play(1)  # a new difference is looked into again
            await pass_s(1)
            await at.gossip()
            await pass_s(10)
            assert len(at.net.requests) > tried + 1

    tell(story)


def test_a_peer_that_always_differs_is_compared_with_now_and_then_only(tmp_path: Path) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a, b = at.nodes
            mine = await a.planner.offer()
            for number in range(120):
                theirs = Ping(bytes(8), 1, bytes([number] * 12), bytes([number] * 12))
                await a.planner.heard(b.runtime.node, mine, theirs)
                await pass_s(0.5)
            assert 10 <= len(at.net.requests) <= 16

    tell(story)


def test_a_store_that_lost_rows_is_told_and_goes_on_under_a_new_id(tmp_path: Path) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a, b = at.nodes
            await a.play(5)
            await pass_s(1)
            await at.gossip()
            old, mine = await b.planner.offer(), await a.planner.offer()
            await a.play(1)
            later = await a.planner.offer()
            restored = Ping(old.store, old.seq - 2, later.known, later.held)
            await a.planner.heard(b.runtime.node, later, restored)
            proved = await a.runtime.store.read(lambda store: store.watermark(b.runtime.node))
            assert proved == mine.seq  # the claim of an older copy proves nothing
            assert a.planner.reminder(b.runtime.node) == Snapshot(old.store, old.seq)
            await b.planner.reminded(Snapshot(old.store, old.seq))
            assert (await b.planner.offer()).store == old.store  # in truth it has not lost rows
            await b.planner.reminded(Snapshot(old.store, old.seq + 100))
            assert (await b.planner.offer()).store != old.store
            await at.gossip()
            assert a.planner.reminder(b.runtime.node) is None

    tell(story)


def test_a_peer_that_sends_more_than_it_announced_is_cut_off(tmp_path: Path) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a, b = at.nodes
            await at.play_apart(3)
            honest = at.net.handlers[a.runtime.node][path_exchange]

            async def generous(request: Incoming) -> Reply:
                reply = await honest(request)
                pieces = (
                    reply.body
                    if isinstance(reply.body, bytes)
                    else b"".join([piece async for piece in reply.body])
                )
                return Reply(body=pieces + frame(game(a.runtime.node, 99)))

            at.net.handlers[a.runtime.node][path_exchange] = generous
            with pytest.raises(MalformedMessage, match="more records than"):
                await b.planner.exchange(member(a.runtime.node))
            assert await b.stored() == 0

    tell(story)


def test_why_an_answer_ended_the_exchange_is_told_though_records_follow(tmp_path: Path) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a, b = at.nodes

            async def other(_: Incoming) -> Reply:
                record = frame(game(a.runtime.node, 99))
                return Reply(body=frame(pack(ExactAnswer(0, (), 1))) + record)

            at.net.handlers[a.runtime.node][path_exchange] = other
            outcome = await b.planner.exchange(member(a.runtime.node))
            assert "ExactAnswer in answer to SegmentsRequest" in outcome.reason
            assert await b.stored() == 0

    tell(story)


def test_a_count_that_takes_long_leaves_most_of_the_time_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: list[float] = []

    async def story() -> None:
        async with mesh(tmp_path, 1) as at:
            (a,) = at.nodes
            honest = a.planner.count

            async def slow() -> Safety:
                counts.append(trio.current_time())
                await pass_s(2.0)
                return await honest()

            monkeypatch.setattr(a.planner, "count", slow)
            await pass_s(45.0)

    tell(story)
    waits = [later - earlier for earlier, later in itertools.pairwise(counts)]
    assert waits[-1] == pytest.approx(2.0 + 9 * 2.0)
