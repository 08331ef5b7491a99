"""One game between players, from its first move to its last."""

import random
from collections.abc import Sequence

from ringrift.players import make_player
from ringrift.rules import Config, Move, Outcome, apply, engine_version, initial_state, outcome


def play(config: Config, players: Sequence[str], seed: bytes) -> tuple[tuple[Move, ...], Outcome]:
    """Return a game's moves and how it ended; `players` names who takes each seat, seat 1 first.

    Both are a function of config, players, seed and engine version. Raises
    `ringrift.players.UnknownPlayer`.
    """
    rng = random.Random(f"{engine_version} {config.name} {','.join(players)} {seed.hex()}")
    seats = [make_player(name) for name in players]
    state = initial_state(config)
    moves = []
    while (result := outcome(state)) is None:
        moves.append(seats[state.player - 1].choose(state, rng))
        state = apply(state, moves[-1])
    return tuple(moves), result
