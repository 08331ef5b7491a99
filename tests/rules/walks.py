"""Random games of the engine alone, for tests of what holds in all of them."""

import random
from collections.abc import Iterator

from ringrift.rules import Config, Move, RuleSet, State, apply, initial_state, legal_moves, outcome
from ringrift.rules.json_state import read_state
from tests.rules import lockstep


def opening(config: Config, rng: random.Random) -> State:
    """Return the first position or one of strewn pieces, with the switches as they are or not.

    Strewn pieces soon lead to what takes hundreds of moves otherwise: lines, claims, recovery.
    """
    rules = rng.choice((RuleSet(), lockstep.switched(rng)))
    if rng.random() < 0.2:
        return initial_state(config, rules)
    return read_state(lockstep.scattered(config, rng), rules)


def walk(
    state: State, rng: random.Random, moves_max: int = 100_000
) -> Iterator[tuple[State, Move, State]]:
    """Yield the moves of a random game, at most so many, each with the states around it.

    The type of a move is drawn first, so that rare ones are not missed among steps.
    """
    for _ in range(moves_max):
        if outcome(state) is not None:
            return
        options = legal_moves(state)
        kind = rng.choice(sorted({option.type for option in options}))
        chosen = rng.choice([option for option in options if option.type is kind])
        after = apply(state, chosen)
        yield state, chosen, after
        state = after
