"""The player that looks one move ahead and takes what is worth most at once."""

import random

from ringrift.players.evaluation import leads_after
from ringrift.rules import Move, State, legal_moves


class GreedyPlayer:
    """Named `greedy`: makes the move after which its lead is greatest."""

    def choose(self, state: State, rng: random.Random) -> Move:
        """Return one of the best moves, each as likely as the next."""
        moves = legal_moves(state)
        if len(moves) == 1:
            return moves[0]
        values = leads_after(state, moves)
        best = max(values)
        return rng.choice(
            [move for move, value in zip(moves, values, strict=True) if value == best]
        )
