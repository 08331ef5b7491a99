"""The one place where tests wait for other processes, which cannot wake them."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

ResultT = TypeVar("ResultT")

within_s = 120.0
"""How long a condition may take to come true: far longer than it does, on the slowest machine."""

_poll_s = 0.05


class TooLate(AssertionError):
    """A condition did not come true in time; says which, and what is known instead."""


async def eventually(
    what: str,
    condition: Callable[[], Awaitable[ResultT]],
    *,
    context: Callable[[], object] = lambda: "",
) -> ResultT:
    """Return the condition's result as soon as it is true. Raises `TooLate`."""
    with trio.move_on_after(within_s):
        while True:
            if result := await condition():
                return result
            await trio.sleep(_poll_s)
    raise TooLate(f"{what}: not within {within_s} s\n{context()}")
