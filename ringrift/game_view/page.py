"""The page that shows one position of a game: what was played, the board, and how all players do.

In a window it fits. In a high one there is a line between two rows of the board; where there is no
room the board is drawn narrow, then the legend is left out, which the help has too, and then a part
of the board is shown, with what the latest move changed.
"""

import dataclasses
import datetime
import textwrap
from collections.abc import Sequence

from rich.text import Text

from ringrift.game_view.drawing import (
    Signs,
    arrived,
    bereft,
    changed,
    departed,
    draw,
    pitch_wide,
    shades,
)
from ringrift.game_view.help_page import help_page
from ringrift.game_view.keys import View
from ringrift.game_view.positions import Positions
from ringrift.game_view.room import Room, fitting_pitch, latest_marks
from ringrift.printable import counted, printable
from ringrift.rules import State
from ringrift.rules.notation import move_text
from ringrift.rules.state import cap_height

columns_min = 56
board_rows_min = 4
"""With less room than for 56 columns and 4 rows of the board, a window is too small."""
_top_rows = 4


@dataclasses.dataclass(frozen=True, slots=True)
class Window:
    """The room on a terminal, in characters."""

    columns: int
    rows: int


def page(found: Positions, number: int, signs: Signs, columns: int) -> list[Text]:
    """Return all that shows the position after `number` moves, however wide and high.

    The board is drawn narrow if it would else be wider than `columns`.
    """
    pitch = fitting_pitch(found, columns)
    board = draw(found.states[number], signs, pitch, latest_marks(found, number))
    top = [line for line in _top(found, number, signs) if line]
    bottom = _players(found, number, signs)
    return [*top, Text(), *board, Text(), *bottom, *_legend(signs, pitch)]


def fitting_page(found: Positions, view: View, signs: Signs, window: Window) -> list[Text]:
    """Return lines that fit a window, the keys that may be pressed among them."""
    number, rows = view.number, _board_rows(found, window)
    if view.helps:
        pitch = fitting_pitch(found, window.columns)
        return _cut(help_page(signs, pitch, window.columns, window.rows), window)
    if window.columns < columns_min or rows < board_rows_min:
        rows_min = window.rows - rows + board_rows_min
        told = f"q quits, ? helps; needs {columns_min} columns, {rows_min} rows"
        return _cut([Text(told)], window)
    shown = room(found, view, window)
    pitch = shown.pitch
    board = draw(found.states[number], signs, pitch, latest_marks(found, number), shown.part)
    top = [_shortened(line, window.columns) for line in _top(found, number, signs)]
    top += _trouble(found, window.columns)
    bottom, legend = _players(found, number, signs), _legend(signs, pitch)
    spare = rows - len(board)
    if spare >= len(legend):
        bottom += legend
        spare -= len(legend)
    gap = [Text()] if spare >= 2 else []
    if spare >= 2 + len(board) - 1:
        board = [line for row in board for line in (Text(), row)][1:]
    keys = _keys(signs, window.columns, whole=shown.is_enough)
    return _cut([*top, *gap, *board, *gap, *bottom, keys], window)


def room(found: Positions, view: View, window: Window) -> Room:
    """Return the room for the board in a window, and what is shown there."""
    return Room(found, view, window.columns, _board_rows(found, window))


def _board_rows(found: Positions, window: Window) -> int:
    """Return how many rows are left for the board and the legend."""
    players = 1 + found.game.config.players
    return window.rows - _top_rows - len(_trouble(found, window.columns)) - players - 1


# What is said around it


def _top(found: Positions, number: int, signs: Signs) -> list[Text]:
    """Return the `_top_rows` lines above the board."""
    game = found.game
    began = datetime.datetime.fromtimestamp(game.time_ms / 1000, datetime.UTC)
    headline = Text.assemble(
        (game.config.name, "bold"),
        f"  {found.id.hex()[:12]}  {began:%Y-%m-%d %H:%M} UTC  by {game.producer.hex()[:12]}",
    )
    return [
        headline,
        _move_line(found, number, signs),
        _now_line(found.states[number], signs),
        _rings_line(found, number, signs),
    ]


def _move_line(found: Positions, number: int, signs: Signs) -> Text:
    total = len(found.game.moves)
    if number == 0:
        return Text(f"the start, before {counted(total, 'move')}")
    before, move = found.states[number - 1], found.game.moves[number - 1]
    board = before.variant.board
    return Text.assemble(
        f"move {number} of {total}  turn {before.turn}  ",
        _player(before.player, signs),
        ": ",
        (move_text(board, move), "bold"),
        f"  {_words(move.type.word)}",
    )


def _now_line(state: State, signs: Signs) -> Text:
    if state.result is None:
        return Text.assemble("now  ", _player(state.player, signs), f": {_words(state.phase)}")
    reason = _words(state.result.reason)
    return Text.assemble("over  ", _player(state.result.winner, signs), f" wins by {reason}")


def _rings_line(found: Positions, number: int, signs: Signs) -> Text:
    """Return the stacks that the move marked, each with all its rings, the top one first."""
    state, marked = found.states[number], latest_marks(found, number)
    told = []
    cells = marked.keys() & state.stacks.keys()
    for cell in sorted(cells, key=lambda cell: (marked[cell] != arrived, cell)):
        rings = state.stacks[cell]
        stack = f"{signs.stacks[rings[0] - 1]}{len(rings)}/{cap_height(rings)}"
        name = state.variant.board.cell_name(cell)
        told.append(f"{marked[cell]}{name} {stack} {''.join(map(str, rings))}")
    return Text("  ".join(["rings", *told]) if told else "", "dim")


def _words(name: str) -> str:
    return name.replace("_", " ")


def _player(seat: int, signs: Signs) -> Text:
    return Text.assemble(
        (signs.stacks[seat - 1], f"bold {signs.colours[seat - 1]}"), f" player {seat}"
    )


def _players(found: Positions, number: int, signs: Signs) -> list[Text]:
    """Return a table of the players."""
    state, kinds = found.states[number], [printable(kind) for kind in found.game.players]
    variant, width = state.variant, max(map(len, kinds))
    over = state.result is not None
    heading = f"{'':<{width + 14}}  hand  eliminated   territory{'  rank' if over else ''}"
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
                f"  {state.hand[seat]:>4}  {eliminated:>10}  {territory:>10}{rank}",
            )
        )
    return lines


def _trouble(found: Positions, columns: int) -> list[Text]:
    if not found.fault:
        return []
    told = f"This record does not replay: {printable(found.fault)}"
    return [Text(line, "bold red") for line in textwrap.wrap(told, columns)]


def _legend(signs: Signs, pitch: int) -> list[Text]:
    one, shade = signs.stacks[0], shades(signs, pitch)
    stroke = "/" if pitch == pitch_wide else ""
    return [
        Text(
            f"{signs.markers[0]} marker  {one}5{stroke}2 stack of 5 rings, cap 2 (a-z: 10 to 35)"
            f"  {shade}{one}{shade} territory",
            "dim",
        ),
        Text(
            f"the move: {departed} from  {arrived} to  {bereft} lost rings  {changed} else changed",
            "dim",
        ),
    ]


def _keys(signs: Signs, columns: int, *, whole: bool) -> Text:
    """Return the keys, without those that the help tells too where there is no room for all."""
    left, right, up, down = signs.keys.split()
    scroll, ends = "h j k l scroll", "Home End"
    ways = [f"{left} {right} move", f"{up} {down} turn", ends, scroll, "? help", "q quit"]
    if whole:
        ways.remove(scroll)
    for each in (ends, scroll):
        if each in ways and len("  ".join(ways)) > columns:
            ways.remove(each)
    return Text("  ".join(ways), "dim")


def _shortened(line: Text, columns: int) -> Text:
    return line if len(line) <= columns else line[: columns - 3].append("...")


def _cut(lines: Sequence[Text], window: Window) -> list[Text]:
    """Return what fits of lines that nearly do."""
    return [line[: window.columns] for line in lines[: window.rows]]
