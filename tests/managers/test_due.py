"""Every peer is acted on when it is due: once at a time, and none after another. Virtual time."""

from collections.abc import Awaitable, Callable

import pytest
import trio

from managers.sync_planner.due import DuePeers, at_once, never
from p2p.identity.ids import NodeId
from p2p.membership import Member
from tests.managers.sync_mesh import member, names
from tests.rig import VirtualClock, in_virtual_time, pass_s

a, b, c = names[:3]


class World:
    """Three peers, when each is due, and what was done."""

    def __init__(self, gather_s: float = 0.0, lasts_s: float = 1.0) -> None:
        self.due_s = dict.fromkeys((a, b, c), never)
        self.lasts_s = dict.fromkeys((a, b, c), lasts_s)
        self.acts: list[tuple[NodeId, float]] = []
        self.peers = DuePeers(
            VirtualClock(),
            peers=lambda: [member(name) for name in (a, b, c)],
            due_s=self.due_s.__getitem__,
            act=self.act,
            gather_s=gather_s,
        )

    async def act(self, peer: Member) -> None:
        """Note it, and be due again after ten seconds."""
        self.acts.append((peer.id, trio.current_time()))
        await pass_s(self.lasts_s[peer.id])
        if self.lasts_s[peer.id] > 1e6:
            raise RuntimeError("it took too long")
        self.due_s[peer.id] = trio.current_time() + 10

    def live(self, story: Callable[[], Awaitable[None]]) -> None:
        """Run a story beside the loop."""

        async def both() -> None:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.peers.run)
                await story()
                nursery.cancel_scope.cancel()

        in_virtual_time(both)


def test_each_is_acted_on_when_it_is_due_and_none_holds_up_another() -> None:
    world = World()
    world.due_s.update({a: at_once, b: 3.0})
    world.lasts_s[a] = 100

    async def story() -> None:
        await pass_s(30)

    world.live(story)
    assert world.acts == [(a, 0), (b, 3), (b, 14), (b, 25)]


def test_a_review_brings_forward_what_has_become_due() -> None:
    world = World()
    world.due_s[a] = 1000

    async def story() -> None:
        await pass_s(5)
        world.due_s[a] = at_once
        world.due_s[c] = 7
        world.peers.review()
        await pass_s(3)

    world.live(story)
    assert world.acts == [(a, 5), (c, 7)]


def test_what_becomes_due_while_the_peer_is_busy_waits_for_the_end() -> None:
    world = World(lasts_s=4)
    world.due_s[a] = at_once

    async def story() -> None:
        await pass_s(2)
        world.peers.review()
        await pass_s(3)
        assert len(world.acts) == 1
        world.due_s[a] = at_once
        world.peers.review()
        await pass_s(1)

    world.live(story)
    assert world.acts == [(a, 0), (a, 5)]


def test_what_comes_within_the_time_to_gather_is_acted_on_together() -> None:
    world = World(gather_s=0.5)

    async def story() -> None:
        await pass_s(2)
        world.due_s[a] = at_once
        world.peers.review()
        await pass_s(0.4)
        world.due_s[b] = at_once
        await pass_s(1)

    world.live(story)
    assert sorted(world.acts) == [(a, 2.5), (b, 2.5)]


def test_after_a_failure_the_peer_is_not_taken_for_busy() -> None:
    world = World()
    world.due_s[a] = at_once
    world.lasts_s[a] = 1e7

    async def story() -> None:
        for _ in range(2):
            with pytest.raises(ExceptionGroup):
                await world.peers.run()

    in_virtual_time(story)
    assert world.acts == [(a, 0), (a, 1e7)]
