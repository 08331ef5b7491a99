"""Regions that are cut off, and what claiming them does: section 10 of the rules."""

import pytest

from ringrift.rules import (
    Config,
    IllegalMove,
    Move,
    MoveType,
    Outcome,
    Phase,
    Reason,
    State,
    outcome,
)
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
    turn,
)

CLAIM = MoveType.CHOOSE_TERRITORY_OPTION
SKIP = MoveType.SKIP_TERRITORY_PROCESSING
PAY = MoveType.ELIMINATE_RINGS_FROM_STACK
NOTHING = MoveType.NO_TERRITORY_ACTION
square8_3p = Config("square8", 3)


def at_territory(drawing: str, config: Config | None = None) -> State:
    """Return a position in which player 1 has moved and may claim regions.

    Everyone has rings in hand, so that the game does not end with those on the board.
    """
    state = position(
        drawing, config or square8_2p, phase=Phase.TERRITORY_PROCESSING, hand=(3, 3, 3, 3)
    )
    state.changed = True
    return state


def claims(state: State) -> set[tuple[XY, int]]:
    """Return the claims offered: the region's first cell, and whose markers wall it in."""
    return {(state.variant.board.xy(option.to), option.extra) for option in options(state, CLAIM)}


def pay(state: State, at: XY) -> Move:
    """Return the elimination that pays with the stack on a cell."""
    return move(state, PAY, at)


def test_a_claim_takes_the_region_and_its_border_and_costs_a_whole_cap() -> None:
    state = at_territory(
        """
        . a . .
        a . . .
        . . 112 1 2
        """
    )
    assert claims(state) == {((0, 0), 1)}
    assert kinds(state) == {CLAIM, SKIP}
    state = play(state, CLAIM, (0, 0), extra=1)
    assert looks_like(
        state,
        """
        A A . .
        A . . .
        . . 112 1 2
        """,
    )
    assert kinds(state) == {PAY}
    assert landings(state, PAY) == {(2, 2), (3, 2)}
    state = play(state, PAY, (2, 2))
    assert looks_like(
        state,
        """
        A A . .
        A . . .
        . . 2 1 2
        """,
    )
    assert (state.eliminated[1], state.player, state.phase) == (2, 2, Phase.RING_PLACEMENT)


def test_a_single_ring_pays_as_well() -> None:
    state = play(at_territory(". a\na . . 1 2"), CLAIM, (0, 0), extra=1)
    assert looks_like(play(state, PAY, (3, 1)), "A A\nA . . . 2")


def test_all_rings_inside_are_credited_to_who_claims_ones_own_too() -> None:
    state = at_territory(
        """
        221 b  a
        a   a  .
        .   .  . 1
        """
    )
    state = play(state, CLAIM, (0, 0), extra=1)
    assert looks_like(
        state,
        """
        A A A
        A A .
        . . . 1
        """,
    )
    assert state.eliminated[1] == 3
    assert state.on_board[1:] == [1, 0]


def test_markers_of_two_colours_do_not_wall_in_but_collapsed_cells_of_anyone_help_either() -> None:
    rest = ". . . 1 2"
    assert claims(at_territory(f". a\nb {rest}")) == set()
    assert claims(at_territory(f". B\na {rest}")) == {((0, 0), 1)}
    assert claims(at_territory(f". A\nb {rest}")) == {((0, 0), 2)}
    assert claims(at_territory(f". A\nB {rest}")) == {((0, 0), 0)}


def test_a_region_that_several_walls_cut_off_is_offered_once() -> None:
    assert claims(at_territory(". A . a\nB . . b 1 2")) == {((0, 0), 0)}


def test_regions_may_overlap() -> None:
    state = at_territory(
        """
        . b B
        B B . 1 2
        """
    )
    assert claims(state) == {((0, 0), 0), ((0, 0), 2)}
    small = play(state, CLAIM, (0, 0), extra=2)
    large = play(state, CLAIM, (0, 0), extra=0)
    assert small.territory[1].bit_count() == large.territory[1].bit_count() == 2
    assert small.collapsed == large.collapsed


def test_after_a_claim_has_been_paid_regions_are_looked_up_afresh() -> None:
    state = at_territory(
        """
        . b . a . .
        b . . a . .
        a a a . 1 1
        . . . 2 . .
        """
    )
    assert claims(state) == {((0, 0), 1), ((0, 0), 2)}
    state = play(play(state, CLAIM, (0, 0), extra=2), PAY, (4, 2))
    assert looks_like(
        state,
        """
        A A . A . .
        A . . A . .
        A A A . . 1
        . . . 2 . .
        """,
    )
    # What was a part of the other region is cut off by collapsed cells now.
    assert claims(state) == {((1, 1), 0)}


def test_diagonal_gaps_do_not_connect_on_squares() -> None:
    state = at_territory(
        """
        . . a . .
        . a . . .
        a . . 1 2
        """
    )
    assert claims(state) == {((0, 0), 1)}


def test_the_border_takes_every_marker_that_is_linked_to_it_whoever_owns_it() -> None:
    state = at_territory(
        """
        . a . . .
        a . b . .
        . . . a . b
        . . . . . .
        . . . . . 1 2
        """
    )
    state = play(state, CLAIM, (0, 0), extra=1)
    assert looks_like(
        state,
        """
        A A . . .
        A . A . .
        . . . A . b
        . . . . . .
        . . . . . 1 2
        """,
    )


def test_on_hex_boards_the_border_takes_only_the_markers_beside_the_region() -> None:
    drawing = """
            {} {} b . .
           {} {} . . . .
          . . . . . . .
         . . . 1 . . . .
        . . . . . . . . .
         . . . 2 . . . .
          . . . . . . .
           . . . . . .
            . . . . .
        """
    state = at_territory(drawing.format(".", "a", "a", "a"), Config("hex8", 2))
    assert claims(state) == {((0, -4), 1)}
    state = play(state, CLAIM, (0, -4), extra=1)
    assert looks_like(state, drawing.format("A", "A", "A", "A"))


def test_a_region_qualifies_if_a_colour_on_the_board_controls_nothing_inside() -> None:
    both = """
        1 2 a
        a a .
        . . . {} 1 2
        """
    assert ((0, 0), 1) not in claims(at_territory(both.format("11"), square8_3p))
    # A third colour counts at whatever depth it lies.
    assert ((0, 0), 1) in claims(at_territory(both.format("1123"), square8_3p))


def test_without_a_stack_outside_to_pay_with_a_region_is_not_offered() -> None:
    assert claims(at_territory(". a\na . . 1 2")) == {((0, 0), 1)}
    assert claims(at_territory(". a\na . . . 21")) == set()
    assert ((0, 0), 1) not in claims(at_territory("1 a\na . . . 2"))
    assert ((0, 0), 1) in claims(at_territory("1 a\na . . 1 2"))


def test_claiming_may_stop_or_go_on_each_region_being_paid_by_itself() -> None:
    state = at_territory(
        """
        . a . . . . a .
        a . . . . . . a
        . . 1 . . 1 . .
        . . 2 . . . . .
        """
    )
    assert claims(state) == {((0, 0), 1), ((7, 0), 1)}
    assert play(state, SKIP).player == 2
    state = play(play(state, CLAIM, (7, 0), extra=1), PAY, (2, 2))
    assert (state.phase, claims(state)) == (Phase.TERRITORY_PROCESSING, {((0, 0), 1)})
    assert kinds(state) == {CLAIM, SKIP}
    state = play(play(state, CLAIM, (0, 0), extra=1), PAY, (5, 2))
    assert (state.eliminated[1], state.player) == (2, 2)


def test_with_nothing_to_claim_that_is_recorded() -> None:
    state = at_territory("a . . 1 2")
    assert kinds(state) == {NOTHING}
    with pytest.raises(IllegalMove):
        play(state, SKIP)
    with pytest.raises(IllegalMove):
        play(at_territory(". a\na . . 1 2"), NOTHING)


def test_the_whole_board_is_no_region() -> None:
    assert claims(at_territory(". . . . . . . 1")) == set()


def test_where_three_play_two_of_them_may_be_inside_and_a_third_may_own_the_wall() -> None:
    state = at_territory(
        """
        2 32 c . .
        c c  . . .
        .  . . 1 .
        """,
        square8_3p,
    )
    assert claims(state) == {((0, 0), 3)}
    state = play(state, CLAIM, (0, 0), extra=3)
    assert looks_like(state, "A A A . .\nA A . . .\n. . . 1 .")
    assert state.eliminated[1:] == [3, 0, 0]


def test_a_region_without_stacks_may_be_most_of_the_board() -> None:
    state = at_territory(
        """
        . C . . . . . .
        1 C . . . . . .
        . C . . . . . .
        2 C . . . . . .
        . C . . . . . .
        . C . . . . . .
        . C . . . . . .
        . C . . . . . .
        """,
        square8_3p,
    )
    # The strip on the left holds both colours on the board and whatever could pay for it.
    assert claims(state) == {((2, 0), 0)}
    after = play(state, CLAIM, (2, 0))
    assert after.territory[1].bit_count() == 48
    assert outcome(after) is not None


def test_who_lies_only_buried_or_plays_on_from_the_hand_can_claim_nothing() -> None:
    assert claims(at_territory(". a\na . . 21 2")) == set()


def test_a_region_declined_may_be_claimed_later_by_another_player() -> None:
    state = turn(at_territory(". a\na . . 1 2"))
    assert state.player == 2
    place = MoveType.PLACE_RING
    for kind, to, start in ((place, (6, 5), None), (MoveType.MOVE_STACK, (6, 7), (6, 5))):
        state = play(state, kind, to, start=start, extra=kind is place)
    state = play(state, MoveType.NO_LINE_ACTION)
    assert claims(state) == {((0, 0), 1)}
    state = turn(play(state, CLAIM, (0, 0), extra=1), pay(state, (6, 7)))
    assert looks_like(
        state,
        """
        B B . . . . .
        B . . 1 2 . .
        .
        .
        .
        . . . . . . b
        """,
    )
    assert (state.eliminated[1:], state.player) == ([0, 1], 1)


def test_once_the_last_stack_has_paid_nothing_more_can_be_claimed() -> None:
    state = at_territory(
        """
        . a . . . . a .
        a . . . . . . a
        . . 1 . . 2 . .
        """
    )
    state = play(state, CLAIM, (0, 0), extra=1)
    state = play(state, PAY, (2, 2))
    assert (state.player, state.phase) == (2, Phase.RING_PLACEMENT)


def test_a_claim_may_win_with_its_cost_still_owed() -> None:
    drawing = """
        A A A A A A A A
        A A A A A A A A
        A A A A A A A A
        A A A A A {} . .
        . . . . . . . .
        . . 1 . 2 . . .
        . . . . . . . a
        . . . . . . a .
        """
    enough = play(at_territory(drawing.format("A")), CLAIM, (7, 7), extra=1)
    assert outcome(enough) == Outcome(1, Reason.TERRITORY_CONTROL, (1, 2))
    one_less = play(at_territory(drawing.format(".")), CLAIM, (7, 7), extra=1)
    assert (outcome(one_less), kinds(one_less)) == (None, {PAY})
