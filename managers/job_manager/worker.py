"""One worker process: a program in a process group of its own that turns seeds into records.

The protocol is on one page, `docs/workers.md`: seeds go in, one a line; records come out as
length-prefixed frames. The pipe to a worker's standard input is its leash: when this agent dies,
however it dies, the pipe closes and the worker ends itself.
"""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence

import trio

from p2p.codec import record_bytes_max
from p2p.frames import FrameError, Frames

niceness = 10
"""Workers yield to everything else on the box, the agent first of all."""

stop_s_max = 1.0
"""How long a worker may take to end after SIGTERM."""

game_s_max = 3600.0
"""A worker that takes longer over one game has hung."""

_signal_names = {number.value: number.name for number in signal.Signals}
_stderr_bytes_kept = 2048
_chunk_bytes = 65536


class WorkerRubbish(ValueError):
    """The worker wrote something that is no record of the game it was asked for."""


class WorkerEnded(RuntimeError):
    """The worker ended without being asked to."""


class Worker:
    """A running worker. Make one with `Worker.start`, and always `stop` it."""

    def __init__(self, process: trio.Process) -> None:
        self._process = process
        self._frames = Frames(record_bytes_max)
        self._stderr = b""

    @classmethod
    async def start(cls, command: Sequence[str], environment: Mapping[str, str]) -> "Worker":
        """Start a worker. Raises `OSError` if the command cannot be run."""
        process = await trio.lowlevel.open_process(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            process_group=0,
        )
        with contextlib.suppress(ProcessLookupError):  # if it has ended, the first read will say so
            os.setpriority(os.PRIO_PGRP, process.pid, niceness)
        return cls(process)

    @property
    def pid(self) -> int:
        """The process id, which is also that of its group."""
        return self._process.pid

    def _last_words(self) -> str:
        lines = self._stderr.decode(errors="replace").strip().splitlines()
        return lines[-1][:200] if lines else ""

    async def drain_stderr(self) -> None:
        """Keep the end of what the worker says on its standard error, until it closes it."""
        assert self._process.stderr is not None
        async for chunk in self._process.stderr:
            self._stderr = (self._stderr + chunk)[-_stderr_bytes_kept:]

    async def play(self, seed: str) -> bytes:
        """Ask for the game of one seed and return its record.

        Raises `WorkerEnded`, or `WorkerRubbish` if what came back is no frame.
        """
        with trio.move_on_after(game_s_max):
            return await self._play(seed)
        raise WorkerEnded(f"has not finished a game in {game_s_max:.0f} s")

    async def _play(self, seed: str) -> bytes:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            await self._process.stdin.send_all(f"{seed}\n".encode())
        except trio.BrokenResourceError:
            raise WorkerEnded(await self._ending()) from None
        records: list[bytes] = []
        while not records:
            chunk = await self._process.stdout.receive_some(_chunk_bytes)
            if not chunk:
                raise WorkerEnded(await self._ending())
            try:
                records = self._frames.feed(bytes(chunk))
            except FrameError as error:
                raise WorkerRubbish(str(error)) from None
        if len(records) > 1:
            raise WorkerRubbish(f"{len(records)} records for one seed")
        return records[0]

    async def _ending(self) -> str:
        how = "closed its pipe"
        with trio.move_on_after(stop_s_max):
            code = await self._process.wait()
            how = f"ended with status {code}"
            if code < 0:
                how = f"was killed by {_signal_names.get(-code, f'signal {-code}')}"
        words = self._last_words()
        return f"{how}: {words}" if words else how

    async def finish(self) -> None:
        """Let the worker end by itself, now that it has nothing left to play."""
        assert self._process.stdin is not None
        with trio.move_on_after(stop_s_max):
            try:
                await self._process.stdin.send_all(b"end\n")
            except trio.BrokenResourceError:
                return
            await self._process.wait()

    async def stop(self) -> None:
        """End the worker's whole process group and reap it, in bounded time. Idempotent."""
        with trio.CancelScope(shield=True):
            if self._process.returncode is None:
                self._signal(signal.SIGTERM)
                with trio.move_on_after(stop_s_max):
                    await self._process.wait()
            self._signal(signal.SIGKILL)  # what it has started may still be there
            with trio.move_on_after(stop_s_max):  # one that waits for a dead disk cannot be reaped
                await self._process.wait()
            for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
                if stream is not None:
                    await stream.aclose()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)
