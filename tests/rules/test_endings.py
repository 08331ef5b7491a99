"""How games end and who is ranked where: section 14 of the rules."""

from collections.abc import Sequence
from typing import Any

import pytest

from ringrift.rules import (
    Config,
    EndTest,
    IllegalMove,
    Move,
    MoveType,
    Outcome,
    Phase,
    Reason,
    RuleSet,
    State,
    apply,
    configs,
    initial_state,
    legal_moves,
    outcome,
)
from ringrift.rules.endings import find_outcome, make_outcome
from ringrift.rules.json_state import read_state, write_state
from tests.rules import reference
from tests.rules.boards import nobody, play, position, square8_2p

STEP = MoveType.MOVE_STACK
square8_3p, square8_4p = Config("square8", 3), Config("square8", 4)


def won(state: State) -> tuple[int, Reason] | None:
    """Return who has won, and why, if anyone has."""
    result = outcome(state)
    return None if result is None else (result.winner, result.reason)


def end_turn(state: State) -> State:
    """Walk from line processing to the end of the turn, with nothing to process."""
    for kind in (MoveType.NO_LINE_ACTION, MoveType.NO_TERRITORY_ACTION):
        state = apply(state, Move(kind))
    return state


# Thresholds


def test_eliminating_enough_rings_wins_at_once() -> None:
    drawing = "11 . a . 2"
    before = position(drawing, eliminated=(16, 17), hand=(1, 1))
    assert won(play(before, STEP, (2, 0), start=(0, 0))) is None
    before = position(drawing, eliminated=(17, 17), hand=(1, 1))
    after = play(before, STEP, (2, 0), start=(0, 0))
    assert outcome(after) == Outcome(1, Reason.RING_ELIMINATION, (1, 2))
    assert (after.phase, legal_moves(after)) == (Phase.GAME_OVER, ())
    with pytest.raises(IllegalMove, match="resign is not legal; the game is over"):
        apply(after, Move(MoveType.RESIGN))


def test_the_test_may_wait_for_the_end_of_the_turn() -> None:
    rules = RuleSet(end_test=EndTest.TURN_END)
    drawing = "11 . a .\n.\n. . . . . . . 2"
    before = position(drawing, eliminated=(17, 0), hand=(1, 1), rules=rules)
    state = play(before, STEP, (2, 0), start=(0, 0))
    assert won(state) is None
    assert won(end_turn(state)) == (1, Reason.RING_ELIMINATION)


def test_so_may_those_for_the_other_endings() -> None:
    rules = RuleSet(end_test=EndTest.TURN_END)
    territory = position(f"{rows_of_eight}\n1 a . 2", hand=(1, 1), rules=rules)
    state = play(territory, STEP, (2, 4), start=(0, 4))
    assert won(state) is None
    state = play(state, MoveType.SKIP_CAPTURE) if state.phase is Phase.CAPTURE else state
    assert won(end_turn(state)) == (1, Reason.TERRITORY_CONTROL)
    sole_owner = position("1 . .\n. b 2", player=2, rules=rules)
    state = play(sole_owner, STEP, (1, 1), start=(2, 1))
    assert won(state) is None
    assert won(end_turn(state)) == (1, Reason.SOLE_OWNER)
    standstill = position("1 b", rules=rules)
    state = play(standstill, STEP, (1, 0), start=(0, 0))
    assert won(state) is None
    assert won(end_turn(state)) == (1, Reason.STANDSTILL)


rows_of_eight = "\n".join(["A A A A A A A A"] * 4)


def test_enough_territory_wins_if_it_is_more_than_all_others_have() -> None:
    state = position(f"{rows_of_eight}\n1 a . 2", hand=(1, 1))
    assert won(play(state, STEP, (2, 4), start=(0, 4))) == (1, Reason.TERRITORY_CONTROL)
    state = position(f"{rows_of_eight}\n1 . . 2", hand=(1, 1))
    assert won(play(state, STEP, (2, 4), start=(0, 4))) is None  # 32 of 33


def rows(*words: str) -> str:
    """Return a drawing of these words, eight in a row."""
    return "\n".join(" ".join(words[start : start + 8]) for start in range(0, len(words), 8))


def test_enough_territory_does_not_win_against_as_much_of_the_others_together() -> None:
    others = [*"B" * 11, *"C" * 10, "1", "2", "3"]
    assert find_outcome(position(rows(*"A" * 22, "C", *others), square8_3p)) is None
    result = find_outcome(position(rows(*"A" * 22, *others), square8_3p))
    assert result == Outcome(1, Reason.TERRITORY_CONTROL, (1, 2, 3))


def test_more_than_the_others_is_not_enough_territory_below_the_minimum() -> None:
    most = [*"A" * 15, *"B" * 10]
    assert find_outcome(position(rows(*most, "1", "2", "3"), square8_3p)) is None


def with_markers_around(config: Config, eliminated: int) -> State:
    """Return a position in which player 1 may step onto a marker, and everyone plays on."""
    squares = "11 . b\n2 3 4"
    hexes = """
            . . . . .
           . . . . . .
          . . . . . . .
         . . . . . . . .
        11 . b . . . . . .
         . . . . . . . .
          . . . . . . .
           . . . . . .
            2 . 3 . 4
        """
    drawing = hexes if config.board.startswith("hex") else squares
    for seat in range(config.players + 1, 5):
        drawing = drawing.replace(str(seat), ".")
    return position(drawing, config, eliminated=(eliminated, 0, 0, 0))


thresholds = {
    "square8": (18, 24, 30),
    "square19": (72, 96, 120),
    "hex8": (18, 24, 30),
    "hexagonal": (96, 128, 160),
}


@pytest.mark.parametrize("config", configs, ids=lambda config: config.name)
def test_every_config_has_its_number_of_eliminations(config: Config) -> None:
    threshold = thresholds[config.board][config.players - 2]
    x = -4 if config.board.startswith("hex") else 0
    for eliminated, result in ((threshold - 2, None), (threshold - 1, 1)):
        state = with_markers_around(config, eliminated)
        over = outcome(play(state, STEP, (x + 2, 0), start=(x, 0)))
        assert (over and over.winner) == result


def test_the_host_may_ask_for_another_number_of_eliminations() -> None:
    rules = RuleSet(elimination_threshold=2)
    before = position("11 . a . 2", eliminated=(1, 0), hand=(1, 1), rules=rules)
    assert won(play(before, STEP, (2, 0), start=(0, 0))) == (1, Reason.RING_ELIMINATION)


minima = {
    "square8": (33, 22, 17),
    "square19": (181, 121, 91),
    "hex8": (31, 21, 16),
    "hexagonal": (235, 157, 118),
}


@pytest.mark.parametrize("config", configs, ids=lambda config: config.name)
def test_every_config_has_its_minimum_of_territory(config: Config) -> None:
    minimum = minima[config.board][config.players - 2]
    source: dict[str, Any] = write_state(initial_state(config))
    names = reference.cell_names(config.board)
    for cells, result in ((minimum - 1, None), (minimum, 2)):
        source["board"]["collapsedSpaces"] = dict.fromkeys(names[:cells], 2)
        over = find_outcome(read_state(source))
        assert (over and over.winner) == result


def test_elimination_is_looked_at_before_territory() -> None:
    state = position(f"{rows_of_eight}\nA", eliminated=(18, 18))
    assert find_outcome(state) == Outcome(1, Reason.RING_ELIMINATION, (1, 2))


# The only one left with rings


def test_a_sole_owner_of_rings_wins_unless_the_host_plays_on() -> None:
    last_ring = """
        1 . . 11
        . b 2 .
        """
    state = position(last_ring, player=2)
    assert won(play(state, STEP, (3, 1), start=(2, 1))) is None
    assert won(play(state, STEP, (1, 1), start=(2, 1))) == (1, Reason.SOLE_OWNER)
    state = position(last_ring, player=2, rules=RuleSet(sole_owner_wins=False))
    assert won(play(state, STEP, (1, 1), start=(2, 1))) is None


@pytest.mark.parametrize(("drawing", "hand"), [("1 . 12", (0, 0)), ("1 . 1", (0, 1))])
def test_a_ring_in_hand_or_buried_keeps_the_game_going(drawing: str, hand: tuple[int, int]) -> None:
    assert find_outcome(position(drawing, hand=hand)) is None


# Last player standing

idle = """
    222221 . . . . . . .
    .      . . . . 2 . .
    """
"""Player 1 has one ring, far down in a stack of player 2."""


def after_turn_of(
    player: int,
    streaks: Sequence[int],
    drawing: str,
    config: Config = square8_2p,
    *,
    rounds: int = 3,
    hand: Sequence[int] = nobody,
) -> State:
    """Return the start of the next turn, with what is known of earlier ones."""
    phase, rules = Phase.TERRITORY_PROCESSING, RuleSet(lps_rounds=rounds)
    state = position(drawing, config, player=player, phase=phase, rules=rules, hand=hand)
    state.streak = [0, *streaks]
    state.changed = True
    return play(state, MoveType.NO_TERRITORY_ACTION)


def test_who_alone_could_act_for_three_rounds_and_now_wins_as_the_turn_starts() -> None:
    assert won(after_turn_of(1, (-3, 3), idle)) == (2, Reason.LAST_PLAYER_STANDING)


@pytest.mark.parametrize("streaks", [(-2, 3), (-3, 2), (3, 3), (-3, -3)])
def test_fewer_rounds_are_not_enough(streaks: tuple[int, int]) -> None:
    assert won(after_turn_of(1, streaks, idle)) is None


def test_the_host_may_ask_for_another_number_of_rounds() -> None:
    won_by_2 = (2, Reason.LAST_PLAYER_STANDING)
    assert won(after_turn_of(1, (-2, 2), idle, rounds=2)) == won_by_2
    assert won(after_turn_of(1, (-3, 3), idle, rounds=4)) is None


def test_an_opponent_who_can_act_again_stops_the_count() -> None:
    assert won(after_turn_of(1, (-3, 3), f"{idle.rstrip()}\n1")) is None
    assert won(after_turn_of(1, (-3, 3), idle, hand=(1, 0))) is None


def test_who_cannot_act_now_does_not_win() -> None:
    walled_in = rows("21", *"A" * 31, *"B" * 31, "21")
    assert won(after_turn_of(1, (-3, 3), walled_in)) is None


def test_seats_without_any_ring_do_not_count() -> None:
    state = after_turn_of(3, (3, 3, -3), "113 . 1", square8_3p)
    assert won(state) == (1, Reason.LAST_PLAYER_STANDING)


def test_three_idle_turns_are_counted_in_play() -> None:
    state = after_turn_of(1, (0, 0), idle)
    turns = []
    while outcome(state) is None:
        if state.phase is Phase.RING_PLACEMENT:
            turns.append(state.player)
        ring_steps = [
            move
            for move in legal_moves(state)
            if move.type is STEP
            and len(state.stacks[move.origin]) == 1
            and not state.marked >> move.to & 1
        ]
        state = apply(state, [*legal_moves(state), *ring_steps[:1]][-1])
    assert turns == [2, 1, 2, 1, 2, 1]
    assert won(state) == (2, Reason.LAST_PLAYER_STANDING)


# Standstill


@pytest.mark.parametrize(
    ("drawing", "eliminated", "winner"),
    [
        ("A A B b", (0, 9), 1),  # most territory
        ("A B a", (5, 6), 2),  # then most eliminated rings
        ("A B b", (5, 5), 2),  # then most markers
        ("A B", (5, 5), 1),  # then the lowest seat
    ],
)
def test_a_standstill_is_decided_by_the_ladder(
    drawing: str, eliminated: tuple[int, int], winner: int
) -> None:
    result = find_outcome(position(drawing, eliminated=eliminated))
    assert result is not None
    assert (result.winner, result.reason) == (winner, Reason.STANDSTILL)


def test_before_the_lowest_seat_wins_a_standstill_it_is_who_acted_last() -> None:
    state = position("A B")
    state.last_actor = 2
    assert find_outcome(state) == Outcome(2, Reason.STANDSTILL, (2, 1))


def test_rings_in_hand_count_as_eliminated_at_a_standstill() -> None:
    full = rows(*"A" * 32, *"B" * 32)
    result = find_outcome(position(full, hand=(0, 2), eliminated=(5, 4)))
    assert result == Outcome(2, Reason.STANDSTILL, (2, 1))


def test_so_they_do_in_the_ranking_behind_the_winner() -> None:
    full = rows(*"A" * 22, *"B" * 21, *"C" * 21)
    state = position(full, square8_3p, hand=(0, 0, 2), eliminated=(0, 4, 3))
    assert find_outcome(state) == Outcome(1, Reason.STANDSTILL, (1, 3, 2))


def test_in_the_ranking_of_other_endings_they_do_not_count() -> None:
    state = position("1 2 3", square8_3p, hand=(0, 0, 9), eliminated=(0, 1, 0))
    assert make_outcome(state, 1, Reason.SOLE_OWNER).ranking == (1, 2, 3)


@pytest.mark.parametrize(
    ("drawing", "eliminated", "winner"),
    [
        ("A D D B B C\na c", (9, 0, 9, 0), 2),  # territory, and the lower of equal seats
        ("A D D B B C\nd", (9, 0, 9, 0), 4),
        ("A B C D\na a c", (1, 3, 0, 1), 2),
        ("A B C D\na a c c c d d", (2, 2, 2, 2), 3),
    ],
)
def test_four_players_climb_the_ladder_alike(
    drawing: str, eliminated: tuple[int, ...], winner: int
) -> None:
    result = find_outcome(position(drawing, square8_4p, eliminated=eliminated))
    assert result is not None
    assert (result.winner, result.reason) == (winner, Reason.STANDSTILL)


def test_among_equals_the_last_to_place_step_or_capture_wins_a_standstill() -> None:
    place = position("1 . . 2 . 2", phase=Phase.RING_PLACEMENT, hand=(1, 0))
    assert place.last_actor == 0
    state = play(place, MoveType.PLACE_RING, (0, 2), extra=1)
    assert state.last_actor == 1
    step = position("1 . . 2 . 2", player=2)
    assert play(step, STEP, (6, 0), start=(5, 0)).last_actor == 2
    capture = play(step, MoveType.OVERTAKING_CAPTURE, (2, 0), start=(5, 0), target=(3, 0))
    assert capture.last_actor == 2
    idle = play(position("1 . . 2", player=2, phase=Phase.LINE_PROCESSING), MoveType.NO_LINE_ACTION)
    assert idle.last_actor == 0


def test_recovery_and_forced_elimination_are_no_real_actions_for_the_last_actor() -> None:
    state = position("a . . 21")
    slide = next(option for option in legal_moves(state) if option.type is MoveType.RECOVERY_SLIDE)
    assert apply(state, slide).last_actor == 0
    state = position("1 . . 2", phase=Phase.FORCED_ELIMINATION, hand=(1, 0))
    assert play(state, MoveType.FORCED_ELIMINATION, (0, 0)).last_actor == 0


def test_an_empty_board_is_no_standstill_while_someone_can_place() -> None:
    assert find_outcome(position("A B", hand=(0, 1))) is None


def test_the_last_ring_lost_is_a_standstill_in_mid_turn() -> None:
    state = play(position("1 b"), STEP, (1, 0), start=(0, 0))
    assert won(state) == (1, Reason.STANDSTILL)


# Ranking


def test_others_are_ranked_by_territory_eliminations_and_markers_and_equals_share() -> None:
    state = position("A A B C . d", square8_4p, eliminated=(0, 2, 2, 0))
    assert make_outcome(state, 4, Reason.SOLE_OWNER).ranking == (2, 3, 3, 1)
    assert make_outcome(state, 1, Reason.SOLE_OWNER).ranking == (1, 2, 2, 4)
    state.eliminated[3] = 3
    assert make_outcome(state, 1, Reason.SOLE_OWNER).ranking == (1, 3, 2, 4)
    state = position("b b c d d", square8_4p)
    assert make_outcome(state, 1, Reason.SOLE_OWNER).ranking == (1, 2, 4, 2)


def test_of_equals_who_lost_the_last_ring_later_or_never_is_ranked_higher() -> None:
    state = position("1", square8_4p)
    state.lost_turn = [0, 0, 5, 9, 0]
    assert make_outcome(state, 1, Reason.SOLE_OWNER).ranking == (1, 4, 3, 2)


def test_the_turn_in_which_a_player_loses_the_last_ring_is_remembered() -> None:
    state = position("3 b . 1 2", square8_3p, player=3, hand=(1, 1, 0))
    state.turn = 7
    state = play(state, STEP, (1, 0), start=(0, 0))
    assert state.lost_turn == [0, 0, 0, 7]


# Leaving


@pytest.mark.parametrize(
    ("kind", "reason"),
    [(MoveType.RESIGN, Reason.RESIGNATION), (MoveType.TIMEOUT, Reason.TIMEOUT)],
)
@pytest.mark.parametrize("phase", [each for each in Phase if each is not Phase.GAME_OVER])
def test_the_player_to_move_may_leave_in_any_phase_and_the_other_wins(
    kind: MoveType, reason: Reason, phase: Phase
) -> None:
    state = position("1 . . 2", phase=phase, eliminated=(9, 0))
    assert kind not in {move.type for move in legal_moves(state)}
    assert outcome(apply(state, Move(kind))) == Outcome(2, reason, (2, 1))
    with pytest.raises(IllegalMove):
        apply(state, Move(kind, to=0))


def test_if_one_of_three_leaves_the_best_placed_of_the_others_wins() -> None:
    state = position("A A B C C 1 2 3", square8_3p, hand=(1, 1, 1))
    assert outcome(apply(state, Move(MoveType.RESIGN))) == Outcome(3, Reason.RESIGNATION, (2, 3, 1))
