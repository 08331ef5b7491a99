"""The sister files of the contract vectors, which assert in words of their own.

One among them has the form of contract vectors instead, and is an older edition: class D.
"""

from collections.abc import Callable, Iterable

from ringrift.rules.conformance.contract import check_contract
from ringrift.rules.conformance.positions import read_fixture
from ringrift.rules.conformance.verdict import Difference, Passed, Skipped, compare_fields
from ringrift.rules.geometry import Board, bits
from ringrift.rules.json_fields import (
    Json,
    get,
    key,
    position,
    read_cells,
    read_int,
    read_key,
    read_list,
    read_map,
    read_word,
)
from ringrift.rules.json_move import read_move
from ringrift.rules.lines import eligible_lines
from ringrift.rules.state import State
from ringrift.rules.turn import apply


def check_extra(vector: Json) -> Passed | Skipped:
    """Judge a vector. Raises `Difference`, or another `ValueError` for what cannot be read."""
    if get(vector, "expectedOutput") is not None:
        return check_contract(vector, "D")
    given = read_map(get(vector, "input"), "input")
    asserted = read_map(get(vector, "assertions"), "assertions")
    before = read_fixture(get(given, "state"))
    detection = get(asserted, "lineDetection")
    if detection is not None:
        _check_detection(before, read_map(detection, "lineDetection"))
    changes = [name for name in ("boardChanges", "playerChanges") if name in asserted]
    if changes:
        after = apply(before, read_move(before, _move(before, given)))
        for name in changes:
            _checks[name](before, after, read_map(asserted[name], name))
    unknown = sorted({*asserted} - {"lineDetection", *_checks})
    if unknown or not asserted:
        known = ", ".join(["lineDetection", *_checks])
        raise Difference(f"assertions has the fields {unknown}; expected some of {known}")
    return Passed()


def _check_detection(state: State, expected: Json) -> None:
    """Compare the lines of a player, whoever is to move."""
    looking = state.copy()
    named, seats = get(expected, "linePlayer"), state.variant.seats
    if named is not None:
        looking.player = read_int(named, "lineDetection.linePlayer", seats[0], seats[-1])
    lengths = [len(line.cells) for line in eligible_lines(looking)]
    threshold = state.variant.line_length
    measured: dict[str, object] = {"lineCount": len(lengths), "effectiveThreshold": threshold}
    if lengths:
        longest = max(lengths)
        measured["linePlayer"] = looking.player
        measured["lineLength"] = longest
        measured["isOverlength"] = longest > threshold
    elif get(expected, "lineCount") == 0:
        # Nothing can be compared with what is said of a line that is not there.
        expected = {name: expected[name] for name in measured if name in expected}
    compare_fields("lineDetection", measured, expected)


def _move(state: State, given: Json) -> Json:
    """Return the move, given as such or as an action, which chooses among a line's options."""
    move = get(given, "initialMove", "move")
    if move is not None:
        return read_map(move, "input.move")
    action = read_map(get(given, "action"), "input.action")
    board = state.variant.board
    name = "collapsedPositions"
    chosen = read_cells(board, get(action, name), name)
    runs = [line.cells for line in eligible_lines(state) if set(chosen) <= set(line.cells)]
    if not runs:
        raise Difference(f"{name} lies in no line of player {state.player}")
    return {
        "type": get(action, "type"),
        "player": get(action, "playerId"),
        "formedLines": [{"positions": [position(board, cell) for cell in runs[0]]}],
        "collapsedMarkers": [position(board, cell) for cell in chosen],
    }


def _check_board(before: State, after: State, expected: Json) -> None:
    board = after.variant.board
    measured: dict[str, object] = {
        "collapsedSpacesAdded": _keys(board, bits(after.collapsed & ~before.collapsed)),
        "markersRemaining": _keys(board, bits(after.marked)),
        "noSelfElimination": after.eliminated == before.eliminated,
    }
    written = {
        name: _keys(board, (read_key(board, str(text), name) for text in read_list(value, name)))
        if isinstance(value, list)
        else value
        for name, value in expected.items()
    }
    compare_fields("boardChanges", measured, written)


def _keys(board: Board, cells: Iterable[int]) -> list[str]:
    return [key(board, cell) for cell in sorted(cells)]


def _check_players(_before: State, after: State, expected: Json) -> None:
    for seat in expected:
        known = {str(number): number for number in after.variant.seats}
        read_word(seat, "playerChanges", known)
        measured: dict[str, object] = {
            "eliminatedRings": after.eliminated[known[seat]],
            "ringsInHand": after.hand[known[seat]],
            "territorySpaces": after.territory[known[seat]].bit_count(),
        }
        name = f"playerChanges[{seat}]"
        compare_fields(name, measured, read_map(expected[seat], name))


_checks: dict[str, Callable[[State, State, Json], None]] = {
    "boardChanges": _check_board,
    "playerChanges": _check_players,
}
