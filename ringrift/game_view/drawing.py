"""A position as lines of text that a person reads at a glance, with colours and without.

Every cell says by its form what it holds and by its sign whose it is; colours only repeat that:

    ·        empty                          .
    ○        a marker of player 1           a
    ●5/2     a stack of 5 rings, cap 2      A5/2
    ▒▒●▒▒    collapsed: territory           ##A##

On the left as seen by a reader who has Unicode, on the right in ASCII. Rows are drawn from row 1
down, those of hex boards staggered. A row's number stands before the first of its cells that are
drawn, and a column's letter below the last, which on hex boards lies down and to the right.
"""

import dataclasses
import string
from collections.abc import Collection, Iterator, Mapping

from rich.text import Text

from ringrift.rules import Move, MoveType, State
from ringrift.rules.geometry import Board
from ringrift.rules.moves import RecoveryMode
from ringrift.rules.state import cap_height

pitch_wide = 6
"""Characters from one cell to the next in its row: one for a mark, and five for what it holds."""

pitch_narrow = 4
"""The same where there is little room: stacks are written without the stroke, as `●52`."""


colours = ("#0087ff", "#d75f00", "#00875f", "#d75faf")
"""By seat: blue, orange, green and pink, each one of the 256 colours that terminals share. Each has
a contrast of at least 3 to 1 on black, on #1e1e1e and on white (WCAG 2, criterion 1.4.11), and for
colour-blind readers any two differ at least as much as those of Okabe and Ito's palette do."""

colours_of_16 = ("bright_blue", "yellow", "green", "magenta")
"""The same where there are 16: the nearest to the blue and to the green would be one."""


@dataclasses.dataclass(frozen=True, slots=True)
class Signs:
    """What things are drawn with. What tells owners apart is by seat, seat 1 first."""

    stacks: str
    markers: str
    shade: str
    empty: str
    keys: str
    """The names of the arrow keys: left, right, up, down, a blank between two."""
    colours: tuple[str, ...] = colours


unicode_signs = Signs(stacks="●▲■◆", markers="○△□◇", shade="▒", empty="·", keys="← → ↑ ↓")
ascii_signs = Signs(stacks="ABCD", markers="abcd", shade="#", empty=".", keys="Left Right Up Down")


def signs_for(encoding: str, environment: Mapping[str, str], color_system: str | None) -> Signs:
    """Return what to draw with on a terminal of an encoding and of rich's `color_system`.

    Unicode also takes a locale that has it, by the variables of the environment.
    """
    named = (environment.get(name) for name in ("LC_ALL", "LC_CTYPE", "LANG"))
    locale = next((name for name in named if name), encoding)
    in_unicode = all(name.lower().replace("-", "").endswith("utf8") for name in (encoding, locale))
    signs = unicode_signs if in_unicode else ascii_signs
    few = color_system in ("standard", "windows")
    return dataclasses.replace(signs, colours=colours_of_16) if few else signs


ink = "#000000"
"""What stacks are written in, on a ground of their owner's colour."""

_steps = (MoveType.MOVE_STACK, MoveType.RECOVERY_SLIDE)
_captures = (MoveType.OVERTAKING_CAPTURE, MoveType.CONTINUE_CAPTURE_SEGMENT)
_eliminations = (MoveType.ELIMINATE_RINGS_FROM_STACK, MoveType.FORCED_ELIMINATION)

departed, arrived, bereft, changed = "-", ">", "x", "*"
"""The marks of a move: whence, whither, which stack lost rings, and what else it changed."""

_digits = string.digits + string.ascii_lowercase

_mark_styles = dict.fromkeys((departed, arrived, bereft), "bold reverse") | {changed: "bold"}


def marks(before: State, move: Move, after: State) -> dict[int, str]:
    """Return the mark of each cell that a move had to do with."""
    found = dict.fromkeys(_differing(before, after), changed)
    if move.type in _steps + _captures:
        found |= {move.origin: departed, move.to: arrived}
    elif move.type is MoveType.PLACE_RING:
        found[move.to] = arrived
    elif move.type in _eliminations:
        found[move.to] = bereft
    pays = move.type is MoveType.RECOVERY_SLIDE and move.extra != RecoveryMode.LINE_PART
    if pays or move.type in _captures:
        found[move.target] = bereft
    return found


def _differing(before: State, after: State) -> Iterator[int]:
    masks_before = (*before.markers, *before.territory)
    masks_after = (*after.markers, *after.territory)
    turned = 0
    for one, other in zip(masks_before, masks_after, strict=True):
        turned |= one ^ other
    for cell in before.variant.board.cells:
        if turned >> cell & 1 or before.stacks.get(cell) != after.stacks.get(cell):
            yield cell


def _owner(masks: list[int], cell: int) -> int:
    """Return the seat whose mask has the cell, 0 for none."""
    return next((seat for seat, mask in enumerate(masks) if mask >> cell & 1), 0)


def draw(
    state: State,
    signs: Signs,
    pitch: int,
    marked: Mapping[int, str] | None = None,
    part: "Part | None" = None,
) -> list[Text]:
    """Return the lines of a position or a part of it, `pitch` (even) characters from cell to cell.

    `marked` are marks to put before cells.
    """
    frame = Frame(state.variant.board, pitch)
    part = part or frame.whole
    cells = [cell for cell in state.variant.board.cells if frame.shows(part, cell)]
    pieces: list[list[tuple[int, Text]]] = [[] for _ in range(part.rows + 1)]
    for (column, row), label in frame.labels(cells):
        pieces[row - part.top].append((column, Text(label, "dim")))
    for cell in cells:
        column, row = frame.place(cell)
        drawn = _draw_cell(state, cell, signs, pitch - 1, (marked or {}).get(cell, " "))
        pieces[row - part.top].append((column, drawn))
    return [_joined(row, part.left - frame.margin) for row in pieces]


def _joined(pieces: list[tuple[int, Text]], left: int) -> Text:
    """Return a line that begins at the column `left`."""
    line = Text(no_wrap=True)
    for column, piece in sorted(pieces, key=lambda pair: pair[0]):
        line.append(" " * (column - left - len(line))).append_text(piece)
    line.rstrip()
    return line


def _draw_cell(state: State, cell: int, signs: Signs, room: int, mark: str) -> Text:
    """Draw a cell on `room` characters, and one more before them for a mark."""
    word, style = _word(state, cell, signs, room)
    left = (room - len(word)) // 2
    drawn = Text(" " * left)
    drawn.append(mark, _mark_styles.get(mark, "")).append(word, style)
    return drawn.append(" " * (room - left - len(word)))


def _word(state: State, cell: int, signs: Signs, room: int) -> tuple[str, str]:
    """Return what a cell holds, in at most `room` characters, and its style."""
    if cell in state.stacks:
        rings = state.stacks[cell]
        seat, height, cap = rings[0], len(rings), cap_height(rings)
        sign = signs.stacks[seat - 1]
        short = _digit(height), _digit(cap)
        words = (f"{height}/{cap}", f"{height}/{short[1]}", "/".join(short), "".join(short))
        word = next(sign + each for each in words if len(sign + each) <= room)
        return word, f"bold {ink} on {signs.colours[seat - 1]}"
    if seat := _owner(state.markers, cell):
        return signs.markers[seat - 1], f"bold {signs.colours[seat - 1]}"
    if seat := _owner(state.territory, cell):
        shade = shades(signs, room + 1)
        return f"{shade}{signs.stacks[seat - 1]}{shade}", signs.colours[seat - 1]
    return signs.empty, "dim"


def shades(signs: Signs, pitch: int) -> str:
    """Return what is drawn on either side of a territory's owner."""
    return signs.shade * ((pitch - 1) // 2)


def _digit(number: int) -> str:
    """Return a number as one character: 0 to 9, a to z for 10 to 35, + for more."""
    return _digits[number] if number < len(_digits) else "+"


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    """A rectangle of a frame: the cells that are in it with all their characters are drawn."""

    left: int
    top: int
    columns: int
    rows: int


class Frame:
    """Where a board's cells are on its drawing: columns and rows of characters, from 0.

    Beside the cells, row numbers take `margin` columns on the left; column letters take a row below
    and, on hex boards, may take one column on the right.
    """

    def __init__(self, board: Board, pitch: int) -> None:
        self._board = board
        self._pitch = pitch
        self._left = self._top = 0
        columns, rows = zip(*map(self.place, board.cells), strict=True)
        self._left, self._top = min(columns), min(rows)
        self.whole = Part(0, 0, max(columns) + pitch - self._left, max(rows) + 1 - self._top)
        self.margin = len(str(self.whole.rows))

    def place(self, cell: int) -> tuple[int, int]:
        """Return the column and row at which a cell's `pitch` characters begin."""
        return self._place(*self._board.xy(cell))

    def _place(self, x: int, y: int) -> tuple[int, int]:
        halves = 2 * x + (y if self._board.is_hex else 0)
        return halves * self._pitch // 2 - self._left, y - self._top

    def shows(self, part: Part, cell: int) -> bool:
        """Return whether a cell is in a part with all its characters."""
        column, row = self.place(cell)
        return (
            part.left <= column <= part.left + part.columns - self._pitch
            and part.top <= row < part.top + part.rows
        )

    def labels(self, cells: Collection[int]) -> Iterator[tuple[tuple[int, int], str]]:
        """Yield each label of some cells, ascending, and where it begins."""
        spots = {self._board.xy(cell): self._board.cell_name(cell) for cell in cells}
        row_starts = {y: x for x, y in reversed(spots)}  # the last of equals stays
        column_ends = dict(spots.keys())
        for y, x in row_starts.items():
            number = spots[x, y][1:]
            column, row = self._place(x, y)
            yield (column - len(number), row), number
        for x, y in column_ends.items():
            column, row = self._place(x, y + 1)
            yield (column + self._pitch // 2, row), spots[x, y][0]
