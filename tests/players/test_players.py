"""What every player keeps to, and the evaluation and the greedy player."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringrift.players import UnknownPlayer, make_player, player_names
from ringrift.players.evaluation import chances, lead, leads_after, strengths
from ringrift.players.match import play
from ringrift.rules import (
    Config,
    MoveType,
    Phase,
    apply,
    configs,
    initial_state,
    legal_moves,
    outcome,
)
from tests.players.reached import reach
from tests.rules.boards import position, square8_2p

seeds = st.integers(0, 2**32 - 1)
unfinished = st.tuples(st.sampled_from(configs), seeds, st.integers(0, 60))
"""A config, a seed, and how many random moves lead to the position."""


def test_players_have_names() -> None:
    assert set(player_names) == {"random", "greedy", "uct"}


@pytest.mark.parametrize("name", ["deep", "", "uct_", "uct_0", "uct_07", "uct_1000000", "uct_1\n"])
def test_an_unknown_player_is_refused_by_name(name: str) -> None:
    with pytest.raises(UnknownPlayer) as caught:
        make_player(name)
    known = "greedy, random, uct, or uct_1 to uct_999999"
    assert str(caught.value) == f"no player {name!r}; expected one of {known}"


@pytest.mark.parametrize("name", ["random", "greedy", "uct_4"])
@settings(max_examples=12, deadline=None)
@given(start=unfinished)
def test_a_choice_is_legal_and_draws_from_its_rng_alone(
    name: str, start: tuple[Config, int, int]
) -> None:
    state = reach(*start)
    before = state.copy()
    chosen = make_player(name).choose(state, random.Random(start[1]))
    assert chosen in legal_moves(state)
    assert state == before
    assert make_player(name).choose(reach(*start), random.Random(start[1])) == chosen


@pytest.mark.parametrize("name", ["random", "greedy", "uct_4"])
def test_a_game_is_a_function_of_its_seed(name: str) -> None:
    config = Config("hex8", 3)
    first, again, other = (play(config, (name,) * 3, seed) for seed in (b"a", b"a", b"b"))
    assert first == again
    assert first != other


def test_strength_is_a_sum_of_shares() -> None:
    state = position(
        "11 . a . A\n22 b b .\n12 . . . B B B",
        hand=(9, 3),
        eliminated=(6, 0),
    )
    # Each of 18 rings; 33 cells of territory and 18 eliminations win; 64 cells.
    assert strengths(state) == pytest.approx(
        [6 / 18 + 1 / 33 + 9 / 18 + 4 / 36 + 1 / 128, 3 / 33 + 3 / 18 + 2 / 36 + 2 / 128]
    )
    assert lead(state, 1) == pytest.approx(strengths(state)[0] - strengths(state)[1])
    assert lead(state, 2) == -lead(state, 1)


def test_a_lead_is_over_the_best_opponent() -> None:
    state = position("1\n2\n3", Config("square8", 3), hand=(1, 1, 1), eliminated=(4, 12, 8))
    # 24 eliminations win.
    assert [lead(state, seat) for seat in (1, 2, 3)] == pytest.approx(
        [(4 - 12) / 24, (12 - 8) / 24, (8 - 12) / 24]
    )


def test_chances_grow_with_strength() -> None:
    state = position("1\n2\n3", Config("square8", 3), hand=(1, 1, 1), eliminated=(0, 12, 6))
    found = chances(state)
    assert sum(found) == pytest.approx(1)
    # A lead of 0.1 is a factor e.
    assert found[1] / found[0] == pytest.approx(math.exp(5))
    assert found[2] / found[0] == pytest.approx(math.exp(2.5))


def test_when_a_game_is_over_the_winner_is_certain() -> None:
    state = position("11 . a . b .\n.\n.\n2", hand=(1, 1), eliminated=(17, 0))
    won = next(
        after
        for after in (apply(state, move) for move in legal_moves(state))
        if outcome(after) is not None
    )
    assert chances(won) == [1.0, 0.0]
    assert (lead(won, 1), lead(won, 2)) == (math.inf, -math.inf)


@settings(max_examples=20, deadline=None)
@given(st.sampled_from([c for c in configs if c.board in ("square8", "hex8")]), seeds)
def test_alike_placements_have_equal_leads(config: Config, seed: int) -> None:
    state = reach(config, seed, seed % 60)
    moves = legal_moves(state)
    assert leads_after(state, moves) == [lead(apply(state, m), state.player) for m in moves]


def test_greedy_wins_at_once_where_it_can() -> None:
    state = position("1 a . . .\n. . . b .\n. 2 . . .", eliminated=(17, 0), hand=(1, 1))
    chosen = make_player("greedy").choose(state, random.Random(1))
    assert outcome(apply(state, chosen)) is not None


def test_greedy_prefers_territory_and_eliminations_to_markers() -> None:
    state = position("11 . a . b . .\n.\n.\n2", hand=(1, 1), phase=Phase.MOVEMENT)
    chosen = make_player("greedy").choose(state, random.Random(1))
    assert chosen.type is MoveType.MOVE_STACK
    assert state.variant.board.xy(chosen.to) == (4, 0)


def test_greedy_takes_each_of_the_best_moves_at_times() -> None:
    chosen = {
        make_player("greedy").choose(initial_state(square8_2p), random.Random(seed)).to
        for seed in range(30)
    }
    assert len(chosen) > 15


def test_greedy_beats_random() -> None:
    won = 0
    for number in range(20):
        seats = ("greedy", "random") if number % 2 else ("random", "greedy")
        _, result = play(square8_2p, seats, bytes([number]))
        won += seats[result.winner - 1] == "greedy"
    assert won >= 15
