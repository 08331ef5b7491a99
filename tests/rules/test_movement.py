"""Steps, captures and chains, sections 7 and 8 of the rules."""

import pytest

from ringrift.rules import Config, IllegalMove, MoveType, Phase
from tests.rules.boards import XY, kinds, landings, looks_like, options, play, position

STEP = MoveType.MOVE_STACK
CAPTURE = MoveType.OVERTAKING_CAPTURE
CONTINUE = MoveType.CONTINUE_CAPTURE_SEGMENT


def in_row(cells: set[XY], y: int = 0) -> set[int]:
    """Return the x of those cells that lie in one row."""
    return {x for x, row in cells if row == y}


def test_a_stack_steps_at_least_as_far_as_it_is_high_in_all_eight_directions() -> None:
    state = position(
        """
        . . . . .
        . . . . .
        . . . . .
        . . . 112 . . . 2
        """
    )
    assert landings(state, STEP, (3, 3)) == {
        *((3, 0), (0, 3), (6, 3), (3, 6), (3, 7)),
        *((0, 0), (6, 0), (0, 6), (6, 6), (7, 7)),
    }


def test_stacks_and_collapsed_cells_are_obstacles_and_markers_are_not() -> None:
    state = position(". . B 1 a . b 2")
    assert in_row(landings(state, STEP, (3, 0))) == {4, 5, 6}


def test_a_step_leaves_a_marker_flips_foreign_ones_and_collapses_own_ones() -> None:
    state = play(position("1 b a b . . 2"), STEP, (4, 0), start=(0, 0))
    assert looks_like(state, "a a A a 1 . 2")
    assert state.eliminated[1:] == [0, 0]


@pytest.mark.parametrize("marker", ["a", "b"])
def test_landing_on_a_marker_costs_the_top_ring_and_may_hand_the_stack_over(marker: str) -> None:
    state = play(position(f"12 . {marker} . 21"), STEP, (2, 0), start=(0, 0))
    assert looks_like(state, "a . 2 . 21")
    assert state.eliminated[1:] == [1, 0]
    assert state.phase is Phase.LINE_PROCESSING


def test_a_single_ring_that_lands_on_a_marker_is_gone() -> None:
    state = play(position("1 b . 2", hand=(1, 1)), STEP, (1, 0), start=(0, 0))
    assert looks_like(state, "a . . 2")
    assert (state.on_board[1], state.eliminated[1]) == (0, 1)


def test_who_can_move_must() -> None:
    assert kinds(position("1 . . 2")) == {STEP, CAPTURE}


def test_a_capture_lands_anywhere_behind_its_target_up_to_the_next_obstacle() -> None:
    assert in_row(landings(position("1 2 . b . B . ."), CAPTURE)) == {2, 3, 4}


def test_the_captured_ring_goes_under_the_stack() -> None:
    state = play(position("11 212 . ."), CAPTURE, (3, 0), start=(0, 0), target=(1, 0))
    assert looks_like(state, "a 12 . 112")
    assert state.eliminated[1:] == [0, 0]


@pytest.mark.parametrize(
    ("drawing", "legal"),
    [
        ("1 22 . .", set()),  # its cap is too high
        ("1 2111 . .", {2, 3, 4, 5, 6, 7}),  # its height does not matter
        ("112 22 . .", {3, 4, 5, 6, 7}),  # the whole distance is at least the height
        ("122 22 . .", set()),  # the cap counts, not the height
        ("1 1 . . 2", {2, 3}),  # one's own stacks are targets too
        ("1 2 2 . .", set()),  # the landing behind is taken
        ("1 2 B . .", set()),
        ("1 B 2 . .", set()),
        ("1 a 2 b .", {3, 4, 5, 6, 7}),  # markers are no obstacle
    ],
)
def test_what_may_be_captured_and_from_where(drawing: str, legal: set[int]) -> None:
    assert in_row(landings(position(drawing), CAPTURE, (0, 0))) == legal


def test_markers_on_both_legs_of_a_capture_are_treated_as_in_a_step() -> None:
    state = play(position("1 b 2 a ."), CAPTURE, (4, 0), start=(0, 0), target=(2, 0))
    assert looks_like(state, "a a . A 12")


def test_landing_on_a_marker_costs_the_top_ring_after_the_capture() -> None:
    state = play(position("1 2 b . 21"), CAPTURE, (2, 0), start=(0, 0), target=(1, 0))
    assert looks_like(state, "a . 2 . 21")
    assert state.eliminated[1] == 1
    assert state.phase is Phase.LINE_PROCESSING


def test_after_a_step_the_stack_may_capture_once_or_not() -> None:
    before = position("1 . . 2 . . . .")
    state = play(before, STEP, (1, 0), start=(0, 0))
    assert state.phase is Phase.CAPTURE
    assert kinds(state) == {CAPTURE, MoveType.SKIP_CAPTURE}
    assert play(state, MoveType.SKIP_CAPTURE).phase is Phase.LINE_PROCESSING
    after = play(state, CAPTURE, (7, 0), start=(1, 0), target=(3, 0))
    assert after.phase is Phase.LINE_PROCESSING


def test_after_a_step_no_other_stack_may_capture() -> None:
    state = position(
        """
        1 2 . .
        . . . .
        . . . .
        . . . .
        . . . . . . 1
        """
    )
    state = play(state, STEP, (7, 5), start=(6, 4))
    assert state.phase is Phase.LINE_PROCESSING


def test_a_chain_must_go_on_while_it_can() -> None:
    state = position(
        """
        1 2 . .
        . . . .
        . . 2 .
        . . . .
        """
    )
    state = play(state, CAPTURE, (2, 0), start=(0, 0), target=(1, 0))
    assert state.phase is Phase.CHAIN_CAPTURE
    assert kinds(state) == {CONTINUE}
    state = play(state, CONTINUE, (2, 7), start=(2, 0), target=(2, 2))
    assert state.phase is Phase.LINE_PROCESSING
    assert state.stacks == {state.variant.board.cell(2, 7): bytes([1, 2, 2])}


def test_a_chain_may_turn_back_over_the_same_target_and_its_own_marker() -> None:
    state = position(". . 11 22 . . . .")
    state = play(state, CAPTURE, (5, 0), start=(2, 0), target=(3, 0))
    assert looks_like(state, ". . a 2 . 112")
    # Heights are taken anew: three rings go at least three cells.
    assert in_row(landings(state, CONTINUE)) == {0, 1, 2}
    state = play(state, CONTINUE, (1, 0), start=(5, 0), target=(3, 0))
    assert looks_like(state, ". 1122 A . . a")


def test_the_landing_of_a_chain_must_be_as_far_as_the_grown_stack_is_high() -> None:
    state = position(". . 11 22 . . . .")
    state = play(state, CAPTURE, (4, 0), start=(2, 0), target=(3, 0))
    with pytest.raises(IllegalMove, match="continue_capture_segment from e1 "):
        play(state, CONTINUE, (2, 0), start=(4, 0), target=(3, 0))


def test_a_capture_may_open_the_movement_of_any_stack_that_the_player_controls() -> None:
    state = position(
        """
        1 2 . .
        . 1 2 .
        """
    )
    assert {option.origin for option in options(state, CAPTURE)} == {
        state.variant.board.cell(0, 0),
        state.variant.board.cell(1, 1),
    }


def test_hex_stacks_move_in_six_directions() -> None:
    state = position(
        """
            . . . . .
           . . . . . .
          . . . . . . .
         . . . . . . . .
        . . . . 11 . . . .
         . 2 . . . . . .
          . . . . . . .
           . . . . . .
            . . . . .
        """,
        Config("hex8", 2),
    )
    assert landings(state, STEP) == {
        (steps * x, steps * y)
        for x, y in ((1, 0), (1, -1), (0, -1), (-1, 0), (-1, 1), (0, 1))
        for steps in (2, 3, 4)
    }


def test_a_chain_ends_where_landing_on_a_marker_hands_the_stack_over() -> None:
    state = position(
        """
        1 2 . .
        . . . .
        . . 2 .
        . . . .
        . . b 2 . . .
        . . . 2 . . .
        """,
        hand=(1, 0),
    )
    state = play(state, CAPTURE, (2, 0), start=(0, 0), target=(1, 0))
    further = play(state, CONTINUE, (2, 5), start=(2, 0), target=(2, 2))
    assert further.phase is Phase.CHAIN_CAPTURE
    state = play(state, CONTINUE, (2, 4), start=(2, 0), target=(2, 2))
    assert looks_like(
        state,
        """
        a . a .
        . . . .
        . . . .
        . . . .
        . . 22 2 . . .
        . . .  2 . . .
        """,
    )
    assert (state.eliminated[1], state.phase) == (1, Phase.LINE_PROCESSING)


def test_a_self_capture_moves_ones_own_ring_below() -> None:
    state = play(position("1 12 . . 2"), CAPTURE, (2, 0), start=(0, 0), target=(1, 0))
    assert looks_like(state, "a 2 11 . 2")
    assert state.eliminated[1:] == [0, 0]


def test_hex_captures_run_in_six_directions_and_count_the_whole_distance() -> None:
    state = position(
        """
            . . . . .
           . . . . . .
          . . . 2 . . .
         . . . 2 2 . . .
        . . . 2 111 2 . . .
         . . . 2 2 . . .
          . . . . . . .
           . . . . . .
            . . . . .
        """,
        Config("hex8", 2),
    )
    assert landings(state, CAPTURE) == {
        (steps * x, steps * y)
        for x, y in ((1, 0), (1, -1), (0, -1), (-1, 0), (-1, 1), (0, 1))
        for steps in (3, 4)
    }
