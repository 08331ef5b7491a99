"""A position's key: kept move by move, it is what the position alone says; what plays on
differently has another."""

import random
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringrift.rules import Config, Phase, RuleSet, State, apply, configs, initial_state, legal_moves
from ringrift.rules.json_state import read_state, write_state
from ringrift.rules.position_text import parse_position
from tests.rules.boards import position, square8_2p
from tests.rules.walks import opening, walk

small_configs = [config for config in configs if config.board in ("square8", "hex8")]
large_configs = [config for config in configs if config not in small_configs]
seeds = st.integers(0, 2**32 - 1)


def check_kept(config: Config, seed: int, moves_max: int) -> None:
    """Play a game and compare each position with its like that was made at once."""
    rng = random.Random(seed)
    for before, _, after in walk(opening(config, rng), rng, moves_max):
        like = read_state(write_state(after), before.variant.rules)
        assert like == after
        assert like.key == after.key
        assert hash(like) == hash(after)
        assert legal_moves(like) == legal_moves(after)
        assert before.copy().key == before.key


@given(st.sampled_from(small_configs), seeds)
@settings(max_examples=30, deadline=None)
def test_a_key_kept_move_by_move_is_that_of_the_position(config: Config, seed: int) -> None:
    check_kept(config, seed, moves_max=150)


@given(st.sampled_from(large_configs), seeds)
@settings(max_examples=5, deadline=None)
def test_so_it_is_on_a_large_board(config: Config, seed: int) -> None:
    check_kept(config, seed, moves_max=30)


def what_decides(state: State) -> str:
    """Return what the rest of the game depends on, but for ties in a ranking."""
    written: dict[str, Any] = write_state(state)
    for name in ("lastActor", "lostTurns", "result"):
        del written["turn"][name]
    return repr({**written, "turnNumber": 0})


@given(st.sampled_from(small_configs), seeds)
@settings(max_examples=15, deadline=None)
def test_what_different_moves_lead_to_has_different_keys(config: Config, seed: int) -> None:
    rng = random.Random(seed)
    for before, _, _ in walk(opening(config, rng), rng, 60):
        if rng.random() < 0.2:
            following = [before, *(apply(before, option) for option in legal_moves(before))]
            assert len({s.key for s in following}) == len({what_decides(s) for s in following})


def test_the_orders_in_which_lines_are_processed_meet_again() -> None:
    two_lines = "a a a a a\n.\n. . . . . . 1 2\n.\na a a a a"
    state = position(two_lines, phase=Phase.LINE_PROCESSING)
    met: dict[int, list[State]] = {}
    for first in legal_moves(state):
        for second in legal_moves(apply(state, first)):
            after = apply(apply(state, first), second)
            met.setdefault(after.key, []).append(after)
    assert all(after == same[0] for same in met.values() for after in same)
    # Of each line one may take the first four markers or the last four for nothing, so that four
    # positions are reached in two ways.
    assert sorted(map(len, met.values()))[-4:] == [2, 2, 2, 2]


drawn = "12 a . B 221 . 1 2"
as_drawn = position(drawn, hand=(3, 3), eliminated=(2, 2))


@pytest.mark.parametrize(
    "other",
    [
        position("21 a . B 221 . 1 2", hand=(3, 3), eliminated=(2, 2)),
        position("12 b . B 221 . 1 2", hand=(3, 3), eliminated=(2, 2)),
        position("12 . a B 221 . 1 2", hand=(3, 3), eliminated=(2, 2)),
        position("12 a . A 221 . 1 2", hand=(3, 3), eliminated=(2, 2)),
        position("12 a . b 221 . 1 2", hand=(3, 3), eliminated=(2, 2)),
        position("12 a . B 221 . 2 1", hand=(3, 3), eliminated=(2, 2)),
        position(drawn, hand=(4, 3), eliminated=(2, 2)),
        position(drawn, hand=(3, 3), eliminated=(2, 3)),
        position(drawn, hand=(2, 3), eliminated=(3, 2)),
        position(drawn, hand=(3, 3), eliminated=(2, 2), player=2),
        position(drawn, hand=(3, 3), eliminated=(2, 2), phase=Phase.RING_PLACEMENT),
    ],
)
def test_a_position_that_differs_in_one_thing_has_another_key(other: State) -> None:
    assert other.key != as_drawn.key


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("recovered", True),
        ("changed", True),
        ("swapped", True),
        ("streaks", [1, 0]),
        ("streaks", [0, -1]),
    ],
)
def test_so_has_one_whose_turn_has_gone_otherwise(name: str, value: object) -> None:
    written: dict[str, Any] = write_state(as_drawn)
    written["turn"][name] = value
    assert read_state(written).key != as_drawn.key


@pytest.mark.parametrize(
    ("phase", "owed"),
    [(Phase.LINE_PROCESSING, "line"), (Phase.TERRITORY_PROCESSING, "territory")],
)
def test_so_has_one_in_which_an_elimination_is_owed(phase: Phase, owed: str) -> None:
    state = position(drawn, phase=phase)
    written: dict[str, Any] = write_state(state)
    written["turn"]["owed"] = owed
    assert read_state(written).key != state.key


def test_so_has_one_in_which_another_stack_must_move() -> None:
    written: dict[str, Any] = write_state(as_drawn)
    keys = {read_state({**written, "mustMoveFromStackKey": at}).key for at in ("0,0", "6,0")}
    assert len(keys | {as_drawn.key}) == 3


def test_every_config_begins_with_a_key_of_its_own() -> None:
    assert len({initial_state(config).key for config in configs}) == len(configs)


def test_so_has_one_in_which_sides_may_be_swapped() -> None:
    drawn = "square8_2p [1] 2 ring_placement turn="
    keys = {
        (turn, swap): parse_position(f"{drawn}{turn}", RuleSet(swap=swap)).key
        for turn in (2, 4)
        for swap in (False, True)
    }
    assert keys[2, True] != keys[4, True] == keys[4, False] == keys[2, False]


def test_numbers_that_no_game_reaches_have_a_key_too() -> None:
    state = initial_state(square8_2p)
    state.eliminated[1] = 10_000_000
    assert hash(state) != hash(initial_state(square8_2p))


def test_a_key_is_the_same_in_every_process() -> None:
    program = (
        "from ringrift.rules import *\n"
        "state = initial_state(Config.parse('square8_2p'), RuleSet())\n"
        "print(apply(state, legal_moves(state)[0]).key)"
    )
    command = [sys.executable, "-c", program]
    told = subprocess.run(command, check=True, capture_output=True, env={"PYTHONHASHSEED": "1"})
    state = initial_state(square8_2p, RuleSet())
    assert int(told.stdout) == apply(state, legal_moves(state)[0]).key
