"""What a loop waits on: somebody to wake it, or its next appointment."""

import math

import trio


class Alarm:
    """Wakes one loop. Ringing while the loop is busy is not lost: its next wait ends at once."""

    def __init__(self) -> None:
        self._rung = trio.Event()

    def ring(self) -> None:
        """Wake the loop, now or as soon as it waits."""
        self._rung.set()

    async def wait(self, until_s: float = math.inf) -> None:
        """Wait to be woken, at most until `until_s` by trio's clock."""
        with trio.move_on_at(until_s):
            await self._rung.wait()
        self._rung = trio.Event()
