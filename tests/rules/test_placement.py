"""Placing rings, section 6 of the rules."""

import pytest

from ringrift.rules import IllegalMove, MoveType, Phase, State, apply, initial_state, legal_moves
from tests.rules.boards import (
    XY,
    kinds,
    landings,
    looks_like,
    move,
    options,
    play,
    position,
    square8_2p,
)

PLACE = MoveType.PLACE_RING
START = Phase.RING_PLACEMENT


def counts(state: State, at: XY) -> set[int]:
    """Return how many rings may be placed on a cell."""
    cell = state.variant.board.cell(*at)
    return {option.extra for option in options(state, PLACE) if option.to == cell}


def test_the_first_player_may_place_one_to_three_rings_anywhere_and_must() -> None:
    state = initial_state(square8_2p)
    assert kinds(state) == {PLACE}
    assert len(legal_moves(state)) == 64 * 3


def test_a_placement_comes_out_of_the_hand() -> None:
    state = play(initial_state(square8_2p), PLACE, (1, 0), extra=3)
    assert looks_like(state, ". 111")
    assert (state.hand[1], state.on_board[1], state.phase) == (15, 3, Phase.MOVEMENT)


def test_no_more_rings_can_be_placed_than_the_hand_holds() -> None:
    assert counts(position("", phase=START, hand=(2, 9)), (4, 4)) == {1, 2}


def test_no_more_rings_can_be_placed_than_the_supply_leaves() -> None:
    drawing = "11111 1111 1111 1111"
    assert counts(position(drawing, phase=START, hand=(18, 9)), (4, 4)) == {1}


def test_markers_and_collapsed_cells_cannot_be_used_and_stacks_take_one_ring() -> None:
    state = position("1 a b A B 22", phase=START, hand=(5, 5))
    assert counts(state, (0, 0)) == {1}
    assert [counts(state, (x, 0)) for x in (1, 2, 3, 4)] == [set(), set(), set(), set()]
    assert counts(state, (5, 0)) == {1}
    assert looks_like(play(state, PLACE, (5, 0), extra=1), "1 a b A B 122")


def test_a_pile_needs_a_ray_as_long_as_it_is_high() -> None:
    state = position(
        """
        . . . B
        B B B B
        """,
        phase=START,
        hand=(5, 5),
    )
    assert [counts(state, (x, 0)) for x in (0, 1, 2)] == [{1, 2}, {1}, {1, 2}]


def test_a_cell_without_a_way_out_cannot_be_used_though_other_stacks_can_move() -> None:
    state = position(
        """
        . B 1
        B B
        """,
        phase=START,
        hand=(5, 5),
    )
    assert counts(state, (0, 0)) == set()
    assert counts(state, (2, 0)) == {1}


def test_two_rings_may_capture_where_one_and_three_cannot() -> None:
    state = position(
        """
        . 22 . B
        B B  B B
        """,
        phase=START,
        hand=(5, 5),
    )
    assert counts(state, (0, 0)) == {2}


def test_a_stack_that_would_grow_too_high_to_move_takes_no_ring() -> None:
    state = position("222222\n. . 1", phase=START, hand=(5, 5))
    assert counts(state, (0, 0)) == {1}
    state = position("2222222\n. . 1", phase=START, hand=(5, 5))
    assert counts(state, (0, 0)) == set()


def test_with_an_empty_hand_there_is_nothing_to_place() -> None:
    state = position("1 . . 2", phase=START)
    assert kinds(state) == {MoveType.NO_PLACEMENT_ACTION}


def test_placing_may_be_skipped_by_who_can_move_a_stack() -> None:
    state = position("1 . . 2", phase=START, hand=(5, 5))
    assert kinds(state) == {PLACE, MoveType.SKIP_PLACEMENT}


def test_placing_may_be_skipped_by_who_can_only_capture() -> None:
    state = position("11 2 . B\nB B B B", phase=START, hand=(5, 5))
    assert kinds(state) == {PLACE, MoveType.SKIP_PLACEMENT}
    assert kinds(play(state, MoveType.SKIP_PLACEMENT)) == {MoveType.OVERTAKING_CAPTURE}


def test_placing_may_be_skipped_by_who_can_recover() -> None:
    state = position("a . . 21", phase=START, hand=(5, 5))
    assert kinds(state) == {PLACE, MoveType.SKIP_PLACEMENT}
    state = play(state, MoveType.SKIP_PLACEMENT)
    assert kinds(state) == {MoveType.RECOVERY_SLIDE, MoveType.SKIP_RECOVERY}


@pytest.mark.parametrize("drawing", ["a . . 2", ". . . 21", "2 . . 2"])
def test_placing_is_compulsory_for_who_can_neither_move_nor_recover(drawing: str) -> None:
    assert kinds(position(drawing, phase=START, hand=(5, 5))) == {PLACE}


walled_in = "\n".join(["1 {} B B B B B B", *["B B B B B B B B"] * 7])


def test_where_nothing_can_be_placed_or_moved_that_is_recorded() -> None:
    state = position(walled_in.format("B"), phase=START, hand=(5, 5))
    assert kinds(state) == {MoveType.NO_PLACEMENT_ACTION}


def test_where_nothing_can_be_placed_a_skip_is_offered_and_no_action_accepted() -> None:
    state = position(walled_in.format("b"), phase=START, hand=(5, 5))
    assert kinds(state) == {MoveType.SKIP_PLACEMENT}
    no_action = move(state, MoveType.NO_PLACEMENT_ACTION)
    assert apply(state, no_action) == play(state, MoveType.SKIP_PLACEMENT)


def test_no_action_is_refused_where_something_can_be_placed() -> None:
    state = position("1 . . 2", phase=START, hand=(5, 5))
    with pytest.raises(IllegalMove, match="no_placement_action is not legal for player 1"):
        play(state, MoveType.NO_PLACEMENT_ACTION)


def test_the_stack_placed_on_must_move_and_no_other() -> None:
    state = play(position("1 . 2", phase=START, hand=(5, 5)), PLACE, (2, 0), extra=1)
    assert {option.origin for option in legal_moves(state)} == {state.variant.board.cell(2, 0)}
    assert (1, 0) not in landings(state, MoveType.MOVE_STACK)
    assert (4, 0) in landings(state, MoveType.MOVE_STACK)
