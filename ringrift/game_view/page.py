"""The page that shows one position of a game: what was played, the board, and how all players do.

In a window it fits. In a high one there is a line between two rows of the board; where there is no
room the board is drawn narrow, then the legend is left out, and then a part of the board is shown,
around what the latest move changed.
"""

import dataclasses
import datetime
import textwrap
from collections.abc import Mapping, Sequence

from rich.text import Text

from ringrift.game_view.drawing import (
    Frame,
    Signs,
    arrived,
    bereft,
    changed,
    departed,
    draw,
    marks,
    pitch_narrow,
    pitch_wide,
)
from ringrift.game_view.positions import Positions
from ringrift.printable import counted, printable
from ringrift.rules import State
from ringrift.rules.moves import no_cell
from ringrift.rules.notation import cell_text, move_text

columns_min = 56
board_rows_min = 4
"""With less room than for 56 columns and 4 rows of the board, a window is too small."""


@dataclasses.dataclass(frozen=True, slots=True)
class Window:
    """The room on a terminal, in characters."""

    columns: int
    rows: int


def page(found: Positions, number: int, signs: Signs, columns: int) -> list[Text]:
    """Return all that shows the position after `number` moves, however wide and high.

    The board is drawn narrow if it would else be wider than `columns`.
    """
    pitch, board = _board(found, number, signs, columns)
    top, bottom = _top(found, number, signs), _players(found, number, signs)
    return [*top, Text(), *board, Text(), *bottom, *_legend(signs, pitch)]


def fitting_page(
    found: Positions, number: int, signs: Signs, window: Window, scroll: tuple[int, int] = (0, 0)
) -> list[Text]:
    """Return lines that fit a window, the keys that may be pressed among them.

    `scroll` is by how many columns and rows to push the board aside, where it does not fit.
    """
    pitch, board = _board(found, number, signs, window.columns)
    top = [*_top(found, number, signs), *_trouble(found, window.columns)]
    bottom, legend = _players(found, number, signs), _legend(signs, pitch)
    rows = window.rows - len(top) - len(bottom) - 1
    if window.columns < columns_min or rows < board_rows_min:
        rows_min = window.rows - rows + board_rows_min
        return _cut([Text(f"needs {columns_min} columns, {rows_min} rows; q quits")], window)
    whole = len(board) <= rows and _width(board) <= window.columns
    if not whole:
        board = _part(board, window.columns, rows, _focus(found, number, pitch), scroll)
    spare = rows - len(board)
    if spare >= len(legend):
        bottom += legend
        spare -= len(legend)
    gap = [Text()] if spare >= 2 else []
    if spare >= 2 + len(board) - 1:
        board = [line for row in board for line in (Text(), row)][1:]
    return _cut([*top, *gap, *board, *gap, *bottom, _keys(signs, whole=whole)], window)


# The board


def _board(found: Positions, number: int, signs: Signs, columns: int) -> tuple[int, list[Text]]:
    """Return the board and its pitch: wide if that fits so many columns."""
    state, marked = found.states[number], _marked(found, number)
    wide = draw(state, signs, pitch_wide, marked)
    if _width(wide) <= columns:
        return pitch_wide, wide
    return pitch_narrow, draw(state, signs, pitch_narrow, marked)


def _width(lines: Sequence[Text]) -> int:
    return max(len(line) for line in lines)


def _marked(found: Positions, number: int) -> Mapping[int, str]:
    if number == 0:
        return {}
    before, after = found.states[number - 1 : number + 1]
    return marks(before, found.game.moves[number - 1], after)


def _focus(found: Positions, number: int, pitch: int) -> tuple[int, int]:
    """Return the middle of what the latest move marked that marked anything."""
    board = found.states[number].variant.board
    cells = next((m for n in range(number, 0, -1) if (m := _marked(found, n))), board.cells)
    places = [Frame(board, pitch).place(cell) for cell in cells]
    columns, rows = zip(*places, strict=True)
    return (min(columns) + max(columns) + pitch) // 2, (min(rows) + max(rows)) // 2


def _part(
    board: Sequence[Text], columns: int, rows: int, focus: tuple[int, int], scroll: tuple[int, int]
) -> list[Text]:
    """Return so much of a board as there is room for: around the focus, less what was scrolled."""
    left = _begin(focus[0] + scroll[0], columns, _width(board))
    top = _begin(focus[1] + scroll[1], rows, len(board))
    return [line[left : left + columns] for line in board[top : top + rows]]


def _begin(middle: int, room: int, length: int) -> int:
    return max(0, min(middle - room // 2, length - room))


# What is said around it


def _top(found: Positions, number: int, signs: Signs) -> list[Text]:
    game = found.game
    began = datetime.datetime.fromtimestamp(game.time_ms / 1000, datetime.UTC)
    headline = Text.assemble(
        (game.config.name, "bold"),
        f"  {found.id.hex()[:12]}  {began:%Y-%m-%d %H:%M} UTC  by {game.producer.hex()[:12]}",
    )
    return [headline, _move_line(found, number, signs), _now_line(found.states[number], signs)]


def _move_line(found: Positions, number: int, signs: Signs) -> Text:
    total = len(found.game.moves)
    if number == 0:
        return Text(f"the start, before {counted(total, 'move')}")
    before, after = found.states[number - 1 : number + 1]
    move, board = found.game.moves[number - 1], after.variant.board
    line = Text.assemble(
        f"move {number} of {total}  turn {before.turn}  ",
        _player(before.player, signs),
        ": ",
        (move_text(board, move), "bold"),
        f"  {_words(move.type.word)}",
    )
    if move.to != no_cell and move.to in after.stacks:
        rings = "".join(map(str, after.stacks[move.to]))
        line.append(f"  {cell_text(board, move.to)}: {rings}", "dim")
    return line


def _now_line(state: State, signs: Signs) -> Text:
    if state.result is None:
        return Text.assemble("now  ", _player(state.player, signs), f": {_words(state.phase)}")
    reason = _words(state.result.reason)
    return Text.assemble("over  ", _player(state.result.winner, signs), f" wins by {reason}")


def _words(name: str) -> str:
    return name.replace("_", " ")


def _player(seat: int, signs: Signs) -> Text:
    return Text.assemble(
        (signs.stacks[seat - 1], f"bold {signs.colours[seat - 1]}"), f" player {seat}"
    )


def _players(found: Positions, number: int, signs: Signs) -> list[Text]:
    state, kinds = found.states[number], [printable(kind) for kind in found.game.players]
    variant, width = state.variant, max(map(len, kinds))
    over = state.result is not None
    heading = f"{'':<{width + 14}}  hand  eliminated  territory{'  rank' if over else ''}"
    lines = [Text(heading, "dim")]
    for seat, kind in zip(variant.seats, kinds, strict=True):
        eliminated = f"{state.eliminated[seat]} of {variant.elimination_threshold}"
        territory = f"{state.territory[seat].bit_count()} of {variant.territory_minimum}"
        rank = f"{state.result.ranking[seat - 1]:>6}" if state.result else ""
        lines.append(
            Text.assemble(
                "> " if seat == state.player and not over else "  ",
                _player(seat, signs),
                f"  {kind:<{width}}",
                f"  {state.hand[seat]:>4}  {eliminated:>10}  {territory:>9}{rank}",
            )
        )
    return lines


def _trouble(found: Positions, columns: int) -> list[Text]:
    if not found.fault:
        return []
    told = f"This record does not replay: {printable(found.fault)}"
    return [Text(line, "bold red") for line in textwrap.wrap(told, columns)]


def _legend(signs: Signs, pitch: int) -> list[Text]:
    one, shade = signs.stacks[0], signs.shade
    stroke = "/" if pitch == pitch_wide else ""
    return [
        Text(
            f"{signs.markers[0]} marker  {one}5{stroke}2 stack of 5 rings, cap 2 (+: over 9)"
            f"  {shade}{one}{shade} territory  {signs.empty} empty",
            "dim",
        ),
        Text(
            f"the move: {departed} from  {arrived} to  {bereft} lost rings  {changed} else changed",
            "dim",
        ),
    ]


def _keys(signs: Signs, *, whole: bool) -> Text:
    left, right, up, down = signs.keys.split()
    scroll = "" if whole else "  h j k l scroll"
    return Text(f"{left} {right} move  {up} {down} turn  Home End{scroll}  q quit", "dim")


def _cut(lines: Sequence[Text], window: Window) -> list[Text]:
    """Return what fits of lines that nearly do."""
    return [line[: window.columns] for line in lines[: window.rows]]
