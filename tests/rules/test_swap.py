"""The pie rule, section 13 of the rules."""

import random

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
    outcome,
)
from ringrift.rules.json_state import read_state, write_state
from ringrift.rules.position_text import parse_position
from tests.rules.boards import kinds, looks_like, move, play, position, square8_2p, turn

PLACE, STEP, SWAP = MoveType.PLACE_RING, MoveType.MOVE_STACK, MoveType.SWAP_SIDES
with_swap = RuleSet(swap=True)


def take_turn(state: State, y: int) -> State:
    """Return the state after a turn in which one ring is placed in a row and steps along it.

    The stacks of turns in different even rows cannot capture one another.
    """
    step = move(state, STEP, (3 + y // 2, y), start=(0, y))
    return turn(state, move(state, PLACE, (0, y), extra=1), step)


def after_the_first_turn(config: Config = square8_2p, rules: RuleSet = with_swap) -> State:
    """Return the beginning of the second player's first turn."""
    return take_turn(initial_state(config, rules), 0)


def test_the_second_player_may_swap_sides_before_their_first_move() -> None:
    assert kinds(after_the_first_turn()) == {PLACE, SWAP}


def test_a_swap_changes_nothing_but_who_sits_where() -> None:
    state = after_the_first_turn()
    expected = write_state(state)
    assert isinstance(expected["turn"], dict)
    expected["turn"]["swapped"] = True
    swapped = play(state, SWAP)
    assert (swapped.player, swapped.phase, swapped.turn) == (2, Phase.RING_PLACEMENT, 2)
    assert looks_like(swapped, "a . . 1")
    assert write_state(swapped) == expected


def test_the_second_player_goes_on_with_their_first_turn_and_cannot_swap_back() -> None:
    state = play(after_the_first_turn(), SWAP)
    assert kinds(state) == {PLACE}
    assert set(legal_moves(state)) == set(legal_moves(after_the_first_turn())) - {Move(SWAP)}
    with pytest.raises(IllegalMove, match="swap_sides is not legal for player 2"):
        apply(state, Move(SWAP))
    state = take_turn(take_turn(state, 2), 4)
    assert state.swapped
    assert SWAP not in kinds(state)


def test_a_swap_is_remembered_in_json() -> None:
    state = play(after_the_first_turn(), SWAP)
    assert SWAP not in kinds(read_state(write_state(state), with_swap))


def test_swapping_is_off_by_default() -> None:
    state = after_the_first_turn(rules=RuleSet())
    assert kinds(state) == {PLACE}
    with pytest.raises(IllegalMove):
        apply(state, Move(SWAP))


@pytest.mark.parametrize("players", [3, 4])
def test_swapping_is_for_two_players_only(players: int) -> None:
    assert kinds(after_the_first_turn(Config("square8", players))) == {PLACE}


def test_the_first_player_cannot_swap() -> None:
    assert kinds(initial_state(square8_2p, with_swap)) == {PLACE}
    given = position(".", phase=Phase.RING_PLACEMENT, hand=(1, 1), rules=with_swap)
    given.turn = 2  # a position may be given in which player 2 began
    assert kinds(given) == {PLACE}


def test_once_the_second_player_has_moved_it_is_too_late() -> None:
    state = play(after_the_first_turn(), PLACE, (0, 5), extra=1)
    assert kinds(state) == {STEP}
    state = take_turn(take_turn(after_the_first_turn(), 2), 4)
    assert (state.player, state.turn) == (2, 4)
    assert SWAP not in kinds(state)


@pytest.mark.parametrize("taken", [True, False])
def test_in_a_whole_game_it_is_offered_once(taken: bool) -> None:
    rng = random.Random(1)
    state, offered = initial_state(square8_2p, with_swap), []
    while outcome(state) is None:
        options = [option for option in legal_moves(state) if option.type is not SWAP]
        if len(options) < len(legal_moves(state)):
            offered.append((state.turn, state.player))
            options = [Move(SWAP)] if taken else options
        state = apply(state, rng.choice(options))
    assert offered == [(2, 2)]
    assert state.swapped == taken


def test_beside_a_swap_too_it_may_be_told_that_nothing_can_be_placed() -> None:
    """As AMB-14 has it, where the stacks can move."""
    walled = "/".join(["[2]aABABAB", *["ABABABAB"] * 7])
    state = parse_position(
        f"square8_2p {walled} 2 ring_placement turn=2 hand=5,5", RuleSet(swap=True)
    )
    assert kinds(state) == {MoveType.SKIP_PLACEMENT, SWAP}
    after = apply(state, Move(MoveType.NO_PLACEMENT_ACTION))
    assert after.phase is Phase.MOVEMENT
