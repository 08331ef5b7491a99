"""What the JSON of moves says of a move that the position does not have."""

import pytest

from ringrift.rules import Move, MoveType, Phase, legal_moves
from ringrift.rules.errors import NotationError
from ringrift.rules.json_move import read_move, write_move
from ringrift.rules.state import Owed, State
from tests.rules.boards import position

lines = position("a a a a a\n1 2 . . .", phase=Phase.LINE_PROCESSING)
regions = position("1 2 . . .", phase=Phase.TERRITORY_PROCESSING)
slides = position("a . .\n. . .\n21 . .", hand=(0, 3))


def at(state: State, x: int, y: int) -> int:
    """Return a cell."""
    return state.variant.board.cell(x, y)


@pytest.mark.parametrize(
    ("state", "move"),
    [
        (lines, Move(MoveType.PROCESS_LINE, at(lines, 0, 0), to=at(lines, 3, 0))),
        (
            lines,
            Move(MoveType.CHOOSE_LINE_OPTION, at(lines, 0, 0), at(lines, 7, 7), at(lines, 4, 0), 2),
        ),
        (
            lines,
            Move(MoveType.CHOOSE_LINE_OPTION, at(lines, 0, 0), at(lines, 0, 0), at(lines, 4, 0), 9),
        ),
        (regions, Move(MoveType.CHOOSE_TERRITORY_OPTION, to=at(regions, 0, 0))),
        (regions, Move(MoveType.ELIMINATE_RINGS_FROM_STACK, to=at(regions, 5, 5))),
        (regions, Move(MoveType.FORCED_ELIMINATION, to=at(regions, 5, 5))),
        (
            slides,
            Move(MoveType.RECOVERY_SLIDE, at(slides, 0, 0), at(slides, 0, 2), at(slides, 1, 0), 9),
        ),
    ],
)
def test_a_move_that_is_not_legal_is_not_written(state: State, move: Move) -> None:
    message = f"move is '{move.type.word} .*'; expected one that is legal in {state.phase.value}"
    with pytest.raises(NotationError, match=message):
        write_move(state, move)


def test_an_overlong_line_may_be_named_all_the_same() -> None:
    named = Move(MoveType.PROCESS_LINE, at(lines, 0, 0), to=at(lines, 4, 0))
    assert named not in legal_moves(lines)
    assert read_move(lines, write_move(lines, named)) == named


def test_an_elimination_that_is_owed_is_written() -> None:
    state = position("1 2 . . .", phase=Phase.TERRITORY_PROCESSING)
    state.owed = Owed.TERRITORY
    paid = Move(MoveType.ELIMINATE_RINGS_FROM_STACK, to=at(state, 0, 0))
    assert read_move(state, write_move(state, paid)) == paid


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"to": {"x": 3, "y": 3}}, "to is {'x': 3, 'y': 3}; expected one of 0 claimable regions"),
        (
            {"to": {"x": 3, "y": 3}, "disconnectedRegions": []},
            "to is {'x': 3, 'y': 3}; expected one of 0 claimable regions",
        ),
        (
            {"to": {"x": 3, "y": 3}, "disconnectedRegions": [{"spaces": []}]},
            r"disconnectedRegions is \[.*\]; expected one of 0 claimable regions",
        ),
    ],
)
def test_a_region_that_is_not_there_is_named_by_the_field_that_was_read(
    value: dict[str, object], message: str
) -> None:
    with pytest.raises(NotationError, match=message):
        read_move(regions, {"type": "choose_territory_option"} | value)
