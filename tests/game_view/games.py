"""Records of random games, whole and damaged, for the tests of what shows them."""

import random

from p2p.envelope import Record, parse_record
from p2p.identity.ids import NodeId
from ringrift.game_record import Game, encode_game
from ringrift.rules import (
    Config,
    Move,
    MoveType,
    Outcome,
    Reason,
    apply,
    engine_version,
    initial_state,
    legal_moves,
    outcome,
)

producer = NodeId(bytes(range(16)))
moves_max = 300
time_ms = 1_790_000_000_000  # 2026-09-21 14:13:20 UTC


def moves_of(config: Config, seed: int) -> tuple[list[Move], Outcome]:
    """Return the moves of a random game, resigned if it gets long, and how it ends."""
    rng = random.Random(seed)
    state = initial_state(config)
    moves: list[Move] = []
    while (end := outcome(state)) is None:
        long = len(moves) == moves_max
        moves.append(Move(MoveType.RESIGN) if long else rng.choice(legal_moves(state)))
        state = apply(state, moves[-1])
    return moves, end


def record_of(
    config: Config, moves: list[Move], end: Outcome, engine: int = engine_version
) -> Record:
    """Return the record of a game, whether or not it replays."""
    players = ("random", "greedy", "random", "random")[: config.players]
    game = Game(config, players, b"\7", tuple(moves), end, time_ms, producer, engine)
    return parse_record(encode_game(game))


def random_record(name: str, seed: int = 1) -> Record:
    """Return the record of a random game."""
    config = Config.parse(name)
    return record_of(config, *moves_of(config, seed))


def other_end(end: Outcome) -> Outcome:
    """Return how a game of two did not end."""
    return Outcome(3 - end.winner, Reason.TIMEOUT, end.ranking[::-1])


def damaged(name: str, kept: int, seed: int = 1) -> Record:
    """Return the record of a random game that lacks the two moves after the first `kept`."""
    config = Config.parse(name)
    moves, end = moves_of(config, seed)
    return record_of(config, moves[:kept] + moves[kept + 2 :], end)
