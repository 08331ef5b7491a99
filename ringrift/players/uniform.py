"""The player that takes any legal move, each as likely as the next."""

import random

from ringrift.rules import Move, State, legal_moves


class UniformPlayer:
    """Named `random`: the measure of all others."""

    def choose(self, state: State, rng: random.Random) -> Move:
        """Return any of the legal moves."""
        return rng.choice(legal_moves(state))
