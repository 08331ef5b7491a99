"""Which part of a board is shown in the room that there is for it."""

from collections.abc import Mapping

from ringrift.game_view.drawing import Frame, Part, marks, pitch_narrow, pitch_wide
from ringrift.game_view.keys import Reach
from ringrift.game_view.positions import Positions


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

    By itself that is the one around what the latest move changed.
    """

    def __init__(self, found: Positions, number: int, columns: int, rows: int) -> None:
        """`columns` and `rows` are for the cells and their labels."""
        self.pitch = fitting_pitch(found, columns)
        self._frame = Frame(found.states[0].variant.board, self.pitch)
        whole, pitch = self._frame.whole, self.pitch
        beside = max(0, columns - self._frame.margin - 1)  # of the labels
        self._columns = min(whole.columns, beside - beside % pitch)
        self._rows = max(0, min(whole.rows, rows - 1))
        self._columns_hidden = whole.columns - self._columns
        self._rows_hidden = whole.rows - self._rows
        column, row = self._focus(found, number)
        left = max(0, min(column - self._columns // 2, self._columns_hidden))
        self._left = left - left % pitch
        self._top = max(0, min(row - self._rows // 2, self._rows_hidden))

    @property
    def is_enough(self) -> bool:
        """Whether the whole board is shown."""
        return self._columns_hidden == self._rows_hidden == 0

    @property
    def reach(self) -> Reach:
        """How far the board can be pushed aside."""
        return (
            (-self._left, self._columns_hidden - self._left),
            (-self._top, self._rows_hidden - self._top),
        )

    def part(self, scroll: tuple[int, int]) -> Part:
        """Return what is shown of a board that is pushed aside, as far as that goes."""
        (left_min, left_max), (top_min, top_max) = self.reach
        left = self._left + max(left_min, min(scroll[0], left_max))
        top = self._top + max(top_min, min(scroll[1], top_max))
        return Part(left, top, self._columns, self._rows)

    def _focus(self, found: Positions, number: int) -> tuple[int, int]:
        """Return the middle of what the latest move marked that marked anything."""
        every = found.states[0].variant.board.cells
        cells = next((m for n in range(number, 0, -1) if (m := latest_marks(found, n))), every)
        columns, rows = zip(*map(self._frame.place, cells), strict=True)
        return (min(columns) + max(columns) + self.pitch) // 2, (min(rows) + max(rows)) // 2
