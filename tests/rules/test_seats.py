"""Three and four players: who takes turns, who is left standing, who wins when one leaves."""

import itertools
from collections.abc import Callable, Mapping, Sequence

import pytest

from ringrift.rules import (
    Config,
    Move,
    MoveType,
    Outcome,
    Phase,
    Reason,
    State,
    apply,
    initial_state,
    outcome,
)
from tests.rules.boards import (
    XY,
    kinds,
    landings,
    looks_like,
    move,
    no_actions,
    options,
    play,
    position,
    turn,
    walk_through,
)

STEP = MoveType.MOVE_STACK
START = Phase.RING_PLACEMENT
square8_3p, square8_4p = Config("square8", 3), Config("square8", 4)


def step(state: State, start: XY, to: XY) -> State:
    """Return the state after a turn in which a stack steps, and nothing else is done."""
    return turn(state, move(state, STEP, to, start=start))


# Who takes turns, section 15


@pytest.mark.parametrize("players", [2, 3, 4])
def test_seats_play_in_their_order_and_round_again(players: int) -> None:
    state = initial_state(Config("square8", players))
    seats = []
    for row in range(2 * players):
        seats.append(state.player)
        place = move(state, MoveType.PLACE_RING, (0, row), extra=1)
        state = turn(state, place, move(state, STEP, (1 + row % 2, row), start=(0, row)))
    assert seats == [*range(1, players + 1)] * 2


def test_seats_that_have_no_ring_are_passed_over_for_good() -> None:
    state = position("1 . .\n.\n. . . . . 3", square8_4p, phase=START)
    state = step(state, (0, 0), (1, 0))
    assert (state.player, state.turn) == (3, 2)
    state = step(state, (5, 2), (5, 3))
    assert (state.player, state.turn) == (1, 3)


def test_who_has_only_a_ring_in_hand_is_not_passed_over() -> None:
    state = position("1 . .\n.\n. . . . . 3", square8_4p, phase=START, hand=(0, 0, 0, 1))
    state = step(step(state, (0, 0), (1, 0)), (5, 2), (5, 3))
    assert (state.player, kinds(state)) == (4, {MoveType.PLACE_RING})


def test_a_ring_that_surfaces_brings_back_a_player_who_walked_through_no_actions() -> None:
    drawing = """
        12 . a . . . . .
        .  . . . . . . .
        1  . . . . 3 . .
        """
    state = position(drawing, square8_3p, phase=START, player=2)
    state = walk_through(state, *no_actions)
    assert state.player == 3
    state = step(state, (5, 2), (5, 3))
    # Landing on the marker costs player 1 the top ring, and the one below is player 2's.
    state = step(state, (0, 0), (2, 0))
    assert looks_like(
        state,
        """
        a  . 2 . . . . .
        .  . . . . . . .
        1  . . . . c . .
        .  . . . . 3
        """,
    )
    assert (state.player, kinds(state)) == (2, {MoveType.NO_PLACEMENT_ACTION})
    assert STEP in kinds(play(state, MoveType.NO_PLACEMENT_ACTION))


def test_who_loses_the_last_ring_in_mid_turn_plays_the_turn_to_its_end() -> None:
    state = position("1 b . 2 . 3\n.\n3", square8_3p)
    state = play(state, STEP, (1, 0), start=(0, 0))
    assert not state.has_rings(1)
    assert (state.player, state.phase) == (1, Phase.LINE_PROCESSING)
    state = walk_through(state, MoveType.NO_LINE_ACTION, MoveType.NO_TERRITORY_ACTION)
    state = step(step(state, (3, 0), (3, 1)), (0, 2), (0, 3))
    assert (state.player, state.turn) == (2, 4)


def test_a_forced_elimination_may_hand_its_stack_to_a_third_player() -> None:
    drawing = """
        11111111132 .
        .           .
        .           .
        .           . . 3
        .           .
        2
        """
    state = walk_through(position(drawing, square8_3p, phase=START), *no_actions)
    assert state.phase is Phase.FORCED_ELIMINATION
    assert landings(state, MoveType.FORCED_ELIMINATION) == {(0, 0)}
    state = play(state, MoveType.FORCED_ELIMINATION, (0, 0))
    assert looks_like(state, drawing.replace("11111111132", "32"))
    assert state.eliminated[1:] == [9, 0, 0]
    assert (state.player, state.lost_turn[1]) == (2, 1)


# The last player standing, section 14.3

Turn = Callable[[State], State]


def begun(state: State, streaks: Sequence[int] = ()) -> State:
    """Return the start of the next player's turn; `state` is at the end of one."""
    state.changed = True
    state.streak = [0, *streaks] if streaks else state.streak
    return play(state, MoveType.NO_TERRITORY_ACTION)


def played_out(state: State, others: Mapping[int, Turn]) -> tuple[list[int], Outcome | None]:
    """Return whose turns began until the game was over, and how it ended.

    One player's single ring walks along row 2, a cell a turn; others do what is given, or nothing.
    """
    seats = []
    while outcome(state) is None:
        seats.append(state.player)
        (walker,) = (at for at, rings in row_2(state) if len(rings) == 1)
        if state.player in others:
            state = others[state.player](state)
        elif state.controlled[state.player]:
            state = step(state, (walker, 2), (walker + 1, 2))
        else:
            state = walk_through(state, *no_actions)
    return seats, outcome(state)


def row_2(state: State) -> list[tuple[int, bytes]]:
    """Return the stacks of row 2, by x."""
    at = state.variant.board.xy
    return [(at(cell)[0], rings) for cell, rings in state.stacks.items() if at(cell)[1] == 2]


all_but_one_buried = """
    1234 . . . . . . .
    .    . . . . . . .
    1    . . . . . . .
    """


@pytest.mark.parametrize("players", [2, 3, 4])
def test_the_count_begins_with_any_seat_and_takes_three_full_rounds(players: int) -> None:
    config = Config("square19", players)
    buried = "".join(map(str, range(1, players + 1)))
    for active, last in itertools.product(range(1, players + 1), repeat=2):
        swap = str.maketrans({"1": str(active), str(active): "1"})
        drawing = all_but_one_buried.replace("1234", buried).translate(swap)
        state = begun(position(drawing, config, player=last, phase=Phase.TERRITORY_PROCESSING))
        first = state.player
        seats, result = played_out(state, {})
        assert len(seats) == (active - first) % players + 3 * players
        assert result is not None
        assert (result.winner, result.reason) == (active, Reason.LAST_PLAYER_STANDING)


def at_the_end_of_player_2s_turn(drawing: str) -> State:
    return position(drawing, Config("square19", 3), player=2, phase=Phase.TERRITORY_PROCESSING)


def test_a_real_action_regained_restarts_the_count() -> None:
    state = at_the_end_of_player_2s_turn(
        """
        123 . . . .
        .   . . . .
        1   . . . .
        .   . . . .
        3   a . . .
        """
    )
    state = begun(state, streaks=(2, -2, -2))
    # Player 3 has a last step, onto a marker, and then nothing but recovery for three rounds.
    assert state.streak[1:] == [2, -2, 1]
    state = step(state, (0, 4), (1, 4))
    seats, result = played_out(state, {3: turn})
    assert seats == [1, 2, 3] * 3
    assert result == Outcome(1, Reason.LAST_PLAYER_STANDING, (1, 3, 2))


def test_who_can_only_recover_does_not_stop_the_count() -> None:
    state = at_the_end_of_player_2s_turn(
        """
        12333333 . . . .
        .        . . . .
        1        . . . .
        .        . . . .
        .        . . . .
        .        . . . . . . . c
        """
    )

    def recover(state: State) -> State:
        slides = options(play(state, MoveType.NO_PLACEMENT_ACTION), MoveType.RECOVERY_SLIDE)
        return turn(state, slides[0])

    seats, result = played_out(begun(state), {3: recover})
    assert seats == [3, 1, 2] * 3 + [3]
    assert result == Outcome(1, Reason.LAST_PLAYER_STANDING, (1, 3, 2))


def test_nor_does_who_can_only_eliminate() -> None:
    walled_in = """
        3 C 3 C 3 C 3 C 3 C
        C C C C C C C C C C
        1 . . . . . . . . .
        . . . . . . . . . .
        {}
        """
    state = at_the_end_of_player_2s_turn(walled_in.format("12"))

    def eliminate(state: State) -> State:
        after = turn(state)
        assert after.eliminated[3] == state.eliminated[3] + 1
        return after

    seats, result = played_out(begun(state), {3: eliminate})
    assert seats == [3, 1, 2] * 3 + [3]
    assert result == Outcome(1, Reason.LAST_PLAYER_STANDING, (1, 3, 2))


# Leaving a game of three or four


@pytest.mark.parametrize("kind", [MoveType.RESIGN, MoveType.TIMEOUT])
@pytest.mark.parametrize("players", [3, 4])
@pytest.mark.parametrize("phase", [each for each in Phase if each is not Phase.GAME_OVER])
def test_the_game_ends_when_one_leaves_in_any_phase_and_the_best_other_wins(
    kind: MoveType, players: int, phase: Phase
) -> None:
    config = Config("square8", players)
    state = position("A A A B C C\n1 2", config, player=1, phase=phase, hand=(1, 1, 1, 1))
    result = outcome(apply(state, Move(kind)))
    assert result is not None
    assert (result.winner, result.reason.value) == (3, {20: "resignation", 21: "timeout"}[kind])
    assert result.ranking == (2, 3, 1, 4)[:players]


def test_of_equals_the_lowest_other_seat_wins_when_one_leaves() -> None:
    state = position("1 2 3 4", square8_4p, player=1)
    assert outcome(apply(state, Move(MoveType.RESIGN))) == Outcome(
        2, Reason.RESIGNATION, (2, 1, 2, 2)
    )


# Ranking, section 14.5


def test_of_equals_who_lost_the_last_ring_earlier_is_ranked_lower() -> None:
    drawing = """
        3 b . . 2 c . . 1
        .
        1
        """
    state = position(drawing, square8_3p, player=2, phase=START)
    state = step(step(state, (4, 0), (5, 0)), (0, 0), (1, 0))
    assert state.eliminated[1:] == [0, 1, 1]
    assert state.lost_turn[1:] == [0, 1, 2]
    assert outcome(state) == Outcome(1, Reason.SOLE_OWNER, (1, 3, 2))
