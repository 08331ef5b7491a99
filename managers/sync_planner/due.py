"""Does something with each peer as soon as it is due."""

import math
from collections.abc import Awaitable, Callable, Iterable

import trio

from mixins.alarm import Alarm
from mixins.clock import Clock
from p2p.identity.ids import NodeId
from p2p.membership import Member

at_once = -math.inf
never = math.inf


class DuePeers:
    """Acts on every peer that is due: on each once at a time, on none after another."""

    def __init__(
        self,
        clock: Clock,
        *,
        peers: Callable[[], Iterable[Member]],
        due_s: Callable[[NodeId], float],
        act: Callable[[Member], Awaitable[None]],
        gather_s: float = 0.0,
    ) -> None:
        """`due_s` tells when to act on a peer, by `clock`; or `at_once`, or `never`.

        It is asked again after every act and every `review`; a review takes effect within
        `gather_s`, so that what comes in that time is acted on at once.
        """
        self._clock = clock
        self._peers = peers
        self._due_s = due_s
        self._act = act
        self._gather_s = gather_s
        self._busy: set[NodeId] = set()
        self._alarm = Alarm()

    def review(self) -> None:
        """Ask again who is due."""
        self._alarm.ring()

    async def run(self) -> None:
        """Act for ever. What an act raises ends it."""
        async with trio.open_nursery() as nursery:
            while True:
                next_s = never
                for member in self._peers():
                    if member.id in self._busy:
                        continue
                    due_s = self._due_s(member.id)
                    if due_s <= self._clock.monotonic_s():
                        self._busy.add(member.id)
                        nursery.start_soon(self._act_on, member)
                    else:
                        next_s = min(next_s, due_s)
                await self._alarm.wait(next_s)
                await trio.sleep(self._gather_s)

    async def _act_on(self, member: Member) -> None:
        try:
            await self._act(member)
        finally:
            self._busy.remove(member.id)
            self._alarm.ring()
