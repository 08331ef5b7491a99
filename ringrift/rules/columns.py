"""Moves in columns of bytes: the form in which game records hold them.

`type` has one byte for every move, the number of its `MoveType`. The columns `from`, `target`, `to`
and `extra` have an entry, in the order of the moves, for those alone whose type uses the field
(`fields_of` in `ringrift.rules.moves`). A cell is its index among the board's cells in ascending
order of (x, y): one byte, or two, big-endian, on boards of more than 256 cells. `extra` is one
byte, up to 4.

| move | bytes | on square19 and hexagonal |
|---|---|---|
| skip, no action, swap, resignation, timeout | 1 | 1 |
| elimination | 2 | 3 |
| placement, claim of a region | 3 | 4 |
| step, line of exact length | 3 | 5 |
| capture | 4 | 7 |
| line option, recovery slide | 5 | 8 |
"""

import functools
import struct
from collections.abc import Iterable, Sequence

import msgspec

from ringrift.rules.errors import wrong
from ringrift.rules.geometry import Board
from ringrift.rules.moves import Move, MoveType, describe, fields_of, moves_max, no_cell

extra_max = 4


class Columns(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The columns of one list of moves. Any bytes may be in them until `check_columns` has looked.

    Fields are named as in `Move`; in records `origin` is called `from`.
    """

    type: bytes
    origin: bytes = msgspec.field(name="from")
    target: bytes
    to: bytes
    extra: bytes


_cell_columns = {"origin": "from", "target": "target", "to": "to"}
"""The fields of moves that are cells, and what their columns are called."""

_octets = bytes(range(256))
_extras = {extra: _octets[extra : extra + 1] for extra in range(extra_max + 1)}
_types = bytes(MoveType)
_types_without = {
    field: bytes(kind for kind, fields in fields_of.items() if field not in fields)
    for field in ("origin", "target", "to", "extra")
}


def encode_moves(board: Board, moves: Iterable[Move]) -> Columns:
    """Return moves as columns.

    Raises `NotationError` naming the first move that `decode_moves` would not return as it is.
    """
    numbers = _cell_numbers(board)
    found: dict[str, list[bytes]] = {field: [] for field in Columns.__struct_fields__}
    for index, move in enumerate(moves):
        if not _is_sound(board, move):
            fields = ", ".join(fields_of[move.type]) or "none"
            expected = f"a move on {board.name} with the fields of its type, {fields}"
            raise wrong(f"move {index}", describe(board, move), expected)
        found["type"].append(_octet(move.type))
        for field in fields_of[move.type]:
            entries = _extras if field == "extra" else numbers
            found[field].append(entries[getattr(move, field)])
    return Columns(**{field: b"".join(column) for field, column in found.items()})


def _is_sound(board: Board, move: Move) -> bool:
    used = fields_of[move.type]
    return (move.extra in _extras if "extra" in used else move.extra == 0) and all(
        cell in board.rays if field in used else cell == no_cell
        for field, cell in zip(_cell_columns, move[1:4], strict=True)
    )


def check_columns(board: Board, columns: Columns) -> None:
    """Raise `NotationError` naming the first column that `decode_moves` could not read.

    Quick, as it looks at columns and not at single moves, of which there may be up to `moves_max`.
    """
    if not 1 <= len(columns.type) <= moves_max:
        raise wrong("the length of column type", len(columns.type), f"1 to {moves_max} bytes")
    if unknown := columns.type.translate(None, _types):
        raise wrong("a move in column type", unknown[0], f"1 to {len(MoveType)}")
    for field, name in _cell_columns.items():
        size = _cell_bytes(board)
        column: bytes = getattr(columns, field)
        _check_length(columns, field, name, size)
        if (highest := max(_numbers(column, size), default=0)) >= len(board.cells):
            expected = f"numbers below {len(board.cells)}, the cells of {board.name}"
            raise wrong(f"a cell in column {name}", highest, expected)
    _check_length(columns, "extra", "extra", 1)
    if (highest := max(columns.extra, default=0)) > extra_max:
        raise wrong("a number in column extra", highest, f"0 to {extra_max}")


def _check_length(columns: Columns, field: str, name: str, size: int) -> None:
    entries = len(columns.type.translate(None, _types_without[field]))
    column: bytes = getattr(columns, field)
    if len(column) != size * entries:
        expected = f"{size * entries} bytes, for the {entries} moves that use it"
        raise wrong(f"the length of column {name}", len(column), expected)


def decode_moves(board: Board, columns: Columns) -> list[Move]:
    """Return the moves in columns. Raises `NotationError` as `check_columns` does."""
    check_columns(board, columns)
    size = _cell_bytes(board)
    origins, targets, tos = (
        (board.cells[number] for number in _numbers(getattr(columns, field), size))
        for field in _cell_columns
    )
    extras = iter(columns.extra)
    moves = []
    for kind in map(MoveType, columns.type):
        fields = fields_of[kind]
        moves.append(
            Move(
                kind,
                next(origins) if "origin" in fields else no_cell,
                next(targets) if "target" in fields else no_cell,
                next(tos) if "to" in fields else no_cell,
                next(extras) if "extra" in fields else 0,
            )
        )
    return moves


@functools.cache
def _cell_numbers(board: Board) -> dict[int, bytes]:
    """Return each cell of a board as its entry in a column."""
    size = _cell_bytes(board)
    return {cell: number.to_bytes(size, "big") for number, cell in enumerate(board.cells)}


def _cell_bytes(board: Board) -> int:
    """Return the size of a cell's number."""
    return 1 if len(board.cells) <= len(_octets) else 2


def _octet(number: int) -> bytes:
    return _octets[number : number + 1]


def _numbers(column: bytes, size: int) -> Sequence[int]:
    """Return the cells' numbers in a column."""
    return column if size == 1 else struct.unpack(f">{len(column) // size}H", column)
