"""What is noted of peers' copies, when it is void, and what is told of it. In virtual time."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from managers.state.store import SqliteStore
from managers.sync_planner import SyncPlanner, exchange, manager
from managers.sync_planner.exchange import path_exchange, path_records
from p2p.codec import pack
from p2p.envelope import Record, RecordRefused
from p2p.frames import frame
from p2p.identity.ids import NodeId
from p2p.reconcile import Ping, Receipt, Snapshot
from tests.managers.direct import Net
from tests.managers.sync_mesh import Mesh, Node, game, member, mesh, names, tell
from tests.rig import me, pass_s, rig
from transports.base import DeadlineExceeded, Incoming, Reply


async def settled(at: Mesh, count: int) -> tuple[Node, Node, Ping]:
    """Let the first of two nodes make games that the other holds; return its last ping, too."""
    a, b = at.nodes
    await a.play(count)
    await pass_s(1)
    await at.gossip()
    assert await a.safe() == (count, count, 0)
    return a, b, await b.planner.offer()


async def noted(node: Node, peer: Node) -> int:
    """Return how far a peer's copies are proved on the disk."""
    return await node.runtime.store.read(lambda store: store.watermark(peer.runtime.node))


def empty(store: bytes) -> Ping:
    """Return the ping of a store that has lost everything."""
    return Ping(store, 0, bytes(12), bytes(12))


def test_a_peer_with_a_new_store_holds_nothing_at_once(tmp_path: Path) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a, b, _ = await settled(at, 5)
            at.net.cut.add(b.runtime.node)
            mine = await a.planner.offer()
            await a.planner.heard(b.runtime.node, mine, empty(b"renewed!"))
            assert await noted(a, b) == 0
            assert await a.safe() == (5, 0, 5)
            assert len(await a.planner.only_here()) == 5
            with trio.move_on_after(5) as waiting:
                await a.planner.flush()
            assert waiting.cancelled_caught

    tell(story)


def test_a_store_that_is_lower_once_was_overtaken_and_three_times_has_lost_rows(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a, b, last = await settled(at, 5)
            mine = await a.planner.offer()
            for ping in (empty(last.store), empty(last.store), last, empty(last.store)):
                await a.planner.heard(b.runtime.node, mine, ping)
                assert await noted(a, b) == 5
            assert a.planner.reminder(b.runtime.node) == Snapshot(last.store, last.seq)
            for _ in range(2):
                await a.planner.heard(b.runtime.node, mine, empty(last.store))
            assert await noted(a, b) == 0
            assert await a.safe() == (5, 0, 5)

    tell(story)


def test_a_store_with_less_is_reminded_until_it_is_another_or_has_as_much(tmp_path: Path) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a, b, last = await settled(at, 5)
            mine = await a.planner.offer()
            for _ in range(4):
                await a.planner.heard(b.runtime.node, mine, empty(last.store))
            assert await noted(a, b) == 0
            assert a.planner.reminder(b.runtime.node) == Snapshot(last.store, last.seq)
            await a.planner.heard(b.runtime.node, mine, last)
            assert a.planner.reminder(b.runtime.node) is None
            for _ in range(4):
                await a.planner.heard(b.runtime.node, mine, empty(last.store))
            await a.planner.heard(b.runtime.node, mine, empty(b"renewed!"))
            assert a.planner.reminder(b.runtime.node) is None

    tell(story)


def test_a_store_that_is_lower_for_long_has_lost_rows(tmp_path: Path) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a, b, last = await settled(at, 5)
            mine = await a.planner.offer()
            await a.planner.heard(b.runtime.node, mine, empty(last.store))
            await pass_s(11)
            await a.planner.heard(b.runtime.node, mine, empty(last.store))
            assert await a.safe() == (5, 0, 5)

    tell(story)


def test_a_void_that_the_disk_failed_to_note_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk I/O error")

    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a, b, _ = await settled(at, 5)
            mine = await a.planner.offer()
            monkeypatch.setattr(SqliteStore, "void_evidence", fail)
            with pytest.raises(OSError, match="disk"):
                await a.planner.heard(b.runtime.node, mine, empty(b"renewed!"))
            monkeypatch.undo()
            await a.planner.heard(b.runtime.node, mine, empty(b"renewed!"))
            assert await noted(a, b) == 0

    tell(story)


def test_a_receipt_from_a_store_that_is_gone_proves_nothing(tmp_path: Path) -> None:
    async def late(_: Incoming) -> Reply:
        return Reply(body=pack(Receipt(b"the-old1")))

    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a, b = at.nodes
            await a.planner.heard(b.runtime.node, await a.planner.offer(), empty(b"renewed!"))
            at.net.handlers[b.runtime.node][path_records] = late
            await a.play(2)
            await pass_s(1)
            assert await a.safe() == (2, 0, 2)

    tell(story)


def test_a_push_from_a_store_that_is_gone_meanwhile_proves_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a, b, _ = await settled(at, 5)
            body = [frame(game(b.runtime.node, 1))]

            async def receive() -> bytes:
                if body:
                    mine = await a.planner.offer()
                    await a.planner.heard(b.runtime.node, mine, empty(b"renewed!"))
                return body.pop() if body else b""

            await a.planner.receive()[path_records](Incoming(path_records, b.runtime.node, receive))
            assert await a.safe() == (6, 1, 6)  # the copy here, of what b has made

    tell(story)


def test_an_exchange_shows_how_far_a_peer_had_come(tmp_path: Path) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a, b = at.nodes
            await b.play(5)
            await pass_s(1)
            await a.planner.exchange(member(b.runtime.node))
            theirs = await b.planner.offer()
            mine = await a.planner.offer()
            await a.planner.heard(b.runtime.node, mine, empty(theirs.store))
            assert a.planner.reminder(b.runtime.node) == Snapshot(theirs.store, 5)

    tell(story)


def test_reminders_renew_a_store_at_most_once_in_a_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 1) as at:
            (a,) = at.nodes
            ids = {(await a.planner.offer()).store}
            for _ in range(3):
                offered = await a.planner.offer()
                async with trio.open_nursery() as nursery:
                    for _ in range(2):
                        reminder = Snapshot(offered.store, offered.seq + 1)
                        nursery.start_soon(a.planner.reminded, reminder)
                ids.add((await a.planner.offer()).store)
            assert len(ids) == 2
            assert caplog.text.count("older copy") == 1

    tell(story)


def test_the_count_follows_who_is_durable(tmp_path: Path) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a, b, _ = await settled(at, 5)
            a.seats.durable.discard(b.runtime.node)
            assert await a.safe() == (5, 0, 0)
            a.seats.durable.add(b.runtime.node)
            assert await a.safe() == (5, 5, 0)

    tell(story)


def test_a_count_that_failed_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk I/O error")

    async def story() -> None:
        with rig(tmp_path) as runtime:
            planner = SyncPlanner(runtime, transport=Net().transport(me))
            assert (await planner.count()).stored == 0
            await planner.ingest([game(me, 1)])
            monkeypatch.setattr(SqliteStore, "safety", fail)
            with pytest.raises(OSError, match="disk"):
                await planner.count()
            monkeypatch.undo()
            assert (await planner.count()).stored == 1

    tell(story)


def test_a_member_that_has_left_keeps_no_copy_that_counts(tmp_path: Path) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a, b, _ = await settled(at, 5)
            a.seats.leave(b.runtime.node)
            assert await a.safe() == (5, 0, 5)
            assert len(await a.planner.only_here()) == 5

    tell(story)


def test_new_safe_games_do_not_hide_old_unsafe_ones(tmp_path: Path) -> None:
    def check(record: Record) -> None:
        if record.body in (["good", 0], ["good", 1], ["good", 2]):
            raise RecordRefused("not to my taste")

    async def story() -> None:
        async with mesh(tmp_path, 2, check={1: check}) as at:
            a, _ = at.nodes
            await a.play(3)
            await pass_s(30)
            assert list(a.planner.health()) == []
            await a.play(10)
            await pass_s(32)
            assert await a.safe() == (13, 10, 3)
            assert list(a.planner.health()) == ["3 games have not been safe for 60 s"]

    tell(story)


def test_flush_does_not_hammer_a_peer_that_fails_and_tells_why_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a, b = at.nodes
            at.net.cut.add(b.runtime.node)
            await a.play(1)
            with trio.move_on_after(10):
                await a.planner.flush()
            assert 2 <= len(at.net.requests) <= 6
            assert caplog.text.count("failed: cut") == 1
            at.net.cut.clear()
            at.net.silent.add(b.runtime.node)
            await pass_s(200)
            assert caplog.text.count("failed: silent") == 1

    with caplog.at_level(logging.INFO):
        tell(story)


def test_what_a_receipt_refuses_is_told_in_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_: Record) -> None:
        raise RecordRefused("not to my taste")

    async def story() -> None:
        async with mesh(tmp_path, 2, check={1: refuse}) as at:
            await at.nodes[0].play(7)
            await pass_s(1)

    tell(story)
    told = [each.getMessage() for each in caplog.records if "of ours" in each.getMessage()]
    assert told == ["42 refused 7 of 7 records of ours, the first of them: not to my taste"]


def test_an_offer_is_read_again_only_after_a_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    views = 0
    honest: Callable[..., object] = SqliteStore.view

    def counted(*arguments: object) -> object:
        nonlocal views
        views += 1
        return honest(*arguments)

    async def story() -> None:
        async with mesh(tmp_path, 1) as at:
            (a,) = at.nodes
            monkeypatch.setattr(SqliteStore, "view", counted)
            offers = [await a.planner.offer(), await a.planner.offer()]
            assert views == 1
            await a.play(1)
            offers.append(await a.planner.offer())
            await a.planner.ingest([game(names[1], 1, "bad")], names[1])
            offers.append(await a.planner.offer())
            assert [offer.seq for offer in offers] == [0, 0, 1, 2]
            assert offers[3].known != offers[2].known
            assert offers[3].held == offers[2].held
            await a.planner.reminded(Snapshot(offers[3].store, 9))
            assert (await a.planner.offer()).store != offers[3].store

    tell(story)


def test_few_pushes_are_read_at_once(tmp_path: Path) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a, _ = at.nodes
            reading = 0

            async def receive() -> bytes:
                nonlocal reading
                reading += 1
                await trio.sleep_forever()
                raise AssertionError

            async with trio.open_nursery() as nursery:
                for number in range(9):
                    push = Incoming(path_records, NodeId(bytes([number]) * 16), receive)
                    nursery.start_soon(a.planner.receive()[path_records], push)
                await pass_s(1)
                assert reading == manager.pushes_read_at_once_max
                nursery.cancel_scope.cancel()

    tell(story)


def test_a_whole_exchange_has_one_deadline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "exchange_deadline_s", 90.0)

    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a, b = at.nodes
            await at.play_apart(300, 1)
            honest = at.net.handlers[a.runtime.node][path_exchange]

            async def slow(request: Incoming) -> Reply:
                await pass_s(50)
                return await honest(request)

            at.net.handlers[a.runtime.node][path_exchange] = slow
            with pytest.raises(DeadlineExceeded, match="no end after 90 s"):
                await b.planner.exchange(member(a.runtime.node))

    tell(story)
