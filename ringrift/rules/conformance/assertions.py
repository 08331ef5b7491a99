"""What a contract vector may assert of the position that its moves lead to."""

from collections.abc import Sequence

from ringrift.rules.conformance.verdict import compare
from ringrift.rules.geometry import bits
from ringrift.rules.json_fields import Json, get, key, read_cell, read_cells
from ringrift.rules.lines import eligible_lines
from ringrift.rules.moves import Move, MoveType
from ringrift.rules.state import State
from ringrift.rules.turn import outcome

_captures = (MoveType.OVERTAKING_CAPTURE, MoveType.CONTINUE_CAPTURE_SEGMENT)
_crossing = (MoveType.MOVE_STACK, *_captures)
_decision = "pendingDecisionType"
nullable = ("victoryWinner", "victoryReason", _decision, "finalStackController")
"""The assertions that there may be nothing of, which is then null."""
_a_line = "select_line_to_process"


def measure(before: State, after: State, played: Sequence[Move]) -> dict[str, object]:
    """Return everything that may be asserted of a position and of what led there."""
    result = outcome(after)
    return {
        "currentPlayer": after.player,
        "currentPhase": after.phase.value,
        "gameStatus": "active" if result is None else "completed",
        "victoryWinner": result and result.winner,
        "victoryReason": result and result.reason.value,
        _decision: _a_line if eligible_lines(after) else None,
        **measure_material(before, after),
        **_measure_chain(before, after, played),
        "extractionCount": _rings(before, before.player) - _rings(after, before.player),
        "noLineCollapse": after.collapsed == before.collapsed,
    }


def measure_material(before: State, after: State) -> dict[str, object]:
    """Return the totals of the board and of each player."""
    measured: dict[str, object] = {
        "stackCount": len(after.stacks),
        "markerCount": after.marked.bit_count(),
        "collapsedCount": after.collapsed.bit_count(),
        "sInvariantDelta": progress(after) - progress(before),
    }
    for seat in after.variant.seats:
        measured[f"player{seat}RingsInHand"] = after.hand[seat]
        measured[f"player{seat}EliminatedRings"] = after.eliminated[seat]
        measured[f"player{seat}TerritorySpaces"] = after.territory[seat].bit_count()
    return measured


def _rings(state: State, seat: int) -> int:
    """Return how many rings a player has in the game; a struck ring is never the striker's."""
    return state.hand[seat] + state.on_board[seat]


def progress(state: State) -> int:
    """Return what section 16 calls S."""
    return state.marked.bit_count() + state.collapsed.bit_count() + sum(state.eliminated)


def _measure_chain(before: State, after: State, played: Sequence[Move]) -> dict[str, object]:
    rings = after.stacks.get(played[-1].to, b"")
    return {
        "totalCapturesInChain": sum(move.type in _captures for move in played),
        "finalStackHeight": len(rings),
        "finalStackController": rings[0] if rings else None,
        "targetStacksRemaining": (after.occupied & ~after.controlled[before.player]).bit_count(),
        "markersCreated": after.marked.bit_count() - before.marked.bit_count(),
    }


def check_final_state(after: State, played: Sequence[Move], final: Json) -> None:
    """Compare the cell of the stack that moved last, and those of all markers."""
    board = after.variant.board
    position, markers = get(final, "finalStackPosition"), get(final, "markerPositions")
    if position is not None:
        last = played[-1].to
        found = key(board, last) if last in after.stacks else None
        expected = key(board, read_cell(board, position, "finalStackPosition"))
        compare("finalStackPosition", found, expected)
    if markers is not None:
        cells = read_cells(board, markers, "markerPositions")
        expected_keys = [key(board, cell) for cell in cells]
        compare("markerPositions", [key(board, cell) for cell in bits(after.marked)], expected_keys)


def set_aside(before: State, after: State, played: Sequence[Move], asserted: Json) -> list[str]:
    """Return the assertions that contradict the item's own move.

    There is one kind: a line is said to be pending, none is, and with the own markers that the
    move crossed, and thereby collapsed, there would be one.
    """
    if asserted.get(_decision) != _a_line or eligible_lines(after):
        return []
    if not all(move.type in _crossing for move in played):
        return []
    player = before.player
    without_crossing = after.copy()
    without_crossing.player = player
    without_crossing.markers[player] |= before.markers[player] & after.territory[player]
    return [_decision] if eligible_lines(without_crossing) else []
