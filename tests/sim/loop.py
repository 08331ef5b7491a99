"""Trio in virtual time, under the control of code that is not async.

Trio runs as the guest of whoever calls `Loop.run`: the guest's turns are taken one after another
until the job is done, and then no more, so that the whole world stands still between two calls.
"""

import collections
from collections.abc import Awaitable, Callable
from typing import TypeVar, TypeVarTuple, Unpack

import trio
import trio.testing
from trio._core import _run  # private: for `seed_scheduler` alone, which `test_world` guards

ResultT = TypeVar("ResultT")
ArgumentsT = TypeVarTuple("ArgumentsT")


def seed_scheduler(seed: int) -> None:
    """Let trio run tasks in an order that follows from the seed alone, in the next run."""
    vars(_run)["_ALLOW_DETERMINISTIC_SCHEDULING"] = True  # trio calls it final
    _run._r.seed(seed)


class Loop:
    """One trio run. There can be one at a time, and it must be closed."""

    def __init__(self, seed: int) -> None:
        seed_scheduler(seed)
        self._turns: collections.deque[Callable[[], object]] = collections.deque()
        self._unwrap: Callable[[], None] | None = None
        """Set at the end of the run; raises what has ended it."""
        self._job: Callable[[], Awaitable[None]] | None = None
        self._is_idle = False
        self._clock = trio.testing.MockClock(autojump_threshold=0)
        trio.lowlevel.start_guest_run(
            self._main,
            run_sync_soon_threadsafe=self._turns.append,
            done_callback=lambda outcome: setattr(self, "_unwrap", outcome.unwrap),
            clock=self._clock,
        )
        self._take_turns()

    @property
    def now_s(self) -> float:
        """Virtual time."""
        return self._clock.current_time()

    @property
    def has_ended(self) -> bool:
        """Whether it was closed, or something that was raised has ended it."""
        return self._unwrap is not None

    async def _main(self) -> None:
        async with trio.open_nursery() as self.nursery:
            while True:
                self._wake = trio.Event()
                self._is_idle = True
                await self._wake.wait()
                if self._job is None:
                    break
                await self._job()
                self._job = None
            self.nursery.cancel_scope.cancel()

    def _take_turns(self) -> None:
        self._is_idle = False
        while not self._is_idle and self._unwrap is None:
            self._turns.popleft()()
        if self._unwrap is not None:
            self._unwrap()

    def run(
        self, job: Callable[[Unpack[ArgumentsT]], Awaitable[ResultT]], *arguments: *ArgumentsT
    ) -> ResultT:
        """Run an async function to its end, and everything else that happens meanwhile.

        What it raises, or any other task, ends the whole run, and is raised here in groups.
        """
        if self.has_ended:
            raise RuntimeError("this world has ended")
        results: list[ResultT] = []

        async def work() -> None:
            results.append(await job(*arguments))

        self._job = work
        self._wake.set()
        self._take_turns()
        return results[0]

    def close(self) -> None:
        """Cancel whatever runs, and end."""
        if not self.has_ended:
            self._wake.set()
            self._take_turns()
