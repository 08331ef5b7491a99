"""What several kinds of items share: moves and what a position holds in the data's shape."""

from collections.abc import Mapping

from ringrift.rules.config import RuleSet
from ringrift.rules.geometry import Board, bits
from ringrift.rules.json_fields import Json, get, key, read_key, read_map
from ringrift.rules.json_state import read_unchecked
from ringrift.rules.moves import Move, MoveType
from ringrift.rules.state import Owed, Phase, State
from ringrift.rules.turn import apply, default_rules, legal_moves

class_c = "class C: its region is not cut off"
class_d = "class D: its effect is right, its setting is wrong"

Material = dict[str, dict[str, object]]


def read_fixture(value: object, rules: RuleSet = default_rules) -> State:
    """Read the state of a fixture, whether it can be played on or not; two fields are not believed.

    A fixture's game goes on, whatever `gameStatus` says. `mustMoveFromStackKey` may be that of an
    earlier turn: it is obeyed only where it names a stack of the player to move, and not in phase
    capture, where without `chainCapturePosition` any stack may capture that its move names.
    """
    source = dict(read_map(value, "state"))
    must_move = get(source, _must_move)
    source |= {"gameStatus": "active", _must_move: None, "must_move_from_stack_key": None}
    state = read_unchecked(source, rules)
    if must_move is None or state.phase is Phase.CAPTURE:
        return state
    cell = read_key(state.variant.board, must_move, _must_move)
    if not state.controlled[state.player] >> cell & 1:
        return state
    return read_unchecked(source | {_must_move: must_move}, rules)


_must_move = "mustMoveFromStackKey"


def turn_owing(players: int, owed: Owed, recovered: bool = False) -> Json:
    """Return the `turn` object of a state in which an elimination is owed, and nothing else is."""
    return {
        "owed": owed.value,
        "recovered": recovered,
        "changed": False,
        "swapped": False,
        "streaks": [0] * players,
        "lostTurns": [0] * players,
        "lastActor": 0,
    }


def without_no_actions(state: State) -> State:
    """Play the moves which record that there was no line and no region, where they are legal."""
    for kind in (MoveType.NO_LINE_ACTION, MoveType.NO_TERRITORY_ACTION):
        if Move(kind) in legal_moves(state):
            state = apply(state, Move(kind))
    return state


def full_move(compact: Json) -> dict[str, object]:
    """Write a move of games and transitions in the shape of section 17.1."""
    move = {name: value for name, value in compact.items() if name not in ("phase", "origin")}
    if "line" in move:
        move["formedLines"] = [{"positions": move.pop("line")}]
    if "collapse" in move:
        move["collapsedMarkers"] = move.pop("collapse")
    if "region" in move:
        move["disconnectedRegions"] = [{"spaces": move.pop("region")}]
    return move


def material(state: State) -> Material:
    """Return what board and players hold, in the compact shape of games and transitions."""
    board, seats = state.variant.board, state.variant.seats
    return {
        "stacks": {key(board, cell): list(rings) for cell, rings in state.stacks.items()},
        "markers": owners(state, state.markers),
        "collapsed": owners(state, state.territory),
        "hand": {str(seat): state.hand[seat] for seat in seats},
        "eliminated": {str(seat): state.eliminated[seat] for seat in seats},
    }


def owners(state: State, masks: list[int]) -> dict[str, object]:
    """Return the owner of each cell in masks by seat."""
    board = state.variant.board
    return {key(board, cell): seat for seat in state.variant.seats for cell in bits(masks[seat])}


def written_material(board: Board, source: Json) -> Material:
    """Return the same as an item has it."""
    cells = {name: by_cell(board, source.get(name), name) for name in ("stacks", "markers")}
    cells["collapsed"] = by_cell(board, source.get("collapsed"), "collapsed")
    seats = {name: dict(read_map(source.get(name), name)) for name in ("hand", "eliminated")}
    return cells | seats


def by_cell(board: Board, value: object, name: str) -> dict[str, object]:
    """Return a map whose keys are cells, with each key written out in full."""
    source: Mapping[str, object] = read_map(value, name)
    return {key(board, read_key(board, text, name)): item for text, item in source.items()}
