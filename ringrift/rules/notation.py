"""Cells, moves and games as short text, to be read and typed. `docs/notation.md` has the grammar.

Moves extend the short notation of section 17.4 of the rules to every type of move, and need no
position to be read. Positions are in `ringrift.rules.position_text`.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from ringrift.rules.config import Config
from ringrift.rules.errors import NotationError, wrong
from ringrift.rules.geometry import Board, board
from ringrift.rules.moves import (
    Move,
    MoveType,
    RecoveryMode,
    describe,
    fields_of,
    moves_max,
    no_cell,
)

_move_characters_max = 16
_any_case = re.ASCII | re.IGNORECASE
_cell_pattern = re.compile("[a-z][1-9][0-9]?", _any_case)


# Cells


def cell_text(board: Board, cell: int) -> str:
    """Return a cell as a letter for its column, ascending with x, and a number for its row, with y.

    Both count from the board's lowest: `a1` is (0, 0) on square boards. On hex boards, where some
    columns lack their first or last rows, `e5` is the middle of hex8 and `m13` that of hexagonal.
    """
    if cell not in board.rays:
        raise wrong("cell", cell, f"a cell of {board.name}")
    return board.cell_name(cell)


def parse_cell(board: Board, text: str, name: str = "cell") -> int:
    """Read a cell. `name` is for the message of the `NotationError`."""
    if _cell_pattern.fullmatch(text):
        column, row = ord(text[0].lower()) - ord("a"), int(text[1:]) - 1
        cell = column * board.height + row
        if row < board.height and cell in board.rays:
            return cell
    first, last = (cell_text(board, cell) for cell in (board.cells[0], board.cells[-1]))
    raise wrong(name, text, f"a cell of {board.name}, such as {first} or {last}")


# Moves


class _Form(NamedTuple):
    """One way to write a type of move. A `target` that is left out is the move's `origin`."""

    kind: MoveType
    template: str
    extras: tuple[int, ...] = (0,)
    """What `extra` may be; the only one, where the template leaves it out."""


_forms = (
    _Form(MoveType.PLACE_RING, "P{to}", (1,)),
    _Form(MoveType.PLACE_RING, "P{to}x{extra}", (1, 2, 3)),
    _Form(MoveType.SKIP_PLACEMENT, "-"),
    _Form(MoveType.NO_PLACEMENT_ACTION, "P0"),
    _Form(MoveType.SWAP_SIDES, "S"),
    _Form(MoveType.MOVE_STACK, "{origin}-{to}"),
    _Form(MoveType.OVERTAKING_CAPTURE, "{origin}x{target}-{to}"),
    _Form(MoveType.RECOVERY_SLIDE, "R1{origin}-{to}:{target}", (RecoveryMode.LINE_ALL,)),
    _Form(MoveType.RECOVERY_SLIDE, "R2{origin}-{to}:{target}", (RecoveryMode.LINE_PART,)),
    _Form(MoveType.RECOVERY_SLIDE, "R{origin}-{to}:{target}", (RecoveryMode.FALLBACK,)),
    _Form(MoveType.RECOVERY_SLIDE, "R{origin}x{to}:{target}", (RecoveryMode.STACK_STRIKE,)),
    _Form(MoveType.SKIP_RECOVERY, "R-"),
    _Form(MoveType.NO_MOVEMENT_ACTION, "M0"),
    _Form(MoveType.SKIP_CAPTURE, "C-"),
    _Form(MoveType.CONTINUE_CAPTURE_SEGMENT, "{origin}x{target}-{to}+"),
    _Form(MoveType.PROCESS_LINE, "L{origin}-{to}"),
    _Form(MoveType.CHOOSE_LINE_OPTION, "O{extra}{origin}-{to}", (1, 2)),
    _Form(MoveType.CHOOSE_LINE_OPTION, "O{extra}{origin}-{to}:{target}", (1, 2)),
    _Form(MoveType.ELIMINATE_RINGS_FROM_STACK, "E{to}"),
    _Form(MoveType.NO_LINE_ACTION, "L0"),
    _Form(MoveType.CHOOSE_TERRITORY_OPTION, "T{to}", (0,)),
    _Form(MoveType.CHOOSE_TERRITORY_OPTION, "T{to}w{extra}", (1, 2, 3, 4)),
    _Form(MoveType.SKIP_TERRITORY_PROCESSING, "T-"),
    _Form(MoveType.NO_TERRITORY_ACTION, "T0"),
    _Form(MoveType.FORCED_ELIMINATION, "F{to}"),
    _Form(MoveType.RESIGN, "resign"),
    _Form(MoveType.TIMEOUT, "timeout"),
)
"""Every way to write a move; of those that fit, the first is written. No two read the same text."""


def _pattern(template: str) -> re.Pattern[str]:
    """Return what a template matches. Numbers are judged later, to be named."""
    pattern = re.escape(template)
    for field in ("origin", "target", "to"):
        pattern = pattern.replace(rf"\{{{field}\}}", f"(?P<{field}>[a-z][0-9]+)")
    return re.compile(pattern.replace(r"\{extra\}", "(?P<extra>[0-9])"), _any_case)


_patterns = [(form, _pattern(form.template)) for form in _forms]
_spoken = {"origin": "from", "target": "target", "to": "to"}


def move_text(board: Board, move: Move) -> str:
    """Return a move as one word. Raises `NotationError` for one that no position could have."""
    for form in _forms:
        if form.kind is move.type and _fits(form, move):
            cells = {
                field: cell_text(board, getattr(move, field))
                for field in _spoken
                if field in fields_of[move.type]
            }
            return form.template.format(**cells, extra=move.extra)
    raise wrong("move", describe(board, move), "a move with the fields of its type")


def _fits(form: _Form, move: Move) -> bool:
    used = fields_of[form.kind]
    return (
        move.extra in form.extras
        and all(field in used or getattr(move, field) == no_cell for field in _spoken)
        and ("target" not in used or "{target}" in form.template or move.target == move.origin)
    )


def parse_move(board: Board, text: str, name: str = "move") -> Move:
    """Read a move, in upper or lower case. Whether it is legal is for `apply` to say.

    Raises `NotationError`; `name` is for its message.
    """
    for form, pattern in _patterns if len(text) <= _move_characters_max else ():
        if found := pattern.fullmatch(text):
            return _read_fields(board, form, found.groupdict(), f"{name} {text!r}:")
    expected = "a move such as Pd4, Pd4x3, d4-d7, d4xd5-d7, - or L0 (docs/notation.md)"
    raise wrong(name, text, expected)


def _read_fields(board: Board, form: _Form, found: dict[str, str], name: str) -> Move:
    cells = {
        field: parse_cell(board, found[field], f"{name} {spoken}")
        for field, spoken in _spoken.items()
        if field in found
    }
    if "target" in fields_of[form.kind]:
        cells.setdefault("target", cells["origin"])
    extra = int(found.get("extra", form.extras[0]))
    if extra not in form.extras:
        raise wrong(f"{name} number", extra, f"one of {', '.join(map(str, form.extras))}")
    return Move(form.kind, **cells, extra=extra)


# Games


def game_text(config: Config, moves: Iterable[Move]) -> str:
    """Return a game as the name of its config and its moves, separated by blanks."""
    geometry = board(config.board)
    return " ".join([config.name, *(move_text(geometry, move) for move in moves)])


def parse_game(text: str) -> tuple[Config, list[Move]]:
    """Read what `game_text` wrote; any white space separates. Raises `NotationError`."""
    if len(text) > moves_max * (_move_characters_max + 1):
        raise NotationError(f"a text of {len(text)} characters; expected up to {moves_max} moves")
    words = text.split()
    config = Config.parse(words[0] if words else "")
    if len(words) > moves_max + 1:
        raise NotationError(f"{len(words) - 1} moves; expected up to {moves_max}")
    geometry = board(config.board)
    return config, [
        parse_move(geometry, word, f"move {number}") for number, word in enumerate(words[1:])
    ]
