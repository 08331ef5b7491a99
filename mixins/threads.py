"""Where everything runs that would make the event loop wait: disk, hashing, system calls."""

from collections.abc import Callable
from typing import Protocol, TypeVar, TypeVarTuple, Unpack

import trio
import trio.to_thread

ResultT = TypeVar("ResultT")
ArgumentsT = TypeVarTuple("ArgumentsT")


class Threads(Protocol):
    """Runs blocking functions. In a simulation it runs them inline, so that time stands still."""

    async def run(
        self, function: Callable[[Unpack[ArgumentsT]], ResultT], *arguments: *ArgumentsT
    ) -> ResultT:
        """Run a blocking function elsewhere and return its result. Never abandoned half-way."""


class WorkerThreads:
    """Real threads, a bounded number of them."""

    def __init__(self, count_max: int = 8) -> None:
        self._limiter = trio.CapacityLimiter(count_max)

    async def run(
        self, function: Callable[[Unpack[ArgumentsT]], ResultT], *arguments: *ArgumentsT
    ) -> ResultT:
        """Run `function` in a thread."""
        return await trio.to_thread.run_sync(function, *arguments, limiter=self._limiter)
