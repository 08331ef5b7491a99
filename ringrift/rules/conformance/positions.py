"""What several kinds of items share: moves and what a position holds in the data's shape."""

from collections.abc import Mapping

from ringrift.rules.geometry import Board, bits
from ringrift.rules.json_fields import Json, key, read_key, read_map
from ringrift.rules.moves import Move, MoveType
from ringrift.rules.state import State
from ringrift.rules.turn import apply, legal_moves

class_c = "class C: its region is not cut off"
class_d = "class D: its effect is right, its setting is wrong"

Material = dict[str, dict[str, object]]


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
