"""Positions that random moves lead to."""

import random

from ringrift.rules import Config, State, apply, initial_state, legal_moves, outcome


def reach(config: Config, seed: int, moves: int) -> State:
    """Return the position after some random moves, or the last one before the game's end."""
    state, rng = initial_state(config), random.Random(seed)
    for _ in range(moves):
        following = apply(state, rng.choice(legal_moves(state)))
        if outcome(following) is not None:
            break
        state = following
    return state
