"""How games end, and who wins (section 14)."""

from ringrift.rules.movement import can_step_or_capture
from ringrift.rules.placement import can_place
from ringrift.rules.state import Outcome, Reason, State


def find_outcome(state: State) -> Outcome | None:
    """Look for an ending: elimination, territory, sole owner, standstill, in this order."""
    variant = state.variant
    if max(state.eliminated) >= variant.elimination_threshold:
        return make_outcome(state, _past_elimination_threshold(state), Reason.RING_ELIMINATION)
    if state.collapsed.bit_count() >= variant.territory_minimum and (
        winner := _past_territory_minimum(state)
    ):
        return make_outcome(state, winner, Reason.TERRITORY_CONTROL)
    if not state.occupied:
        if _stands_still(state):
            return make_outcome(state, _standstill_winner(state), Reason.STANDSTILL)
    elif (
        state.occupied in state.controlled
        and variant.rules.sole_owner_wins
        and (winner := _sole_owner(state))
    ):
        return make_outcome(state, winner, Reason.SOLE_OWNER)
    return None


def _past_elimination_threshold(state: State) -> int:
    """Return who has reached the threshold, the player to move if several have."""
    threshold = state.variant.elimination_threshold
    seats = [seat for seat in state.variant.seats if state.eliminated[seat] >= threshold]
    return state.player if state.player in seats else seats[0]


def _past_territory_minimum(state: State) -> int:
    """Return who has enough territory, and more than all others together; 0 for nobody."""
    total = state.collapsed.bit_count()
    for seat in state.variant.seats:
        own = state.territory[seat].bit_count()
        if own >= state.variant.territory_minimum and own > total - own:
            return seat
    return 0


def _sole_owner(state: State) -> int:
    """Return the only player with a ring anywhere; 0 if there are several."""
    owners = [seat for seat in state.variant.seats if state.has_rings(seat)]
    return owners[0] if len(owners) == 1 else 0


def _stands_still(state: State) -> bool:
    """Return whether nobody can place, on a board without stacks."""
    return not any(can_place(state, seat) for seat in state.variant.seats)


def _standing(state: State, seat: int, reason: Reason) -> tuple[int, int, int]:
    """Return what seats are compared by: territory, eliminations, markers; more is better."""
    # Nobody can place at a standstill, so what is left in the hand counts as eliminated.
    in_hand = state.hand[seat] if reason is Reason.STANDSTILL else 0
    return (
        state.territory[seat].bit_count(),
        state.eliminated[seat] + in_hand,
        state.markers[seat].bit_count(),
    )


def _standstill_winner(state: State) -> int:
    """Climb the ladder of section 14.4; its last rung is the lowest seat (AMB-20)."""
    return max(
        state.variant.seats,
        key=lambda seat: (
            _standing(state, seat, Reason.STANDSTILL),
            seat == state.last_actor,
            -seat,
        ),
    )


def make_outcome(state: State, winner: int, reason: Reason) -> Outcome:
    """Rank the other players behind the winner (section 14.5)."""
    never = float("inf")
    keys = {
        seat: (*_standing(state, seat, reason), state.lost_turn[seat] or never)
        for seat in state.variant.seats
        if seat != winner
    }
    ranks = {seat: 2 + sum(other > key for other in keys.values()) for seat, key in keys.items()}
    return Outcome(winner, reason, tuple(ranks.get(seat, 1) for seat in state.variant.seats))


def give_up(state: State, reason: Reason) -> Outcome:
    """End the game because the player to move left it; the best placed of the others wins.

    The rules leave to the host who that is among more than two; equals fall to the lowest seat.
    """
    others = [seat for seat in state.variant.seats if seat != state.player]
    winner = max(others, key=lambda seat: (_standing(state, seat, reason), -seat))
    return make_outcome(state, winner, reason)


def has_real_action(state: State, seat: int) -> bool:
    """Return whether a player has a legal placement, step or capture."""
    return can_step_or_capture(state, seat) or can_place(state, seat)


def last_one_standing(state: State) -> Outcome | None:
    """Count the start of a turn for the player to move, and look whether it wins the game.

    It does if for three rounds, and now, only this player could really act (section 14.3).
    """
    player = state.player
    rounds = state.variant.rules.lps_rounds
    streak = state.streak
    acts = has_real_action(state, player)
    wins = (
        acts
        and streak[player] >= rounds
        and all(
            streak[seat] <= -rounds and not has_real_action(state, seat)
            for seat in state.variant.seats
            if seat != player and state.has_rings(seat)
        )
    )
    # The list may be shared with the state before.
    state.streak = streak = streak.copy()
    streak[player] = max(streak[player], 0) + 1 if acts else min(streak[player], 0) - 1
    return make_outcome(state, player, Reason.LAST_PLAYER_STANDING) if wins else None
