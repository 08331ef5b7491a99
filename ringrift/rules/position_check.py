"""What both readers of positions ask of one, once all of it is read.

A position that passes, its turn up to `turns_max`, can be played on to its end, and each position
on the way passes again: whatever the rules make of what was read can be written and read as well.
"""

from ringrift.rules.errors import wrong
from ringrift.rules.movement import can_move
from ringrift.rules.moves import no_cell
from ringrift.rules.state import Outcome, Owed, Phase, Reason, State, rings_max, turns_max
from ringrift.rules.turn import legal_moves

turns_read_max = turns_max + 10_000
"""The number of a turn, and the length of a streak, that the readers take.

Twice the collapsed cells, the markers and the eliminated rings together grow at least once in as
many turns as there are players, and cannot pass twice the cells and the rings. On the largest board
with `rings_max` rings no game lasts 8,000 turns more, so that none of a position with a turn up to
`turns_max` becomes unreadable.
"""

_moving = (Phase.MOVEMENT, Phase.CAPTURE, Phase.CHAIN_CAPTURE)
_owing = {
    Owed.LINE: (Phase.LINE_PROCESSING, Phase.GAME_OVER),
    Owed.TERRITORY: (Phase.TERRITORY_PROCESSING, Phase.GAME_OVER),
}


def checked(state: State) -> State:
    """Return a position that has been read, if it can be played on or is over.

    Raises `NotationError` that names the field, the value and what was expected.
    """
    _check_rings(state)
    if (state.phase is Phase.GAME_OVER) != (state.result is not None):
        raise wrong("phase", state.phase.value, "game_over exactly where a result is given")
    if state.mover != no_cell:
        _check_mover(state)
    if state.owed is not Owed.NOTHING and state.phase not in _owing[state.owed]:
        expected = f"nothing, or phase {_owing[state.owed][0]}, not {state.phase}"
        raise wrong("owed", state.owed.value, expected)
    if _must_act(state) and not legal_moves(state):
        raise wrong("phase", state.phase.value, f"one in which player {state.player} has a move")
    return state


def _must_act(state: State) -> bool:
    """Return whether doing nothing is not offered, as it is everywhere else."""
    owing = state.owed is not Owed.NOTHING and state.result is None
    return owing or state.phase in (Phase.CHAIN_CAPTURE, Phase.FORCED_ELIMINATION)


def _check_rings(state: State) -> None:
    """Look at all rings together: play moves them about, but their number stays."""
    rings = sum(state.hand) + sum(state.on_board) + sum(state.eliminated)
    if rings > rings_max:
        expected = f"up to {rings_max} on the board, in hand and eliminated"
        raise wrong("the number of rings", rings, expected)


def _check_mover(state: State) -> None:
    """Look at the stack that must move: one that is stuck would stay named in later phases."""
    at = state.variant.board.xy(state.mover)
    if state.phase not in _moving:
        raise wrong("mover", at, f"none in phase {state.phase}")
    if not can_move(state, state.mover, state.stacks[state.mover]):
        raise wrong("mover", at, "a stack that can move")


def outcome_of(ranking: list[int], reason: Reason, name: str) -> Outcome:
    """Return the outcome with a rank for each seat, seat 1 first; `name` is that of the field."""
    if ranking.count(1) != 1:
        raise wrong(name, ranking, "a rank for each player, just one of them 1")
    return Outcome(ranking.index(1) + 1, reason, tuple(ranking))
