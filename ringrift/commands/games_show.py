"""`games show`: a game on its board, stepped through with keys or printed."""

import argparse
import math
import os
import sys

import trio
from rich.console import Console, Group

from ringrift.commands.common import say
from ringrift.commands.drawing import draw, width_piped
from ringrift.commands.games_fetch import fetch
from ringrift.commands.screen import Screen, typed
from ringrift.exits import Exit
from ringrift.game_view.drawing import Signs, signs_for
from ringrift.game_view.keys import Keyboard, View, press
from ringrift.game_view.page import Window, fitting_page, page, room
from ringrift.game_view.positions import Positions

_pause_s = 0.1
"""What follows later than that is no more of the same key: a terminal sends all of one at once."""


def show(options: argparse.Namespace) -> int:
    """Show a game; the exit status says whether it replays."""
    found = fetch(options)
    number = found.last if options.move is None else options.move
    if number > found.last:
        say(f"--move {number}: expected 0 to {found.last}, the moves that can be shown")
        return Exit.USAGE
    console = Console(highlight=False)
    signs = signs_for(console.encoding, os.environ, console.color_system)
    if _has_keys() and not console.is_dumb_terminal:
        trio.run(Stepping(found, number, signs, console, sys.stdin.fileno()).until_ended)
    else:
        columns = console.width if console.is_terminal else width_piped
        draw(Group(*page(found, number, signs, columns)))
    if found.fault:
        say(f"this record does not replay: {found.fault}")
    return Exit.ERROR if found.fault else Exit.HEALTHY


def _has_keys() -> bool:
    """Return whether a person looks on and can press keys; Python has no stdin if it is closed."""
    return all(each is not None and each.isatty() for each in (sys.stdin, sys.stdout))


class Stepping:
    """Shows a game's positions on a terminal, as the keys ask for them."""

    def __init__(
        self, found: Positions, number: int, signs: Signs, console: Console, keyboard: int
    ) -> None:
        """`keyboard` is the descriptor of the terminal whose keys these are."""
        self._found = found
        self._view = View(number)
        self._signs = signs
        self._console = console
        self._keyboard = keyboard
        self._screen = Screen(console, self._picture, keyboard)

    async def until_ended(self) -> None:
        """Show until a key or a signal ends it."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._follow_keys, nursery.cancel_scope)
            await self._screen.until_ended()
            nursery.cancel_scope.cancel()

    async def _follow_keys(self, showing: trio.CancelScope) -> None:
        keyboard = Keyboard()
        while (keys := await pressed(self._keyboard, keyboard)) is not None:
            for key in keys:
                shown = room(self._found, self._view, self._window())
                view = press(self._found, self._view, key, shown.corner, shown.last)
                if view is None:
                    showing.cancel()
                    return
                self._view = view
            self._screen.draw()
        showing.cancel()

    def _picture(self) -> Group:
        return Group(*fitting_page(self._found, self._view, self._signs, self._window()))

    def _window(self) -> Window:
        return Window(self._console.width, self._console.height)


async def pressed(terminal: int, keyboard: Keyboard) -> list[bytes] | None:
    """Return the keys that are pressed next, maybe none; None once the terminal has gone."""
    with trio.move_on_after(_pause_s if keyboard.waits else math.inf):
        data = await typed(terminal)
        return list(keyboard.feed(data)) if data else None
    return [keyboard.end()]
