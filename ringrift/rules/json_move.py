"""Moves as JSON, in the shape of section 17.1 of the rules.

Reading also takes earlier names of move types and fields spelt in snake_case. A move is read
against the position it is played in, which tells whose run, region or buried ring is meant.
"""

from ringrift.rules.errors import NotationError, wrong
from ringrift.rules.geometry import Board, bits
from ringrift.rules.json_fields import (
    Json,
    get,
    key,
    position,
    positions,
    read_cell,
    read_cells,
    read_int,
    read_key,
    read_list,
    read_map,
    read_word,
)
from ringrift.rules.lines import Line, eligible_lines, part_of
from ringrift.rules.moves import Move, MoveType, RecoveryMode, describe
from ringrift.rules.recovery import line_made
from ringrift.rules.state import Owed, State, cap_height
from ringrift.rules.territory import claimable_regions, first_cell
from ringrift.rules.turn import legal_moves

_types = {kind.word: kind for kind in MoveType} | {
    "choose_line_reward": MoveType.CHOOSE_LINE_OPTION,
    "process_territory_region": MoveType.CHOOSE_TERRITORY_OPTION,
    "chain_capture": MoveType.CONTINUE_CAPTURE_SEGMENT,
}
_captures = (MoveType.OVERTAKING_CAPTURE, MoveType.CONTINUE_CAPTURE_SEGMENT)
_lines = (MoveType.PROCESS_LINE, MoveType.CHOOSE_LINE_OPTION)
_eliminations = (MoveType.ELIMINATE_RINGS_FROM_STACK, MoveType.FORCED_ELIMINATION)
_recovery_words = {
    RecoveryMode.LINE_ALL: ("line", 1),
    RecoveryMode.LINE_PART: ("line", 2),
    RecoveryMode.FALLBACK: ("fallback", None),
    RecoveryMode.STACK_STRIKE: ("stack_strike", None),
}


def read_move(state: State, value: object) -> Move:
    """Read a move of the player to move. Whether it is legal is for `apply` to say.

    Raises `NotationError`, also where no region or slide of the position is the one described.
    """
    source = read_map(value, "move")
    kind = _types[read_word(get(source, "type"), "type", _types)]
    player = get(source, "player")
    if player is not None:
        seats = state.variant.seats
        if read_int(player, "player", seats[0], seats[-1]) != state.player:
            raise wrong("player", player, f"{state.player}, who is to move")
    board = state.variant.board
    if kind is MoveType.PLACE_RING:
        given = get(source, "placementCount")
        count = 1 if given is None else read_int(given, "placementCount", 1, 3)
        return Move(kind, to=_read_to(board, source), extra=count)
    if kind is MoveType.MOVE_STACK:
        return Move(kind, _read_from(board, source), to=_read_to(board, source))
    if kind in _captures:
        return _read_capture(state, kind, source)
    if kind in _lines:
        return _read_line(state, kind, source)
    if kind is MoveType.CHOOSE_TERRITORY_OPTION:
        return _read_region(state, source)
    if kind in _eliminations:
        return Move(kind, to=_read_to(board, source))
    if kind is MoveType.RECOVERY_SLIDE:
        return _read_slide(state, source)
    return Move(kind)


def _read_from(board: Board, source: Json) -> int:
    return read_cell(board, get(source, "from", "fromPos"), "from")


def _read_to(board: Board, source: Json) -> int:
    return read_cell(board, get(source, "to"), "to")


def _read_capture(state: State, kind: MoveType, source: Json) -> Move:
    board = state.variant.board
    origin, to = _read_from(board, source), _read_to(board, source)
    target = get(source, "captureTarget")
    if target is not None:
        return Move(kind, origin, read_cell(board, target, "captureTarget"), to)
    between = board.between[origin].get(to, 0) & state.occupied
    if between.bit_count() != 1:
        raise wrong("captureTarget", None, "a cell, unless one stack lies between from and to")
    return Move(kind, origin, between.bit_length() - 1, to)


def _read_line(state: State, kind: MoveType, source: Json) -> Move:
    run = _read_run(state, source)
    if kind is MoveType.PROCESS_LINE:
        return Move(kind, run[0], to=run[-1])
    chosen = get(source, "collapsedMarkers")
    cells = run if chosen is None else read_cells(state.variant.board, chosen, "collapsedMarkers")
    if cells == run:
        return Move(kind, run[0], run[0], run[-1], 1)
    length = state.variant.line_length
    if cells not in [run[start : start + length] for start in range(len(run) - length)] + [
        run[-length:]
    ]:
        raise wrong("collapsedMarkers", chosen, f"the whole line or {length} cells of it in a row")
    return Move(kind, run[0], cells[0], run[-1], 2)


def _read_run(state: State, source: Json) -> list[int]:
    board = state.variant.board
    given = _first(source, "formedLines")
    if given is not None:
        name = "formedLines[0].positions"
        run = read_cells(board, given.get("positions"), name)
        if not run:
            raise wrong(name, run, "at least one cell")
        return run
    to = _read_to(board, source)
    runs = [line.cells for line in eligible_lines(state) if to in line.cells]
    meant = [cells for cells in runs if cells[0] == to] or runs
    if len(meant) != 1:
        raise wrong("formedLines", None, "a line, unless `to` is in exactly one, or begins one")
    return list(meant[0])


def _read_region(state: State, source: Json) -> Move:
    board = state.variant.board
    regions = claimable_regions(state)
    cells = read_region(board, source)
    if cells is None:
        name, to = "to", _read_to(board, source)
        meant = [region for region in regions if first_cell(region) == to]
    else:
        name = "disconnectedRegions"
        meant = [region for region in regions if list(bits(region)) == cells]
    if len(meant) != 1:
        raise wrong(name, get(source, name), f"one of {len(regions)} claimable regions")
    kind = MoveType.CHOOSE_TERRITORY_OPTION
    return Move(kind, to=first_cell(meant[0]), extra=regions[meant[0]])


def read_region(board: Board, source: Json) -> list[int] | None:
    """Return the cells that a claim lists, claimable or not; None if it lists no region."""
    given = _first(source, "disconnectedRegions")
    if given is None:
        return None
    return read_cells(board, given.get("spaces"), "disconnectedRegions[0].spaces")


def _items(source: Json, name: str) -> list[object]:
    """Return a list that may be missing."""
    given = get(source, name)
    return [] if given is None else read_list(given, name)


def _first(source: Json, name: str) -> Json | None:
    """Return the first of a list that may be empty or missing."""
    items = _items(source, name)
    return read_map(items[0], f"{name}[0]") if items else None


def _read_slide(state: State, source: Json) -> Move:
    """Return the first slide of the position that is as described, as far as that goes."""
    board = state.variant.board
    ends = (_read_from(board, source), _read_to(board, source))
    collapse = read_cells(board, _items(source, "collapsePositions"), "collapsePositions")
    described = {
        "recoveryMode": get(source, "recoveryMode"),
        "recoveryOption": get(source, "recoveryOption", "option"),
        "collapsePositions": [position(board, cell) for cell in collapse],
        "extractionStacks": [
            key(board, read_key(board, text, "extractionStacks"))
            for text in _items(source, "extractionStacks")
        ],
    }
    for move in legal_moves(state):
        if move.type is MoveType.RECOVERY_SLIDE and (move.origin, move.to) == ends:
            slide = _write_slide(state, move)
            if all(
                value in (None, [], slide.get(name, value)) for name, value in described.items()
            ):
                return move
    raise wrong("recovery_slide", dict(source), "one of the position's slides")


def _collapsing(state: State, move: Move) -> int:
    """Return the cells that a recovery slide collapses."""
    line = line_made(state, move.origin, move.to)
    if line is None:
        return 0
    if move.extra == RecoveryMode.LINE_PART:
        return part_of(line, move.target, state.variant.line_length)
    return line.mask


def write_move(state: State, move: Move) -> dict[str, object]:
    """Write a legal move; `read_move` in the same position returns an equal one.

    Raises `NotationError` for a line, region, elimination or slide that the position does not have.
    """
    board = state.variant.board
    value: dict[str, object] = {"type": move.type.word, "player": state.player}
    if move.type is MoveType.MOVE_STACK or move.type in _captures:
        value["from"] = position(board, move.origin)
    if move.type in _captures:
        value["captureTarget"] = position(board, move.target)
    if move.type in _lines:
        value |= _write_line(state, move)
    elif move.type is MoveType.CHOOSE_TERRITORY_OPTION:
        value |= _write_region(state, move)
    elif move.type in _eliminations:
        value |= _write_elimination(state, move)
    elif move.type is MoveType.RECOVERY_SLIDE:
        value |= _write_slide(state, move)
    elif move.to >= 0:
        value["to"] = position(board, move.to)
    if move.type is MoveType.PLACE_RING:
        value["placementCount"] = move.extra
    return value


def _write_line(state: State, move: Move) -> dict[str, object]:
    board = state.variant.board
    line = _line_of(state, move)
    (x, y), (next_x, next_y) = (board.xy(cell) for cell in line.cells[:2])
    direction = {"x": next_x - x, "y": next_y - y}
    if board.is_hex:
        direction["z"] = x + y - next_x - next_y
    value: dict[str, object] = {
        "to": position(board, move.origin),
        "formedLines": [
            {
                "positions": positions(board, line.mask),
                "player": state.player,
                "length": len(line.cells),
                "direction": direction,
            }
        ],
    }
    if move.type is MoveType.CHOOSE_LINE_OPTION:
        value["collapsedMarkers"] = positions(board, _chosen(state, move, line))
    return value


def _line_of(state: State, move: Move) -> Line:
    ends = (move.origin, move.to)
    lines = [line for line in eligible_lines(state) if (line.cells[0], line.cells[-1]) == ends]
    # An overlong line may be named without being offered (AMB-04).
    if not lines or move.type is not MoveType.PROCESS_LINE:
        _demand_legal(state, move)
    return lines[0]


def _demand_legal(state: State, move: Move) -> None:
    if move not in legal_moves(state):
        found = describe(state.variant.board, move)
        raise wrong("move", found, f"one that is legal in {state.phase.value}")


def _chosen(state: State, move: Move, line: Line) -> int:
    return line.mask if move.extra == 1 else part_of(line, move.target, state.variant.line_length)


def _write_region(state: State, move: Move) -> dict[str, object]:
    _demand_legal(state, move)
    board = state.variant.board
    region = next(
        region
        for region, wall_owner in claimable_regions(state).items()
        if (first_cell(region), wall_owner) == (move.to, move.extra)
    )
    return {
        "to": position(board, move.to),
        "disconnectedRegions": [
            {
                "spaces": positions(board, region),
                "controllingPlayer": state.player,
                "isDisconnected": True,
            }
        ],
    }


def _write_elimination(state: State, move: Move) -> dict[str, object]:
    _demand_legal(state, move)
    if move.type is MoveType.FORCED_ELIMINATION:
        context = "forced"
    elif state.owed is Owed.LINE:
        context = "line"
    else:
        context = "recovery" if state.recovered else "territory"
    whole_cap = context in ("forced", "territory")
    count = cap_height(state.stacks[move.to]) if whole_cap else 1
    return {
        "to": position(state.variant.board, move.to),
        "eliminatedRings": [{"player": state.player, "count": count}],
        "eliminationContext": context,
    }


def _write_slide(state: State, move: Move) -> dict[str, object]:
    _demand_legal(state, move)
    board = state.variant.board
    mode, option = _recovery_words[RecoveryMode(move.extra)]
    value: dict[str, object] = {
        "from": position(board, move.origin),
        "to": position(board, move.to),
        "recoveryMode": mode,
    }
    if option is not None:
        value["recoveryOption"] = option
        value["collapsePositions"] = positions(board, _collapsing(state, move))
    if move.extra != RecoveryMode.LINE_PART:
        value["extractionStacks"] = [key(board, move.target)]
    return value


__all__ = ["NotationError", "read_move", "read_region", "write_move"]
