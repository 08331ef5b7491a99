"""The rules engine on each of the twelve configs: random full games, perft, and single operations.

A move is one recorded move, no-actions included, and `legal_moves` is asked for each. Times are of
the processor, in one process. The peer of moves and games is the plain reference engine of the
tests, playing random games too. Perft counts the positions two moves on from positions along a
random game, the last move being listed, not made.
"""

import random
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from ringrift.rules import (
    Config,
    Move,
    State,
    apply,
    configs,
    initial_state,
    legal_moves,
    outcome,
)
from scripts.benchmarks.common import Metric
from tests.rules import reference

_turns = 5
_games_in_a_turn = {"square8": 30, "hex8": 20, "square19": 3, "hexagonal": 1}
_reference_games = {"square8": 5, "hex8": 4, "square19": 1, "hexagonal": 1}
_samples = 24
_repeats = 200

StateT = TypeVar("StateT")
MoveT = TypeVar("MoveT")


def measure() -> dict[str, Metric]:
    """Return the figures of each config, the median of several turns.

    It takes a minute, so stderr, if it is a terminal, is told which config is at hand.
    """
    metrics: dict[str, Metric] = {}
    for number, config in enumerate(configs, 1):
        if sys.stderr.isatty():
            print(f"{config.name}, {number} of {len(configs)}", file=sys.stderr)
        for name, metric in (_play(config) | _operate(config)).items():
            metrics[f"{config.name}_{name}"] = metric
    return metrics


def _play(config: Config) -> dict[str, Metric]:
    games = _games_in_a_turn[config.board]
    peer = _moves_and_games_per_s(
        reference.initial(config),
        reference.legal_moves,
        reference.apply,
        reference.outcome,
        _reference_games[config.board],
        0,
    )
    start = initial_state(config)
    ours = [
        _moves_and_games_per_s(start, legal_moves, apply, outcome, games, turn * games)
        for turn in range(_turns)
    ]
    return {
        name: Metric(statistics.median(rates[index] for rates in ours), peer[index], unit)
        for index, (name, unit) in enumerate(
            [("moves_per_s", "moves/s"), ("games_per_s", "games/s")]
        )
    }


def _moves_and_games_per_s(
    start: StateT,
    legal: Callable[[StateT], Sequence[MoveT]],
    follow: Callable[[StateT, MoveT], StateT],
    over: Callable[[StateT], object],
    games: int,
    seed: int,
) -> tuple[float, float]:
    moves = 0
    begun_s = time.process_time()
    for number in range(seed, seed + games):
        state, rng = start, random.Random(number)
        while over(state) is None:
            state = follow(state, rng.choice(legal(state)))
            moves += 1
    spent_s = time.process_time() - begun_s
    return moves / spent_s, games / spent_s


def _operate(config: Config) -> dict[str, Metric]:
    sampled = _positions(config)
    rng = random.Random(config.name)
    made = [(state, rng.choice(legal_moves(state))) for state in sampled]
    return {
        "perft_nodes_per_s": _metric(lambda: _perft_rate(sampled), "nodes/s"),
        "apply_us": _metric(lambda: _each_us(made, lambda pair: apply(*pair)), "us"),
        "copy_us": _metric(lambda: _each_us(sampled, State.copy), "us"),
        "hash_us": _metric(lambda: _each_us(sampled, hash), "us"),
        "state_bytes": Metric(max(map(_state_bytes, sampled)), None, "bytes, at most"),
    }


def _metric(once: Callable[[], float], unit: str) -> Metric:
    return Metric(statistics.median(once() for _ in range(_turns)), None, unit)


def _positions(config: Config) -> list[State]:
    """Return positions at equal distances along a random game, each with its legal moves known."""
    game = [state for state, _ in _random_game(config)]
    chosen = game[:: len(game) // _samples + 1]
    for state in chosen:
        legal_moves(state)
    return chosen


def _random_game(config: Config) -> Iterator[tuple[State, Move]]:
    state, rng = initial_state(config), random.Random(config.name)
    while outcome(state) is None:
        move = rng.choice(legal_moves(state))
        yield state, move
        state = apply(state, move)


def _perft_rate(states: Sequence[State]) -> float:
    begun_s = time.process_time()
    nodes = sum(
        len(legal_moves(apply(state, move))) for state in states for move in legal_moves(state)
    )
    return nodes / (time.process_time() - begun_s)


def _each_us(items: Sequence[StateT], operation: Callable[[StateT], object]) -> float:
    begun_s = time.process_time()
    for _ in range(_repeats):
        for item in items:
            operation(item)
    return (time.process_time() - begun_s) * 1e6 / (_repeats * len(items))


def _state_bytes(state: State) -> int:
    """Return the memory at its highest while a state is copied and its legal moves are listed."""
    tracemalloc.start()
    copied = state.copy()
    legal_moves(copied)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak
