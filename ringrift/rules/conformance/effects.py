"""What a move does, made where it belongs, although its vector has it elsewhere (classes C and D).

Of C a region is believed that nothing cuts off. Of D an elimination, a claim or a swap is right,
but nothing is owed, another player or phase has the turn, or there is no region at all.
"""

from ringrift.rules.config import RuleSet
from ringrift.rules.conformance.assertions import measure_material
from ringrift.rules.conformance.positions import turn_owing
from ringrift.rules.conformance.verdict import compare_fields
from ringrift.rules.errors import NotationError
from ringrift.rules.geometry import bits
from ringrift.rules.json_fields import Json, get, read_list
from ringrift.rules.json_move import read_move, read_region
from ringrift.rules.json_state import read_state
from ringrift.rules.moves import MoveType
from ringrift.rules.state import Owed, Phase, State
from ringrift.rules.turn import IllegalMove, apply

_claims = (MoveType.CHOOSE_TERRITORY_OPTION.word, "process_territory_region")
_line, _territory = (
    (Phase.LINE_PROCESSING, Owed.LINE),
    (Phase.TERRITORY_PROCESSING, Owed.TERRITORY),
)
_costs = {"line": _line, "territory": _territory, "recovery": _territory, "forced": _territory}
"""Where an elimination belongs, by its context. One that is forced takes a cap, as for a region."""


def check_effect(source: Json, move: Json, asserted: Json) -> None:
    """Make an elimination, a claim or a swap where it belongs, and compare the totals asserted.

    Of other moves, and where state or move cannot be read, or the move is refused there too,
    nothing is tried; a claim of what is no region need not change anything. Raises `Difference`.
    """
    kind = str(get(move, "type"))
    setting = _setting(kind, move, source)
    if setting is None:
        return
    phase, owed = setting
    recovered = get(move, "eliminationContext") == "recovery"
    try:
        before = _read_there(source, phase, get(move, "player"), owed, recovered)
        after = _claim(before, move) if kind in _claims else apply(before, read_move(before, move))
    except (IllegalMove, NotationError):
        return
    measured = measure_material(before, after)
    if kind in _claims:
        _forget_border(before, after, measured)
    totals = {name: value for name, value in asserted.items() if name in measured}
    if kind in _claims and totals.items() <= measure_material(before, before).items():
        return
    compare_fields("assertions", measured, totals)


def _setting(kind: str, move: Json, source: Json) -> tuple[Phase, Owed] | None:
    """Return the phase that a move belongs in and what is owed there; None if it is not tried."""
    if kind == MoveType.ELIMINATE_RINGS_FROM_STACK.word:
        in_lines = get(source, "currentPhase") == Phase.LINE_PROCESSING.value
        by_phase = _line if in_lines else _territory
        return _costs.get(str(get(move, "eliminationContext")), by_phase)
    if kind == MoveType.FORCED_ELIMINATION.word:
        return Phase.FORCED_ELIMINATION, Owed.NOTHING
    if kind == MoveType.SWAP_SIDES.word:
        return Phase.RING_PLACEMENT, Owed.NOTHING
    return (Phase.TERRITORY_PROCESSING, Owed.NOTHING) if kind in _claims else None


def _read_there(source: Json, phase: Phase, player: object, owed: Owed, recovered: bool) -> State:
    """Read a state in the phase and turn of a move, with a second player if there is but one."""
    players = read_list(get(source, "players"), "players")
    if len(players) == 1:
        players = [*players, {"playerNumber": 2, "ringsInHand": 0, "eliminatedRings": 0}]
    value = {
        "board": get(source, "board"),
        "players": players,
        "currentPlayer": player,
        "currentPhase": phase.value,
        "turnNumber": 2,
        "turn": turn_owing(len(players), owed, recovered),
    }
    return read_state(value, RuleSet(swap=True))


def _claim(before: State, move: Json) -> State:
    """Collapse the cells that a claim lists; it does nothing if it lists none."""
    after = before.copy()
    region = sum(1 << cell for cell in read_region(before.variant.board, move) or ())
    for cell in bits(region & before.occupied):
        after.eliminate(cell, len(before.stacks[cell]))
    after.collapse(region & ~before.collapsed)
    return after


def _forget_border(before: State, after: State, measured: dict[str, object]) -> None:
    """Drop the totals that hang on the border, if there are markers next to what was claimed.

    Which of them are the border of a region that is not cut off, no rule says.
    """
    board = before.variant.board
    claimed = after.collapsed & ~before.collapsed
    if board.neighbours(claimed, board.borders) & after.marked:
        for name in ("markerCount", "collapsedCount", f"player{before.player}TerritorySpaces"):
            del measured[name]
