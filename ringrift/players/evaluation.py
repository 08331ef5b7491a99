"""How a position looks to those who cannot see to the end of the game (`docs/players.md`)."""

import math
from collections.abc import Sequence

from ringrift.rules import Move, MoveType, State, apply, outcome

_temperature = 0.1
"""The lead in strength that makes a player e times as likely to win as another."""


def strengths(state: State) -> list[float]:
    """Return how far each player has come, and what may still carry them further; seat 1 first.

    Everything is a share of what there is. The two ways to win count in full, 1 at the goal; so do
    the rings in hand, since who can place can act. Rings in stacks under the player's control,
    whosever they are, and markers, which become lines and walls, count one half.
    """
    variant = state.variant
    controlled = [0] * (len(variant.seats) + 1)
    for rings in state.stacks.values():
        controlled[rings[0]] += len(rings)
    return [
        state.eliminated[seat] / variant.elimination_threshold
        + state.territory[seat].bit_count() / variant.territory_minimum
        + (state.hand[seat] + controlled[seat] / 2) / variant.rings
        + state.markers[seat].bit_count() / (2 * len(variant.board.cells))
        for seat in variant.seats
    ]


def lead(state: State, seat: int) -> float:
    """Return a player's lead over the best opponent, by `strengths`.

    A finished game is worth more, or less, than any other position.
    """
    result = outcome(state)
    if result is not None:
        return math.inf if result.winner == seat else -math.inf
    others = strengths(state)
    own = others.pop(seat - 1)
    return own - max(others)


def leads_after(state: State, moves: Sequence[Move]) -> list[float]:
    """Return the mover's `lead` after each of some legal moves.

    Placements of as many rings on empty cells, of which there are up to 1400, cannot differ in it.
    """
    known: dict[Move | int, float] = {}
    kinds = [_kind(state, move) for move in moves]
    for kind, move in zip(kinds, moves, strict=True):
        if kind not in known:
            known[kind] = lead(apply(state, move), state.player)
    return [known[kind] for kind in kinds]


def chances(state: State) -> list[float]:
    """Return each player's chance to win, seat 1 first: of 0 to 1, with sum 1.

    Of a finished game they are known; else they are the softmax of `strengths`.
    """
    seats = state.variant.seats
    result = outcome(state)
    if result is not None:
        return [float(seat == result.winner) for seat in seats]
    weights = [math.exp(strength / _temperature) for strength in strengths(state)]
    total = sum(weights)
    return [weight / total for weight in weights]


def _kind(state: State, move: Move) -> Move | int:
    """Return all that a lead depends on: of a placement on an empty cell, the number of rings."""
    on_empty = move.type is MoveType.PLACE_RING and not state.occupied >> move.to & 1
    return move.extra if on_empty else move
