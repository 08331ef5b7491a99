"""A child process of the agent: in a group of its own, of low priority, and reaped in any event.

The pipe to its standard input is its leash: when this agent dies, however it dies, the pipe closes
and the child ends itself. It is all that holds a child which becomes another user, as by sudo, for
such a one cannot be signalled. What goes through the pipe is told in `docs/workers.md`.
"""

import contextlib
import os
import signal
import subprocess
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

import trio

niceness = 10
"""Children yield to everything else on the box, the agent first of all."""

stop_s_max = 1.0
"""How long a child may take to end after SIGTERM, and whoever it leaves behind after SIGKILL."""

_signal_names = {number.value: number.name for number in signal.Signals}
_stderr_bytes_kept = 2048
_chunk_bytes = 65536
_look_again_s = 0.05


class ChildFault(RuntimeError):
    """A child did not do what it is for; the message goes on from its name: `ended with ...`."""


class ChildEnded(ChildFault):
    """It ended without being asked to, or had to be given up."""


class ChildRubbish(ChildFault):
    """It wrote something that it should not have."""


class ChildLeft(ChildFault):
    """It goes on, and cannot be ended from here."""


class Attended(Protocol):
    """What `attend` needs of a child."""

    async def drain_stderr(self) -> None:
        """Keep the end of what the child says on its standard error."""

    async def stop(self) -> None:
        """End the child, in bounded time. Raises `ChildLeft`."""


async def attend(child: Attended, work: Callable[[], Awaitable[None]]) -> None:
    """Do some work with a child, hear what it says meanwhile, and stop it whatever happens.

    A `ChildFault` of the work is raised as it is, not in a group; if the child cannot be stopped
    after it, the `ChildLeft` tells both.
    """
    fault: ChildFault | None = None
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(child.drain_stderr)
            try:
                await work()
            except ChildFault as error:
                fault = error
            nursery.cancel_scope.cancel()
    finally:
        try:
            await child.stop()
        except ChildLeft as left:
            if fault is None:
                raise
            raise ChildLeft(f"{fault}, and {left}") from fault
    if fault is not None:
        raise fault


class Child:
    """A running child. Make one with `Child.start`, and always `stop` it."""

    def __init__(self, process: trio.Process) -> None:
        self._process = process
        self._stderr = b""
        self._is_stopped = False

    @classmethod
    async def start(cls, command: Sequence[str], environment: Mapping[str, str]) -> "Child":
        """Start a child. Raises `OSError` if the command cannot be run."""
        process = await trio.lowlevel.open_process(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            process_group=0,
        )
        # If it has ended, the first read will say so. What may not be made nicer is nice enough, as
        # the child of an agent that is nicer still, or another user's.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.setpriority(os.PRIO_PGRP, process.pid, niceness)
        return cls(process)

    @property
    def pid(self) -> int:
        """The process id, which is also that of its group."""
        return self._process.pid

    async def drain_stderr(self) -> None:
        """Keep the end of what the child says on its standard error, until it closes it."""
        assert self._process.stderr is not None
        async for chunk in self._process.stderr:
            self._stderr = (self._stderr + chunk)[-_stderr_bytes_kept:]

    async def send(self, data: bytes) -> None:
        """Write to its standard input. Raises `ChildEnded`."""
        assert self._process.stdin is not None
        try:
            await self._process.stdin.send_all(data)
        except trio.BrokenResourceError:
            raise ChildEnded(await self._ending()) from None

    async def receive(self) -> bytes:
        """Return some of what it has written to its standard output. Raises `ChildEnded`."""
        assert self._process.stdout is not None
        chunk = await self._process.stdout.receive_some(_chunk_bytes)
        if not chunk:
            raise ChildEnded(await self._ending())
        return bytes(chunk)

    async def _ending(self) -> str:
        how = "closed its pipe"
        with trio.move_on_after(stop_s_max):
            code = await self._process.wait()
            how = f"ended with status {code}"
            if code < 0:
                how = f"was killed by {_signal_names.get(-code, f'signal {-code}')}"
        words = self._last_words()
        return f"{how}: {words}" if words else how

    def _last_words(self) -> str:
        lines = self._stderr.decode(errors="replace").strip().splitlines()
        return lines[-1][:200] if lines else ""

    async def finish(self, farewell: bytes) -> None:
        """Say farewell, and let the child end by itself, in bounded time."""
        with trio.move_on_after(stop_s_max), contextlib.suppress(ChildEnded):
            await self.send(farewell)
            await self._process.wait()

    async def stop(self) -> None:
        """End the child's whole process group and reap it, in bounded time. Idempotent.

        Raises `ChildLeft`, once, if some of it is another user's and does not end with its leash.
        """
        if self._is_stopped:  # the group's id may be another's by now
            return
        self._is_stopped = True
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        with trio.CancelScope(shield=True):
            await process.stdin.aclose()
            if process.returncode is None:
                self._signal(signal.SIGTERM)
                with trio.move_on_after(stop_s_max):
                    await process.wait()
            is_left = self._signal(signal.SIGKILL)  # what it has started may still be there
            with trio.move_on_after(stop_s_max):  # one that waits for a dead disk cannot be reaped
                await process.wait()
                is_left = self._signal(signal.SIGKILL)  # all that was ours may be gone by now
                while is_left:
                    await trio.sleep(_look_again_s)
                    is_left = self._signal(signal.SIGKILL)
            await process.stdout.aclose()
            await process.stderr.aclose()
        if is_left:
            raise ChildLeft(
                f"goes on as another user, whose processes this agent may not end: "
                f"end process group {self.pid} yourself, as by `sudo kill -KILL -- -{self.pid}`"
            )

    def _signal(self, number: signal.Signals) -> bool:
        """Signal the group; return whether what is left of it is all of other users."""
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return False
