"""How games end, and who wins (section 14)."""

import dataclasses

from tests.rules.reference.movement import can_place, has_real_action
from tests.rules.reference.state import Outcome, State, has_rings, territory


def judged(state: State) -> State:
    """Return the state, ended if one of the endings looked for after a move has come."""
    for seat in state.seats:
        if state.eliminated[seat] >= state.elimination_threshold:
            return _ended(state, seat, "ring_elimination")
    for seat in state.seats:
        cells = territory(state, seat)
        if cells >= state.territory_minimum and 2 * cells > len(state.collapsed):
            return _ended(state, seat, "territory_control")
    owner = _sole_owner(state)
    if owner is not None and state.rules.sole_owner_wins:
        return _ended(state, owner, "sole_owner")
    if not state.stacks and not any(can_place(state, seat) for seat in state.seats):
        return _ended(state, _best_at_standstill(state), "standstill")
    return state


def _sole_owner(state: State) -> int | None:
    controllers = {rings[0] for rings in state.stacks.values()}
    owners = {seat for seat in state.seats if has_rings(state, seat)}
    return next(iter(owners)) if controllers == owners and len(owners) == 1 else None


def _best_at_standstill(state: State) -> int:
    still = _with_hands_eliminated(state)

    def merits(seat: int) -> tuple[int, ...]:
        return *_standing(still, seat), seat == state.last_actor, -seat

    return max(state.seats, key=merits)


def _with_hands_eliminated(state: State) -> State:
    """Count rings in hand as eliminated by their holder, for a comparison."""
    eliminated = {seat: state.eliminated[seat] + state.hand[seat] for seat in state.seats}
    return dataclasses.replace(state, eliminated=eliminated)


def _standing(state: State, seat: int) -> tuple[int, int, int]:
    markers = list(state.markers.values()).count(seat)
    return territory(state, seat), state.eliminated[seat], markers


def judged_at_turn_start(state: State) -> State:
    """Return the state at the start of a turn, ended if its player is the last one standing."""
    rounds = state.rules.lps_rounds
    others = [seat for seat in state.seats if seat != state.player and has_rings(state, seat)]
    if (
        state.streaks[state.player] > rounds
        and all(state.streaks[seat] <= -rounds for seat in others)
        and not any(has_real_action(state, seat) for seat in others)
    ):
        return _ended(state, state.player, "last_player_standing")
    return state


def _ended(state: State, winner: int, reason: str) -> State:
    # The text counts hands at a standstill "for the comparison" and ranks the others by
    # "eliminations"; one comparison must serve both, or the winner might not be the best.
    compared = _with_hands_eliminated(state) if reason == "standstill" else state
    result = Outcome(winner, reason, _ranking(compared, winner))
    return dataclasses.replace(state, phase="game_over", mover=None, result=result)


def _ranking(state: State, winner: int) -> tuple[int, ...]:
    def merits(seat: int) -> tuple[float, ...]:
        return *_standing(state, seat), state.lost_turns[seat] or float("inf")

    others = [seat for seat in state.seats if seat != winner]
    return tuple(
        1 if seat == winner else 2 + sum(merits(other) > merits(seat) for other in others)
        for seat in state.seats
    )
