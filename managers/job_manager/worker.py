"""One worker process: a child that turns seeds into records.

The protocol is on one page, `docs/workers.md`: seeds go in, one a line; records come out as
length-prefixed frames.
"""

from collections.abc import Mapping, Sequence

import trio

from mixins.child import Child, ChildEnded, ChildRubbish
from p2p.codec import record_bytes_max
from p2p.frames import FrameError, Frames

game_s_max = 3600.0
"""A worker that takes longer over one game has hung."""


class Worker:
    """A running worker. Make one with `Worker.start`, and always `stop` it."""

    def __init__(self, child: Child) -> None:
        self._child = child
        self._frames = Frames(record_bytes_max)

    @classmethod
    async def start(cls, command: Sequence[str], environment: Mapping[str, str]) -> "Worker":
        """Start a worker. Raises `OSError` if the command cannot be run."""
        return cls(await Child.start(command, environment))

    @property
    def pid(self) -> int:
        """The process id, which is also that of its group."""
        return self._child.pid

    async def drain_stderr(self) -> None:
        """Keep the end of what the worker says on its standard error, until it closes it."""
        await self._child.drain_stderr()

    async def play(self, seed: str) -> bytes:
        """Ask for the game of one seed and return its record.

        Raises `ChildEnded`, or `ChildRubbish` if what came back is no frame.
        """
        with trio.move_on_after(game_s_max):
            return await self._play(seed)
        raise ChildEnded(f"has not finished a game in {game_s_max:.0f} s")

    async def _play(self, seed: str) -> bytes:
        await self._child.send(f"{seed}\n".encode())
        records: list[bytes] = []
        while not records:
            try:
                records = self._frames.feed(await self._child.receive())
            except FrameError as error:
                raise ChildRubbish(str(error)) from None
        if len(records) > 1:
            raise ChildRubbish(f"{len(records)} records for one seed")
        return records[0]

    async def finish(self) -> None:
        """Let the worker end by itself, now that it has nothing left to play."""
        await self._child.finish(b"end\n")

    async def stop(self) -> None:
        """End the worker's whole process group and reap it, as `Child.stop`."""
        await self._child.stop()
