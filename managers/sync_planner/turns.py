"""How many exchanges run at once, and how a slow one makes way for others."""

import contextlib
import math
from collections.abc import AsyncIterator

import trio

from mixins.clock import Clock


class MadeWay(Exception):
    """An exchange was cut because its turn was over and others waited."""


class Turns:
    """Gives a number of places in order of arrival, each for as long as nobody waits.

    A turn lasts `turn_s` at least. Whenever others wait, the longest turns end, as many as wait. So
    whoever is first in line waits for `turn_s` at most, whatever the peers do, and for what the
    turn that ends may not leave half done, such as a commit in its thread; and whoever is further
    back, for that once more for every so many before it as there are places.
    """

    def __init__(self, clock: Clock, *, places: int, turn_s: float) -> None:
        self._clock = clock
        self._turn_s = turn_s
        self._places = trio.CapacityLimiter(places)
        self._taken: dict[trio.CancelScope, float] = {}
        """Since when each turn lasts, the longest first."""
        self._waiting = 0

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a place, and run the block in it. Raises `MadeWay` if it was cut."""
        await self._acquire()
        try:
            with trio.CancelScope() as scope:
                self._taken[scope] = self._clock.monotonic_s()
                self._review()
                try:
                    yield
                finally:
                    del self._taken[scope]
        finally:
            self._places.release()
        if scope.cancelled_caught:
            raise MadeWay

    async def _acquire(self) -> None:
        with contextlib.suppress(trio.WouldBlock):
            return self._places.acquire_nowait()
        self._waiting += 1
        self._review()
        try:
            await self._places.acquire()
        finally:
            self._waiting -= 1
            self._review()

    def _review(self) -> None:
        """Let as many of the longest turns end as there are others waiting."""
        for rank, (scope, since_s) in enumerate(self._taken.items()):
            scope.deadline = since_s + self._turn_s if rank < self._waiting else math.inf
