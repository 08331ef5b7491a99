"""Recovery, section 12 of the rules, and what it makes of the territory cost."""

import pytest

from ringrift.rules import (
    Config,
    IllegalMove,
    MoveType,
    Outcome,
    Phase,
    Reason,
    State,
    legal_moves,
    outcome,
)
from ringrift.rules.moves import RecoveryMode
from tests.rules.boards import XY, kinds, landings, looks_like, options, play, position

SLIDE = MoveType.RECOVERY_SLIDE
SKIP = MoveType.SKIP_RECOVERY
ALL, PART = RecoveryMode.LINE_ALL, RecoveryMode.LINE_PART
FALLBACK, STRIKE = RecoveryMode.FALLBACK, RecoveryMode.STACK_STRIKE


def offers(state: State) -> set[tuple[XY, XY, XY, int]]:
    """Return the slides offered, as (from, to, target, mode)."""
    xy = state.variant.board.xy
    return {
        (xy(option.origin), xy(option.to), xy(option.target), option.extra)
        for option in options(state, SLIDE)
    }


def slide(state: State, start: XY, to: XY, target: XY, mode: RecoveryMode) -> State:
    """Return the state after a slide."""
    return play(state, SLIDE, to, start=start, target=target, extra=mode)


def test_a_slide_that_makes_an_exact_line_collapses_it_for_one_buried_ring() -> None:
    state = position(
        """
        a a a . . .
        . . . . a .
        . 2211 . .
        """
    )
    assert offers(state) == {((4, 1), (3, 0), (1, 2), ALL)}
    assert kinds(state) == {SLIDE, SKIP}
    state = slide(state, (4, 1), (3, 0), (1, 2), ALL)
    assert looks_like(
        state,
        """
        A A A A . .
        . . . . . .
        . 221 . .
        """,
    )
    assert (state.eliminated[1], state.on_board[1]) == (1, 1)
    assert kinds(state) == {MoveType.NO_LINE_ACTION}


def test_of_a_longer_line_a_part_with_the_destination_may_collapse_for_nothing() -> None:
    state = position(
        """
        a a a a . .
        . . . . a .
        . 2211 . .
        """
    )
    assert offers(state) == {
        ((4, 1), (4, 0), (1, 2), ALL),
        ((4, 1), (4, 0), (1, 0), PART),  # not from (0, 0): that would leave out (4, 0)
    }
    part = slide(state, (4, 1), (4, 0), (1, 0), PART)
    assert looks_like(part, "a A A A A\n.\n. 2211 . .")
    assert part.eliminated[1] == 0
    whole = slide(state, (4, 1), (4, 0), (1, 2), ALL)
    assert looks_like(whole, "A A A A A\n.\n. 221 . .")


crossing = """
    . . . {0} . .
    . . . {0} . .
    . . . {0} . .
    {0} {0} {0} {2} . .
    . . . {0} {1} .
    . 2211 . .
    """


def test_a_part_without_the_destination_may_not_collapse_at_the_other_end_either() -> None:
    state = position(
        """
        . a a a a a .
        a . . . . . .
        . 2211 . . .
        """
    )
    assert offers(state) == {
        ((0, 1), (0, 0), (1, 2), ALL),
        ((0, 1), (0, 0), (0, 0), PART),
    }


def test_of_two_lines_that_a_slide_makes_only_the_longer_collapses() -> None:
    state = position(crossing.format("a", "a", "."))
    assert ((4, 4), (3, 3), (1, 5), ALL) in offers(state)
    parts = {target for *_, target, mode in offers(state) if mode == PART}
    assert parts == {(3, 0), (3, 1)}
    state = slide(state, (4, 4), (3, 3), (1, 5), ALL)
    assert looks_like(
        state,
        """
        . . . A . .
        . . . A . .
        . . . A . .
        a a a A . .
        . . . A . .
        . 221
        """,
    )


hexes = """
        . . . . .
       . . . . . .
      . . . . . . .
     . . . . . . . .
    {} {} {} {} {} {} {} {} {}
     . . {} . . . {} .
      . . . . . . .
       . 321 . . . .
        2 . . . .
    """
hex8_3p = Config("hex8", 3)


def test_on_hexes_any_part_of_a_longer_line_with_the_destination_may_collapse() -> None:
    state = position(hexes.format(*"aa.aa....", "a", "."), hex8_3p)
    xs = {start[0] for start, to, _, mode in offers(state) if (to, mode) == ((-2, 0), ALL)}
    assert xs == {-3, -2, -1}
    of_all_five = {offer for offer in offers(state) if offer[:2] == ((-2, 1), (-2, 0))}
    assert {(target, mode) for *_, target, mode in of_all_five} == {
        ((-3, 3), ALL),
        ((-4, 0), PART),
        ((-3, 0), PART),
        ((-2, 0), PART),
    }
    part = slide(state, (-2, 1), (-2, 0), (-3, 0), PART)
    assert looks_like(part, hexes.format(*"aAAAa....", ".", "."))
    assert part.eliminated[1:] == [0, 0, 0]
    whole = slide(state, (-2, 1), (-2, 0), (-3, 3), ALL)
    assert looks_like(whole, hexes.format(*"AAAAA....", ".", ".").replace("321", "32"))


def test_what_a_slide_leaves_of_a_line_is_processed_after_it_without_cost() -> None:
    state = position(hexes.format(*"aaaaaa...", ".", "a"), hex8_3p, hand=(1, 0, 0))
    assert ((2, 1), (2, 0), (0, 0), PART) in offers(state)
    state = slide(state, (2, 1), (2, 0), (0, 0), PART)
    assert looks_like(state, hexes.format(*"aaaaAAA..", ".", "."))
    line = MoveType.CHOOSE_LINE_OPTION
    assert kinds(state) == {line}
    state = play(state, line, (-1, 0), start=(-4, 0), target=(-4, 0), extra=1)
    assert looks_like(state, hexes.format(*"AAAAAAA..", ".", "."))
    assert state.eliminated[1:] == [0, 0, 0]
    assert state.phase is Phase.TERRITORY_PROCESSING


def test_a_line_of_three_is_enough_for_three_players() -> None:
    state = position("a a . . .\n. . . a .\n. 211 3", Config("square8", 3), hand=(0, 1, 1))
    assert offers(state) == {((3, 1), (2, 0), (1, 2), ALL)}


def test_of_two_lines_the_longer_collapses_and_of_equals_the_first_axis() -> None:
    equal = position(
        """
        . . . a . .
        . . . a . .
        . . . a . .
        a a a . . .
        . . . . a .
        . 2211 . .
        """
    )
    state = slide(equal, (4, 4), (3, 3), (1, 5), ALL)
    assert looks_like(
        state,
        """
        . . . a . .
        . . . a . .
        . . . a . .
        A A A A . .
        . . . . . .
        . 221 . .
        """,
    )


def test_without_a_line_any_slide_to_an_empty_cell_is_paid_with_a_buried_ring() -> None:
    state = position(
        """
        a .   B
        . 2   b
        . .   . 2121
        """
    )
    assert offers(state) == {
        ((0, 0), (1, 0), (3, 2), FALLBACK),
        ((0, 0), (0, 1), (3, 2), FALLBACK),
        ((0, 0), (1, 1), (3, 2), STRIKE),
    }
    state = slide(state, (0, 0), (1, 0), (3, 2), FALLBACK)
    assert looks_like(
        state,
        """
        . a   B
        . 2   b
        . .   . 212
        """,
    )
    assert (state.eliminated[1], state.phase) == (1, Phase.LINE_PROCESSING)


def test_a_strike_uses_up_the_marker_takes_a_top_ring_and_is_paid_for() -> None:
    state = position("a 21 . 211 .")
    state = slide(state, (0, 0), (1, 0), (3, 0), STRIKE)
    assert looks_like(state, ". 1 . 21 .")
    assert state.eliminated[1:] == [2, 0]


def test_a_strike_may_be_paid_from_the_stack_that_is_struck() -> None:
    state = position("a 21 . 211 .")
    state = slide(state, (0, 0), (1, 0), (1, 0), STRIKE)
    assert looks_like(state, ". . . 211 .")
    assert state.eliminated[1:] == [2, 0]


def test_a_strike_makes_no_line() -> None:
    state = position(
        """
        a a a 2211 .
        . . . .    a
        """
    )
    assert ((4, 1), (3, 0), (3, 0), STRIKE) in offers(state)
    assert not {ALL, PART} & {mode for *_, mode in offers(state)}


def test_the_two_rings_of_a_strike_may_win_where_one_of_a_fallback_does_not() -> None:
    state = position("a 21 . 211 .", eliminated=(16, 0), hand=(0, 1))
    assert outcome(slide(state, (0, 0), (0, 1), (3, 0), FALLBACK)) is None
    struck = slide(state, (0, 0), (1, 0), (3, 0), STRIKE)
    assert outcome(struck) == Outcome(1, Reason.RING_ELIMINATION, (1, 2))


def test_a_strike_may_hit_any_stack_also_one_without_rings_of_who_strikes() -> None:
    drawing = """
        a . 332 .
        . 3 .   .
        . . .   2212
        """
    state = position(drawing, Config("square8", 3), hand=(1, 0, 0))
    state = slide(state, (0, 0), (1, 1), (3, 2), STRIKE)
    assert looks_like(
        state,
        """
        . . 332 .
        . . .   .
        . . .   222
        """,
    )
    assert state.eliminated[1:] == [2, 0, 0]


def test_where_a_line_can_be_made_nothing_else_is_offered() -> None:
    state = position(
        """
        a a a . . .
        . . 2 . a .
        . 2211 . .
        """
    )
    assert {mode for *_, mode in offers(state)} == {ALL}


def test_every_stack_with_a_buried_ring_may_pay() -> None:
    state = position("a . 21 2 121 . . 211")
    payers = {target for _, _, target, _ in offers(state)}
    assert payers == set()  # player 1 controls a stack
    state = position("a . 21 2 2 . . 211")
    assert {target for _, _, target, _ in offers(state)} == {(2, 0), (7, 0)}


@pytest.mark.parametrize("drawing", ["a . 21 1", ". . 21", "a . 2 2"])
def test_who_has_a_stack_or_no_marker_or_no_buried_ring_cannot_recover(drawing: str) -> None:
    state = position(drawing, hand=(1, 1))
    assert not {SLIDE, SKIP} & kinds(state)
    with pytest.raises(IllegalMove):
        play(state, SKIP)


def test_who_has_placed_a_ring_cannot_recover_in_this_turn() -> None:
    state = position("a . . 21", phase=Phase.RING_PLACEMENT, hand=(2, 2))
    assert kinds(play(state, MoveType.SKIP_PLACEMENT)) == {SLIDE, SKIP}
    placed = play(state, MoveType.PLACE_RING, (0, 5), extra=1)
    assert kinds(placed) == {MoveType.MOVE_STACK}


def test_recovery_may_be_skipped_and_then_nothing_is_forced() -> None:
    state = play(position("a . 21 2", hand=(0, 1)), SKIP)
    state = play(state, MoveType.NO_LINE_ACTION)
    state = play(state, MoveType.NO_TERRITORY_ACTION)
    assert (state.player, state.phase) == (2, Phase.RING_PLACEMENT)


def test_who_cannot_slide_may_only_skip() -> None:
    state = position("a B . 21\nB B . 2", hand=(0, 1))
    assert [option.type for option in legal_moves(state)] == [SKIP]


def test_a_turn_of_recovery_from_placement_to_the_next_player() -> None:
    before = """
        . a . . . .
        . a . . . .
        . a . . . .
        B . a . . .
        . 2121 . . . 2
        """
    state = position(before, phase=Phase.RING_PLACEMENT, hand=(1, 0))
    state = play(state, MoveType.SKIP_PLACEMENT)
    assert offers(state) == {((2, 3), (1, 3), (1, 4), ALL)}
    state = slide(state, (2, 3), (1, 3), (1, 4), ALL)
    after_the_slide = """
        . A . . . .
        . A . . . .
        . A . . . .
        B A . . . .
        . 212 . . . 2
        """
    assert looks_like(state, after_the_slide)
    state = play(state, MoveType.NO_LINE_ACTION)
    # The corner is cut off now; the rest of the board is too, but nothing outside of it can pay.
    assert [option.to for option in legal_moves(state)][:-1] == [state.variant.board.cell(0, 0)]
    state = play(state, MoveType.CHOOSE_TERRITORY_OPTION, (0, 0))
    assert landings(state, MoveType.ELIMINATE_RINGS_FROM_STACK) == {(1, 4)}
    state = play(state, MoveType.ELIMINATE_RINGS_FROM_STACK, (1, 4))
    assert looks_like(
        state,
        """
        A A . . . .
        A A . . . .
        A A . . . .
        B A . . . .
        . 22 . . . 2
        """,
    )
    assert (state.eliminated[1:], state.on_board[1:]) == ([2, 0], [0, 3])
    assert (state.player, state.phase) == (2, Phase.RING_PLACEMENT)


def test_after_a_slide_a_region_is_paid_with_a_buried_ring_of_any_stack_outside() -> None:
    state = position(
        """
        . a . . .
        . . a . .
        a . . 2121 2
        """,
        hand=(0, 3),
    )
    # It makes no line: two steps of the wall come to lie around the corner cell.
    state = slide(state, (2, 1), (1, 1), (3, 2), FALLBACK)
    state = play(state, MoveType.NO_LINE_ACTION)
    assert looks_like(state, ". a . . .\n. a . . .\na . . 212 2")
    claim = MoveType.CHOOSE_TERRITORY_OPTION
    assert kinds(state) == {claim, MoveType.SKIP_TERRITORY_PROCESSING}
    state = play(state, claim, (0, 0), extra=1)
    assert looks_like(state, "A A . . .\nA A . . .\nA . . 212 2")
    assert kinds(state) == {MoveType.ELIMINATE_RINGS_FROM_STACK}
    state = play(state, MoveType.ELIMINATE_RINGS_FROM_STACK, (3, 2))
    assert looks_like(state, "A A . . .\nA A . . .\nA . . 22 2")
    assert state.eliminated[1] == 2


def test_a_ring_that_a_strike_has_freed_is_not_buried_and_cannot_pay() -> None:
    state = position(". a . . 121\na . 1 21 2", phase=Phase.TERRITORY_PROCESSING, hand=(0, 3))
    state.recovered = state.changed = True
    state = play(state, MoveType.CHOOSE_TERRITORY_OPTION, (0, 0), extra=1)
    assert landings(state, MoveType.ELIMINATE_RINGS_FROM_STACK) == {(4, 0), (3, 1)}


def test_the_next_turn_knows_nothing_of_the_slide() -> None:
    state = slide(position("a . 2211 . 2", hand=(0, 1)), (0, 0), (1, 0), (2, 0), FALLBACK)
    assert (state.recovered, state.changed) == (True, True)
    for kind in (MoveType.NO_LINE_ACTION, MoveType.NO_TERRITORY_ACTION):
        state = play(state, kind)
    assert (state.player, state.recovered, state.changed) == (2, False, False)


def test_after_a_slide_a_region_needs_a_buried_ring_outside_it() -> None:
    inside = position(
        """
        2121 a . . .
        .    . a . .
        a    . . 2 2
        """,
        hand=(0, 3),
    )
    state = slide(inside, (2, 1), (1, 1), (0, 0), FALLBACK)
    state = play(state, MoveType.NO_LINE_ACTION)
    # The corner holds the only buried ring, so only the rest of the board can be claimed.
    offered = options(state, MoveType.CHOOSE_TERRITORY_OPTION)
    assert [state.variant.board.xy(option.to) for option in offered] == [(0, 3)]
