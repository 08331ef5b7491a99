"""What every player can do."""

import random
from typing import Protocol

from ringrift.rules import Move, State


class Player(Protocol):
    """One seat of one game. It may remember what it has seen of that game."""

    def choose(self, state: State, rng: random.Random) -> Move:
        """Return one of the legal moves of a game that is not over.

        The choice depends on the game so far and on `rng` alone.
        """
