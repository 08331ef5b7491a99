"""Keys, and what each does to the view of a game."""

import dataclasses
import re
from collections.abc import Callable, Iterator

from ringrift.game_view.positions import Positions

Corner = tuple[int, int]
"""Where the part of a board that is shown begins: columns and rows of characters from 0."""

_sequence = re.compile(rb"\x1b(?:\[[0-9;]*[A-Za-z~]|O[A-Za-z]|(?=\x1b))|[^\x1b]")
_unfinished = re.compile(rb"\x1b(?:\[[0-9;]{0,8}|O)?\Z")


@dataclasses.dataclass(frozen=True, slots=True)
class View:
    """What is looked at."""

    number: int
    """The position after that many moves."""
    corner: Corner | None = None
    """The corner of what was shown before, where the board does not fit; None for nothing."""
    by_hand: bool = False
    """Whether the board was pushed there, and the latest move may be out of sight."""
    helps: bool = False
    """Whether the page is shown that tells what the signs mean and what the keys do."""


class Keyboard:
    """Cuts what a terminal sends into keys."""

    def __init__(self) -> None:
        self._begun = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield each key, in the terminal's own words; one that is not complete yet waits."""
        data = self._begun + data
        self._begun = found.group() if (found := _unfinished.search(data)) else b""
        yield from _sequence.findall(data.removesuffix(self._begun))

    @property
    def waits(self) -> bool:
        """Whether what came last may be the beginning of a key."""
        return bool(self._begun)

    def end(self) -> bytes:
        """Return what waits: as nothing followed, it is a key by itself, such as Esc."""
        begun, self._begun = self._begun, b""
        return begun


def press(found: Positions, view: View, key: bytes, corner: Corner, last: Corner) -> View | None:
    """Return what is looked at once a key was pressed; None if it ends the showing.

    `corner` is that of the part shown in the window as it is now, and `last` its furthest.
    """
    if key in _ending:
        return None
    if view.helps or key == _helping:  # any other key leads back
        return dataclasses.replace(view, helps=not view.helps)
    if key in _pushing:
        (x, y), (dx, dy), (x_max, y_max) = corner, _pushing[key], last
        pushed = max(0, min(x + dx, x_max)), max(0, min(y + dy, y_max))
        return View(view.number, pushed, by_hand=True)
    go = _going.get(key)
    return view if go is None else View(go(found, view.number), corner)


def _go_back(_: Positions, number: int) -> int:
    return max(0, number - 1)


def _go_on(found: Positions, number: int) -> int:
    return min(found.last, number + 1)


def _go_to_start(_found: Positions, _number: int) -> int:
    return 0


def _go_to_end(found: Positions, _number: int) -> int:
    return found.last


_ending = (b"q", b"Q", b"\x04")
_helping = b"?"
_pushing = {b"h": (-4, 0), b"l": (4, 0), b"k": (0, -2), b"j": (0, 2)}
_going: dict[bytes, Callable[[Positions, int], int]] = {
    key: go
    for go, keys in (
        (_go_back, (b"\x1b[D", b"\x1bOD")),
        (_go_on, (b"\x1b[C", b"\x1bOC", b" ")),
        (Positions.turn_before, (b"\x1b[A", b"\x1bOA", b"\x1b[5~")),
        (Positions.turn_after, (b"\x1b[B", b"\x1bOB", b"\x1b[6~")),
        (_go_to_start, (b"\x1b[H", b"\x1bOH", b"\x1b[1~", b"\x1b[7~")),
        (_go_to_end, (b"\x1b[F", b"\x1bOF", b"\x1b[4~", b"\x1b[8~")),
    )
    for key in keys
}
"""The two ways in which terminals send an arrow, and the many for Home and End."""
