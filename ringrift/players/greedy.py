"""The player that looks one move ahead and takes what is worth most at once."""

import random

from ringrift.rules import Move, State, apply, legal_moves, outcome


class GreedyPlayer:
    """Named `greedy`: tries every legal move, and picks among those that `evaluate` likes best."""

    def choose(self, state: State, rng: random.Random) -> Move:
        """Return one of the best moves, each as likely as the next."""
        moves = legal_moves(state)
        if len(moves) == 1:
            return moves[0]
        values = [evaluate(apply(state, move), state.player) for move in moves]
        best = max(values)
        return rng.choice(
            [move for move, value in zip(moves, values, strict=True) if value == best]
        )


def evaluate(state: State, seat: int) -> float:
    """Return how a position looks for a player: the lead in `strength` over the best opponent.

    A finished game is worth more, or less, than any other position.
    """
    result = outcome(state)
    if result is not None:
        return float("inf") if result.winner == seat else float("-inf")
    seats = state.variant.seats
    return strength(state, seat) - max(strength(state, other) for other in seats if other != seat)


def strength(state: State, seat: int) -> float:
    """Return how far a player has come.

    The two ways to win count as the part of the way covered, 1 at the goal. What may lead there
    counts little beside: rings in hand or in own stacks, which can still move and capture, 1/100
    each, and markers, which become lines and walls, 1/200 each.
    """
    variant = state.variant
    rings = state.hand[seat] + sum(
        len(stack) for stack in state.stacks.values() if stack[0] == seat
    )
    return (
        state.eliminated[seat] / variant.elimination_threshold
        + state.territory[seat].bit_count() / variant.territory_minimum
        + rings / 100
        + state.markers[seat].bit_count() / 200
    )
