"""The phases of a turn, who takes turns, and forced elimination."""

from typing import Any, cast

import pytest

from ringrift.rules import (
    Config,
    IllegalMove,
    Move,
    MoveType,
    Phase,
    apply,
    initial_state,
    legal_moves,
)
from ringrift.rules.geometry import board
from ringrift.rules.moves import describe, no_cell
from ringrift.rules.notation import parse_move
from ringrift.rules.position_text import parse_position
from ringrift.rules.state import Owed
from tests.rules.boards import kinds, landings, no_actions, play, position, square8_2p, walk_through

START = Phase.RING_PLACEMENT


def test_every_turn_walks_the_same_phases() -> None:
    state = initial_state(square8_2p)
    phases = [state.phase]
    state = play(state, MoveType.PLACE_RING, (0, 0), extra=1)
    phases.append(state.phase)
    state = play(state, MoveType.MOVE_STACK, (3, 0), start=(0, 0))
    phases.append(state.phase)
    state = walk_through(state, MoveType.NO_LINE_ACTION)
    phases.append(state.phase)
    assert phases == [
        Phase.RING_PLACEMENT,
        Phase.MOVEMENT,
        Phase.LINE_PROCESSING,
        Phase.TERRITORY_PROCESSING,
    ]
    state = walk_through(state, MoveType.NO_TERRITORY_ACTION)
    assert (state.player, state.turn, state.phase) == (2, 2, START)


too_high_to_move = """
    111111112 .
    .         .
    .         .
    .         . . 11111
    .         .
    {}
    """


def test_who_controls_a_stack_but_cannot_act_must_eliminate_a_cap() -> None:
    state = position(too_high_to_move.format("2 21"), phase=START)
    state = walk_through(state, *no_actions)
    assert (state.phase, state.player) == (Phase.FORCED_ELIMINATION, 1)
    assert kinds(state) == {MoveType.FORCED_ELIMINATION}
    assert landings(state, MoveType.FORCED_ELIMINATION) == {(0, 0), (3, 3)}
    state = play(state, MoveType.FORCED_ELIMINATION, (0, 0))
    assert state.stacks[0] == bytes([2])
    assert (state.eliminated[1], state.player, state.phase) == (8, 2, START)


def test_nothing_is_forced_in_a_turn_in_which_a_line_collapsed() -> None:
    state = position(too_high_to_move.format("a a a a a . 2"), phase=START)
    state = walk_through(state, MoveType.NO_PLACEMENT_ACTION, MoveType.NO_MOVEMENT_ACTION)
    state = play(state, MoveType.CHOOSE_LINE_OPTION, (4, 5), start=(0, 5), target=(0, 5), extra=2)
    state = walk_through(state, MoveType.NO_TERRITORY_ACTION)
    assert (state.player, state.phase) == (2, START)


def test_a_region_saves_from_an_elimination_if_it_is_claimed() -> None:
    corner = """2 21 . . . . . .
    . . . . . . . b
    . . . . . . b .
    """
    state = position(too_high_to_move.format(corner), phase=START)
    state = walk_through(state, *no_actions[:-1])
    claim = MoveType.CHOOSE_TERRITORY_OPTION
    assert kinds(state) == {claim, MoveType.SKIP_TERRITORY_PROCESSING}
    declined = play(state, MoveType.SKIP_TERRITORY_PROCESSING)
    assert declined.phase is Phase.FORCED_ELIMINATION
    claimed = play(state, claim, (7, 7), extra=2)
    paid = play(claimed, MoveType.ELIMINATE_RINGS_FROM_STACK, (3, 3))
    assert (paid.player, paid.phase, paid.eliminated[1]) == (2, START, 5)


def test_the_turn_passes_over_who_has_no_ring_left_and_stops_at_who_has_a_buried_one() -> None:
    four = Config("square8", 4)
    phase = Phase.TERRITORY_PROCESSING
    state = position("1 . 2 . 24", four, phase=phase, player=2, hand=(1, 1, 0, 0))
    state.changed = True
    state = play(state, MoveType.NO_TERRITORY_ACTION)
    assert state.player == 4  # player 3 has no ring anywhere
    assert kinds(walk_through(state, *no_actions)) == {MoveType.PLACE_RING, MoveType.SKIP_PLACEMENT}


def test_an_illegal_move_is_refused_with_what_was_expected() -> None:
    state = initial_state(square8_2p)
    with pytest.raises(IllegalMove) as caught:
        play(state, MoveType.MOVE_STACK, (1, 1), start=(0, 0))
    assert str(caught.value) == (
        "move_stack from a1 to b2 is not legal for player 1 in ring_placement; "
        "expected one of 192 moves: place_ring"
    )


def test_where_one_move_is_legal_it_is_what_was_expected() -> None:
    resting = parse_position("square8_2p 8/2[11]3[2] 1 territory_processing flags=changed")
    with pytest.raises(IllegalMove) as caught:
        play(resting, MoveType.PLACE_RING, (3, 3), extra=1)
    assert str(caught.value) == (
        "place_ring to d4 x1 is not legal for player 1 in territory_processing; "
        "expected no_territory_action"
    )


def test_after_the_end_no_move_is_expected() -> None:
    over = apply(initial_state(square8_2p), Move(MoveType.RESIGN))
    with pytest.raises(IllegalMove) as caught:
        apply(over, Move(MoveType.TIMEOUT))
    assert str(caught.value) == "timeout is not legal; the game is over"


@pytest.mark.parametrize("cell", [-7, 8, 71, 72, 10**6])
def test_a_cell_that_no_board_has_is_refused_like_any_other(cell: int) -> None:
    with pytest.raises(IllegalMove, match="place_ring"):
        apply(initial_state(square8_2p), Move(MoveType.PLACE_RING, to=cell, extra=1))


@pytest.mark.parametrize(
    "not_a_move", ["d4-d7", None, (5, 0, -1, 1, 0), Move(cast("MoveType", 99))]
)
def test_what_is_no_move_is_refused_by_its_value(not_a_move: Any) -> None:
    expected = f"move is {not_a_move!r}; expected a Move of one of the MoveTypes"
    with pytest.raises(IllegalMove) as caught:
        apply(initial_state(square8_2p), not_a_move)
    assert str(caught.value) == expected


@pytest.mark.parametrize("cell", [1.5, [1], None])
def test_a_move_to_what_is_no_cell_is_refused_by_its_value(cell: Any) -> None:
    expected = r"^move is Move.*; expected whole numbers for its cells$"
    with pytest.raises(IllegalMove, match=expected):
        apply(initial_state(square8_2p), Move(MoveType.PLACE_RING, to=cell, extra=1))


def test_a_move_that_equals_a_legal_one_is_that_one() -> None:
    state = initial_state(square8_2p)
    here, there = (float(state.variant.board.cell(3, y)) for y in (3, 5))
    placing: Any = (MoveType.PLACE_RING, no_cell, no_cell, here, 2.0)
    stepping: Any = (MoveType.MOVE_STACK, here, no_cell, there, 0)
    placed = apply(state, Move(*placing))
    assert placed == play(state, MoveType.PLACE_RING, (3, 3), extra=2)
    assert {type(cell) for cell in (*placed.stacks, placed.mover)} == {int}
    stepped = apply(placed, Move(*stepping))
    assert stepped == play(placed, MoveType.MOVE_STACK, (3, 5), start=(3, 3))


def test_no_turn_begins_with_what_another_left() -> None:
    state = parse_position("square8_2p 8/2[11]3[2] 1 territory_processing flags=changed")
    state.mover = state.variant.board.cell(2, 1)
    after = apply(state, Move(MoveType.NO_TERRITORY_ACTION))
    assert (after.player, after.mover, after.owed) == (2, no_cell, Owed.NOTHING)


@pytest.mark.parametrize(
    ("board_name", "word", "described"),
    [
        ("square8", "Pd5x2", "place_ring to d5 x2"),
        ("square8", "Ta1w2", "choose_territory_option to a1 #2"),
        ("square19", "h4xi4-o4+", "continue_capture_segment from h4 over i4 to o4"),
        ("hex8", "e7xe6-e3", "overtaking_capture from e7 over e6 to e3"),
        ("hexagonal", "Rm13-m14:n2", "recovery_slide from m13 target n2 to m14 #3"),
    ],
)
def test_a_move_is_described_by_the_names_of_its_cells(
    board_name: str, word: str, described: str
) -> None:
    geometry = board(board_name)
    assert describe(geometry, parse_move(geometry, word)) == described


def test_a_cell_that_no_board_has_is_described_by_its_number() -> None:
    geometry = board("square8")
    move_off = Move(MoveType.MOVE_STACK, geometry.cell(0, 0), to=8)
    assert describe(geometry, move_off) == "move_stack from a1 to 8"


def test_a_state_does_not_change_when_a_move_is_applied() -> None:
    state = position("11 b 2 a 21 .", hand=(1, 1))
    before = state.copy()
    for option in legal_moves(state):
        apply(state, option)
    assert state == before
