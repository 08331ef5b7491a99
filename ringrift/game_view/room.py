"""Which part of a board is shown in the room that there is for it."""

from collections.abc import Iterator, Mapping

from ringrift.game_view.drawing import (
    Frame,
    Part,
    arrived,
    bereft,
    changed,
    departed,
    marks,
    pitch_narrow,
    pitch_wide,
)
from ringrift.game_view.keys import Corner, View
from ringrift.game_view.positions import Positions

_by_weight = (arrived, departed, bereft, changed)
"""What is to be in sight first where there is no room for all that a move marked."""


def fitting_pitch(found: Positions, columns: int) -> int:
    """Return how far apart cells are drawn: wide if that fits so many columns."""
    wide = Frame(found.states[0].variant.board, pitch_wide)
    return pitch_wide if wide.margin + wide.whole.columns <= columns else pitch_narrow


def latest_marks(found: Positions, number: int) -> Mapping[int, str]:
    """Return the marks of the move that led to the position after `number` moves."""
    if number == 0:
        return {}
    before, after = found.states[number - 1 : number + 1]
    return marks(before, found.game.moves[number - 1], after)


class Room:
    """The room for a board, and the part of the board that is shown in it.

    That is the part shown before, moved by as little as brings the latest change into sight: the
    cell where the move ended, and of the others as much as fits. Where nothing was shown before,
    the change is in the middle.
    """

    def __init__(self, found: Positions, view: View, columns: int, rows: int) -> None:
        """`columns` and `rows` are for the cells and their labels."""
        self.pitch = fitting_pitch(found, columns)
        self._frame = Frame(found.states[0].variant.board, self.pitch)
        whole, pitch = self._frame.whole, self.pitch
        beside = max(0, columns - self._frame.margin - 1)  # of the labels
        self._columns = min(whole.columns, beside - beside % pitch)
        self._rows = max(0, min(whole.rows, rows - 1))
        self.last = whole.columns - self._columns, whole.rows - self._rows
        """The corner when the right and the bottom edge are shown."""
        self.corner = self._held(self._chosen(found, view))

    @property
    def is_enough(self) -> bool:
        """Whether the whole board is shown."""
        return self.last == (0, 0)

    @property
    def part(self) -> Part:
        """What is shown."""
        return Part(*self.corner, self._columns, self._rows)

    def _held(self, corner: Corner) -> Corner:
        """Return a corner, or the nearest one from which no room is wasted beyond an edge."""
        x, y = (max(0, min(at, last)) for at, last in zip(corner, self.last, strict=True))
        return x, y

    def _chosen(self, found: Positions, view: View) -> Corner:
        if view.by_hand and view.corner is not None:
            return view.corner
        lefts, tops = self._sights(_latest_change(found, view.number))
        if view.corner is not None:
            left, top = self._held(view.corner)
            return max(lefts.start, min(left, lefts[-1])), max(tops.start, min(top, tops[-1]))
        aside = (lefts[-1] - lefts.start) // 2
        return lefts.start + aside - aside % self.pitch, (tops.start + tops[-1]) // 2

    def _sights(self, cells: Iterator[int]) -> tuple[range, range]:
        """Return the corners from which the first cell is in sight, and all that fit beside it."""
        lefts, tops = range(self.last[0] + 1), range(self.last[1] + 1)
        for cell in cells:
            column, row = self._frame.place(cell)
            lefts_too = _common(lefts, column + self.pitch - self._columns, column)
            tops_too = _common(tops, row + 1 - self._rows, row)
            if lefts_too and tops_too:
                lefts, tops = lefts_too, tops_too
        return lefts, tops


def _common(numbers: range, low: int, high: int) -> range:
    """Return those of consecutive numbers that are from `low` to `high`."""
    return range(max(numbers.start, low), min(numbers.stop, high + 1))


def _latest_change(found: Positions, number: int) -> Iterator[int]:
    """Yield the cells marked by the latest move that marked any, those that say most first."""
    marked = next((m for n in range(number, 0, -1) if (m := latest_marks(found, n))), {})
    yield from sorted(marked, key=lambda cell: (_by_weight.index(marked[cell]), cell))
