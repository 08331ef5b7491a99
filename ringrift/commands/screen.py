"""A picture that has the terminal to itself until a signal or a key ends it.

However it ends, the terminal is left as it was found: with its own screen, a cursor, and keys that
are shown as they are typed.
"""

import contextlib
import os
import signal
import termios
import tty
from collections.abc import AsyncIterator, Callable, Iterator

import trio
import trio.lowlevel
from rich.console import Console, RenderableType
from rich.live import Live

_signals = (signal.SIGINT, signal.SIGTERM, signal.SIGTSTP, signal.SIGWINCH)
_chunk_bytes = 1024


class Screen:
    """Shows what `picture` returns, anew whenever `draw` is called or the window's size changes."""

    def __init__(
        self, console: Console, picture: Callable[[], RenderableType], keyboard: int | None = None
    ) -> None:
        """`keyboard` is the descriptor of the terminal whose keys are taken as they are pressed."""
        self._picture = picture
        self._keyboard = keyboard
        self._live = Live(picture(), console=console, screen=True, auto_refresh=False)

    def draw(self) -> None:
        """Draw the picture of now over the one before."""
        self._live.update(self._picture(), refresh=True)

    async def until_ended(self) -> None:
        """Have the terminal until SIGINT or SIGTERM; while stopped, the shell has it."""
        with trio.open_signal_receiver(*_signals) as signals:
            while await self._until_stopped(signals):
                signal.raise_signal(signal.SIGSTOP)

    async def _until_stopped(self, signals: AsyncIterator[int]) -> bool:
        """Return whether the signal was one to stop."""
        with _keys_at_once(self._keyboard), self._live:
            self.draw()
            async for each in signals:
                if each != signal.SIGWINCH:
                    return each == signal.SIGTSTP
                self.draw()
        return False


@contextlib.contextmanager
def _keys_at_once(keyboard: int | None) -> Iterator[None]:
    """Let a terminal pass on each key at once, unseen."""
    if keyboard is None:
        yield
        return
    before = termios.tcgetattr(keyboard)
    tty.setcbreak(keyboard)
    try:
        yield
    finally:
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)


async def typed(keyboard: int) -> bytes:
    """Return what is typed next; nothing once the terminal has gone."""
    await trio.lowlevel.wait_readable(keyboard)
    try:
        return os.read(keyboard, _chunk_bytes)
    except OSError:  # how a pseudo-terminal ends
        return b""
