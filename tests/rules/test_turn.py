"""The phases of a turn, who takes turns, forced elimination and the pie rule."""

import pytest

from ringrift.rules import (
    Config,
    IllegalMove,
    Move,
    MoveType,
    Phase,
    RuleSet,
    State,
    apply,
    initial_state,
    legal_moves,
)
from ringrift.rules.moves import describe
from tests.rules.boards import kinds, landings, play, position, square8_2p

START = Phase.RING_PLACEMENT
no_actions = (
    MoveType.NO_PLACEMENT_ACTION,
    MoveType.NO_MOVEMENT_ACTION,
    MoveType.NO_LINE_ACTION,
    MoveType.NO_TERRITORY_ACTION,
)


def walk(state: State, *moves: MoveType) -> State:
    """Play moves that need no choice, each of which must be the only one offered."""
    for kind in moves:
        assert legal_moves(state) == (Move(kind),)
        state = apply(state, Move(kind))
    return state


def test_every_turn_walks_the_same_phases() -> None:
    state = initial_state(square8_2p)
    phases = [state.phase]
    state = play(state, MoveType.PLACE_RING, (0, 0), extra=1)
    phases.append(state.phase)
    state = play(state, MoveType.MOVE_STACK, (3, 0), start=(0, 0))
    phases.append(state.phase)
    state = walk(state, MoveType.NO_LINE_ACTION)
    phases.append(state.phase)
    assert phases == [
        Phase.RING_PLACEMENT,
        Phase.MOVEMENT,
        Phase.LINE_PROCESSING,
        Phase.TERRITORY_PROCESSING,
    ]
    state = walk(state, MoveType.NO_TERRITORY_ACTION)
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
    state = walk(state, *no_actions)
    assert (state.phase, state.player) == (Phase.FORCED_ELIMINATION, 1)
    assert kinds(state) == {MoveType.FORCED_ELIMINATION}
    assert landings(state, MoveType.FORCED_ELIMINATION) == {(0, 0), (3, 3)}
    state = play(state, MoveType.FORCED_ELIMINATION, (0, 0))
    assert state.stacks[0] == bytes([2])
    assert (state.eliminated[1], state.player, state.phase) == (8, 2, START)


def test_nothing_is_forced_in_a_turn_in_which_a_line_collapsed() -> None:
    state = position(too_high_to_move.format("a a a a a . 2"), phase=START)
    state = walk(state, MoveType.NO_PLACEMENT_ACTION, MoveType.NO_MOVEMENT_ACTION)
    state = play(state, MoveType.CHOOSE_LINE_OPTION, (4, 5), start=(0, 5), target=(0, 5), extra=2)
    state = walk(state, MoveType.NO_TERRITORY_ACTION)
    assert (state.player, state.phase) == (2, START)


def test_the_turn_passes_over_who_has_no_ring_left_and_stops_at_who_has_a_buried_one() -> None:
    four = Config("square8", 4)
    phase = Phase.TERRITORY_PROCESSING
    state = position("1 . 2 . 24", four, phase=phase, player=2, hand=(1, 1, 0, 0))
    state.changed = True
    state = play(state, MoveType.NO_TERRITORY_ACTION)
    assert state.player == 4  # player 3 has no ring anywhere
    assert kinds(walk(state, *no_actions)) == {MoveType.PLACE_RING, MoveType.SKIP_PLACEMENT}


def test_an_illegal_move_is_refused_with_what_was_expected() -> None:
    state = initial_state(square8_2p)
    with pytest.raises(IllegalMove) as caught:
        play(state, MoveType.MOVE_STACK, (1, 1), start=(0, 0))
    assert str(caught.value) == (
        "move_stack from (0, 0) to (1, 1) is not legal for player 1 in ring_placement; "
        "expected one of 192 moves: place_ring"
    )


@pytest.mark.parametrize("cell", [-7, 8, 71, 72, 10**6])
def test_a_cell_that_no_board_has_is_refused_like_any_other(cell: int) -> None:
    with pytest.raises(IllegalMove, match="place_ring"):
        apply(initial_state(square8_2p), Move(MoveType.PLACE_RING, to=cell, extra=1))


def test_a_move_is_described_in_words() -> None:
    geometry = initial_state(square8_2p).variant.board
    assert describe(geometry, Move(MoveType.PLACE_RING, to=geometry.cell(3, 4), extra=2)) == (
        "place_ring to (3, 4) x2"
    )
    assert describe(geometry, Move(MoveType.CHOOSE_TERRITORY_OPTION, to=0, extra=2)) == (
        "choose_territory_option to (0, 0) #2"
    )


def test_a_state_does_not_change_when_a_move_is_applied() -> None:
    state = position("11 b 2 a 21 .", hand=(1, 1))
    before = state.copy()
    for option in legal_moves(state):
        apply(state, option)
    assert state == before


# The pie rule, section 13


def after_the_first_turn(config: Config, rules: RuleSet) -> State:
    state = play(initial_state(config, rules), MoveType.PLACE_RING, (0, 0), extra=1)
    state = play(state, MoveType.MOVE_STACK, (3, 0), start=(0, 0))
    return walk(state, MoveType.NO_LINE_ACTION, MoveType.NO_TERRITORY_ACTION)


def test_the_second_player_may_swap_sides_once_before_their_first_move() -> None:
    state = after_the_first_turn(square8_2p, RuleSet(swap=True))
    assert MoveType.SWAP_SIDES in kinds(state)
    swapped = play(state, MoveType.SWAP_SIDES)
    assert swapped.swapped
    swapped.swapped = False
    assert swapped == state  # nothing else changes
    swapped.swapped = True
    assert MoveType.SWAP_SIDES not in kinds(swapped.copy())


def test_swapping_is_off_by_default() -> None:
    assert MoveType.SWAP_SIDES not in kinds(after_the_first_turn(square8_2p, RuleSet()))


def test_swapping_is_for_two_players_and_for_the_second_turn_of_the_game_only() -> None:
    three = after_the_first_turn(Config("square8", 3), RuleSet(swap=True))
    assert MoveType.SWAP_SIDES not in kinds(three)
    assert MoveType.SWAP_SIDES not in kinds(initial_state(square8_2p, RuleSet(swap=True)))
    first = position(".", player=1, phase=Phase.RING_PLACEMENT, rules=RuleSet(swap=True))
    first.turn = 2  # a position may be given in which player 2 began
    assert MoveType.SWAP_SIDES not in kinds(first)
    state = after_the_first_turn(square8_2p, RuleSet(swap=True))
    state = play(state, MoveType.PLACE_RING, (0, 5), extra=1)
    state = play(state, MoveType.MOVE_STACK, (1, 5), start=(0, 5))
    state = walk(state, MoveType.NO_LINE_ACTION, MoveType.NO_TERRITORY_ACTION)
    state = play(state, MoveType.PLACE_RING, (0, 7), extra=1)
    assert MoveType.SWAP_SIDES not in kinds(state)
