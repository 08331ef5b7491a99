"""Moves as columns of bytes: what is written is read back, and what is damaged is refused."""

import random
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringrift.rules import Move, MoveType
from ringrift.rules.columns import (
    Columns,
    check_columns,
    decode_moves,
    encode_moves,
    extra_max,
)
from ringrift.rules.errors import NotationError
from ringrift.rules.geometry import Board, board, board_names
from ringrift.rules.moves import fields_of, moves_max, no_cell

boards = st.sampled_from(board_names).map(board)
seeds = st.integers(0, 2**32 - 1)
names = {"type": "type", "origin": "from", "target": "target", "to": "to", "extra": "extra"}
square8, hexagonal = board("square8"), board("hexagonal")


def any_moves(board: Board, seed: int) -> list[Move]:
    """Return 1 to 30 moves of any types on any cells, whether a rule allows them or not."""
    rng = random.Random(seed)
    return [any_move(board, rng) for _ in range(rng.randint(1, 30))]


def any_move(board: Board, rng: random.Random) -> Move:
    """Return a move of any type on any cells."""
    kind = rng.choice(list(MoveType))
    values = {
        field: rng.randint(0, extra_max) if field == "extra" else rng.choice(board.cells)
        for field in fields_of[kind]
    }
    return Move(kind, **values)


bare_types = {int(kind) for kind in MoveType if not fields_of[kind]}
one_of_each = [
    Move(
        kind,
        **{field: 1 if field == "extra" else square8.cell(3, 4) for field in fields_of[kind]},
    )
    for kind in MoveType
]


# Laws


@given(boards, seeds)
@settings(deadline=None)
def test_moves_are_read_back(board: Board, seed: int) -> None:
    moves = any_moves(board, seed)
    assert decode_moves(board, encode_moves(board, moves)) == moves


@given(boards, seeds)
@settings(deadline=None)
def test_equal_columns_are_equal_moves(board: Board, seed: int) -> None:
    moves = any_moves(board, seed)
    columns = encode_moves(board, moves)
    assert encode_moves(board, decode_moves(board, columns)) == columns


@given(boards, seeds, st.sampled_from([*names]), st.binary(min_size=1, max_size=3))
@settings(deadline=None)
def test_a_column_with_more_in_it_is_refused_by_name(
    board: Board, seed: int, field: str, more: bytes
) -> None:
    columns = encode_moves(board, any_moves(board, seed))
    longer = msgspec.structs.replace(columns, **{field: getattr(columns, field) + more})
    if any(kind not in bare_types for kind in more) or field != "type":
        with pytest.raises(
            NotationError, match=f"column {'' if field == 'type' else names[field]}"
        ):
            check_columns(board, longer)


@given(boards, seeds, st.sampled_from(["origin", "target", "to", "extra"]), st.data())
@settings(deadline=None)
def test_a_column_with_less_in_it_is_refused_by_name(
    board: Board, seed: int, field: str, data: st.DataObject
) -> None:
    moves = any_moves(board, seed)
    columns = encode_moves(board, moves)
    column = getattr(columns, field)
    if column:
        kept = data.draw(st.integers(0, len(column) - 1))
        shorter = msgspec.structs.replace(columns, **{field: column[:kept]})
        with pytest.raises(NotationError, match=f"the length of column {names[field]} is {kept};"):
            check_columns(board, shorter)


@given(boards, st.builds(Columns, *[st.binary(max_size=24)] * 5))
@settings(deadline=None)
def test_any_bytes_are_refused_or_read(board: Board, columns: Columns) -> None:
    try:
        check_columns(board, columns)
    except NotationError:
        with pytest.raises(NotationError):
            decode_moves(board, columns)
        return
    assert encode_moves(board, decode_moves(board, columns)) == columns


@given(boards, seeds, st.sampled_from([*names]), st.integers(0), st.integers(0, 255))
@settings(deadline=None)
def test_a_changed_byte_is_refused_or_makes_other_moves(
    board: Board, seed: int, field: str, index: int, value: int
) -> None:
    moves = any_moves(board, seed)
    columns = encode_moves(board, moves)
    column = bytearray(getattr(columns, field))
    if not column or column[index % len(column)] == value:
        return
    column[index % len(column)] = value
    changed = msgspec.structs.replace(columns, **{field: bytes(column)})
    try:
        others = decode_moves(board, changed)
    except NotationError:
        return
    assert others != moves


# Sizes and bytes


def test_a_move_that_equals_another_has_its_bytes() -> None:
    fields: Any = (MoveType.PLACE_RING, no_cell, no_cell, 9.0, 2.0)
    whole = Move(MoveType.PLACE_RING, to=9, extra=2)
    assert encode_moves(square8, [Move(*fields)]) == encode_moves(square8, [whole])


def test_one_move_of_each_type_has_these_bytes() -> None:
    place, resign = Move(MoveType.PLACE_RING, to=square8.cell(1, 2), extra=3), Move(MoveType.RESIGN)
    assert encode_moves(square8, [place, resign]) == Columns(b"\x01\x14", b"", b"", b"\x0a", b"\3")
    assert encode_moves(square8, one_of_each) == Columns(
        type=bytes(range(1, 22)),
        origin=b"\x1c" * 6,
        target=b"\x1c" * 4,
        to=b"\x1c" * 10,
        extra=b"\1" * 4,
    )


@pytest.mark.parametrize(
    ("kind", "small", "large"),
    [
        (MoveType.NO_LINE_ACTION, 1, 1),
        (MoveType.TIMEOUT, 1, 1),
        (MoveType.FORCED_ELIMINATION, 2, 3),
        (MoveType.PLACE_RING, 3, 4),
        (MoveType.CHOOSE_TERRITORY_OPTION, 3, 4),
        (MoveType.MOVE_STACK, 3, 5),
        (MoveType.PROCESS_LINE, 3, 5),
        (MoveType.CONTINUE_CAPTURE_SEGMENT, 4, 7),
        (MoveType.CHOOSE_LINE_OPTION, 5, 8),
        (MoveType.RECOVERY_SLIDE, 5, 8),
    ],
)
def test_moves_have_the_documented_size(kind: MoveType, small: int, large: int) -> None:
    for geometry, size in ((square8, small), (hexagonal, large)):
        last = geometry.cells[-1]
        fields = {field: 1 if field == "extra" else last for field in fields_of[kind]}
        columns = encode_moves(geometry, [Move(kind, **fields)])
        assert sum(len(column) for column in msgspec.structs.astuple(columns)) == size


# What is wrong is named

step = Move(MoveType.MOVE_STACK, square8.cell(0, 0), to=square8.cell(0, 1))


@pytest.mark.parametrize(
    ("move", "message"),
    [
        (
            step._replace(to=no_cell),
            "move 1 is 'move_stack from .*; expected a move on square8 with",
        ),
        (step._replace(to=8), r"to 8'; .* the fields of its type, origin, to"),
        (step._replace(target=0), "move 1 is 'move_stack from"),
        (step._replace(extra=1), "#1'; expected"),
        (Move(MoveType.PLACE_RING, to=0, extra=extra_max + 1), "x5'; expected"),
        (Move(MoveType.PLACE_RING, to=0, extra=-1), "x-1'; expected"),
        (Move(MoveType.PLACE_RING, to=0, extra=cast("int", 0.5)), "x0.5'; expected"),
        (Move(MoveType.RESIGN, to=0), "resign to .* the fields of its type, none"),
    ],
)
def test_a_move_that_would_not_be_read_back_is_not_written(move: Move, message: str) -> None:
    with pytest.raises(NotationError, match=message):
        encode_moves(square8, [step, move])


@pytest.mark.parametrize(
    ("board", "field", "column", "message"),
    [
        (square8, "type", b"", "the length of column type is 0; expected 1 to 65536 bytes"),
        (
            square8,
            "type",
            bytes([MoveType.RESIGN]) * (moves_max + 1),
            "the length of column type is 65537; expected 1 to 65536 bytes",
        ),
        (square8, "type", b"\x05\x16", "a move in column type is 22; expected 1 to 21"),
        (square8, "type", b"\x05\x00", "a move in column type is 0; expected 1 to 21"),
        (
            square8,
            "origin",
            b"",
            "the length of column from is 0; expected 1 bytes, for the 1 moves",
        ),
        (square8, "target", b"\0", "the length of column target is 1; expected 0 bytes"),
        (square8, "to", b"\0\0", "the length of column to is 2; expected 1 bytes"),
        (
            square8,
            "to",
            b"\x40",
            "a cell in column to is 64; expected numbers below 64, .* square8",
        ),
        (square8, "extra", b"\0", "the length of column extra is 1; expected 0 bytes"),
        (hexagonal, "origin", b"\0", "the length of column from is 1; expected 2 bytes"),
        (
            hexagonal,
            "origin",
            b"\1\xd5",
            "a cell in column from is 469; expected numbers below 469",
        ),
    ],
)
def test_what_is_wrong_with_a_column_is_named(
    board: Board, field: str, column: bytes, message: str
) -> None:
    moves = [Move(MoveType.MOVE_STACK, board.cells[0], to=board.cells[1])]
    columns = msgspec.structs.replace(encode_moves(board, moves), **{field: column})
    for judge in (check_columns, decode_moves):
        with pytest.raises(NotationError, match=message):
            judge(board, columns)


def test_a_number_beyond_any_use_is_named() -> None:
    columns = Columns(bytes([MoveType.PLACE_RING]), b"", b"", b"\0", b"\5")
    with pytest.raises(NotationError, match="a number in column extra is 5; expected 0 to 4"):
        check_columns(square8, columns)
    assert decode_moves(square8, msgspec.structs.replace(columns, extra=b"\4"))[0].extra == 4
