"""The reference's states and moves in the JSON shapes of section 17."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from ringrift.rules.config import Config, RuleSet
from tests.rules.reference.geometry import Cell, back, geometry, shift
from tests.rules.reference.moves import Move, cell_of
from tests.rules.reference.state import Outcome, State, cap_height, territory
from tests.rules.reference.turn import accepted_moves, initial

Json = Mapping[str, Any]

_captures = ("overtaking_capture", "continue_capture_segment")
_lines = ("process_line", "choose_line_option")


def position(cell: Cell) -> dict[str, int]:
    """Write a cell as an object."""
    return dict(zip("xyz", cell, strict=False))


def positions(cells: Iterable[Cell]) -> list[dict[str, int]]:
    """Write cells in the order of their coordinates."""
    return [position(cell) for cell in sorted(cells)]


def key(cell: Cell) -> str:
    """Write a cell as the key of a map."""
    return ",".join(map(str, cell))


def cell_names(board: str) -> list[str]:
    """Return the keys of all cells of a board, in the order of their coordinates."""
    return [key(cell) for cell in sorted(geometry(board).cells)]


def _cell(state: State, numbers: Iterable[int | str]) -> Cell:
    x, y = [int(number) for number in numbers][:2]
    return (x, y, -x - y) if state.grid.is_hex else (x, y)


def _at(state: State, value: Json) -> Cell:
    return _cell(state, (value["x"], value["y"]))


def read_state(source: Json, rules: RuleSet | None = None) -> State:
    """Read a position; well-formed input is taken for granted."""
    rules = rules or RuleSet()
    threshold = source.get("victoryThreshold")
    if threshold is not None:
        rules = dataclasses.replace(rules, elimination_threshold=threshold)
    board, players = source["board"], source["players"]
    state = initial(Config(board["type"], len(players)), rules)
    state = dataclasses.replace(
        state,
        hand={player["playerNumber"]: player["ringsInHand"] for player in players},
        eliminated={player["playerNumber"]: player["eliminatedRings"] for player in players},
        streaks=dict.fromkeys(state.seats, 0),
        stacks={
            _cell(state, text.split(",")): tuple(stack["rings"])
            for text, stack in board["stacks"].items()
        },
        markers={
            _cell(state, text.split(",")): marker["player"]
            for text, marker in board["markers"].items()
        },
        collapsed={
            _cell(state, text.split(",")): owner for text, owner in board["collapsedSpaces"].items()
        },
        player=source["currentPlayer"],
        phase=source["currentPhase"],
        turn=source.get("turnNumber", 1),
    )
    return _with_turn(_with_mover(state, source), source.get("turn"))


def _with_mover(state: State, source: Json) -> State:
    capturing, moving = source.get("chainCapturePosition"), source.get("mustMoveFromStackKey")
    mover = None
    if state.phase in ("capture", "chain_capture") and capturing is not None:
        mover = _at(state, capturing)
    elif state.phase in ("movement", "capture", "chain_capture") and moving is not None:
        mover = _cell(state, moving.split(","))
    return dataclasses.replace(state, mover=mover)


def _with_turn(state: State, turn: Json | None) -> State:
    if turn is None:
        return state
    result = turn["result"]
    return dataclasses.replace(
        state,
        owed=turn["owed"],
        recovered=turn["recovered"],
        changed=turn["changed"],
        swapped=turn["swapped"],
        streaks=dict(zip(state.seats, turn["streaks"], strict=True)),
        lost_turns=dict(zip(state.seats, turn["lostTurns"], strict=True)),
        last_actor=turn["lastActor"],
        result=result and Outcome(result["winner"], result["reason"], tuple(result["ranking"])),
    )


def write_state(state: State) -> dict[str, Any]:
    """Write a position."""
    value: dict[str, Any] = {
        "board": {
            "type": state.config.board,
            "stacks": {key(cell): _write_stack(state, cell) for cell in state.stacks},
            "markers": {
                key(cell): {"position": position(cell), "player": owner}
                for cell, owner in state.markers.items()
            },
            "collapsedSpaces": {key(cell): owner for cell, owner in state.collapsed.items()},
        },
        "players": [
            {
                "playerNumber": seat,
                "ringsInHand": state.hand[seat],
                "eliminatedRings": state.eliminated[seat],
                "territorySpaces": territory(state, seat),
            }
            for seat in state.seats
        ],
        "currentPlayer": state.player,
        "currentPhase": state.phase,
        "gameStatus": "active" if state.result is None else "completed",
        "victoryThreshold": state.elimination_threshold,
        "turnNumber": state.turn,
        "turn": _write_turn(state),
    }
    if state.mover is not None and state.phase == "movement":
        value["mustMoveFromStackKey"] = key(state.mover)
    elif state.mover is not None:
        value["chainCapturePosition"] = position(state.mover)
    return value


def _write_stack(state: State, cell: Cell) -> dict[str, Any]:
    rings = state.stacks[cell]
    return {
        "position": position(cell),
        "rings": list(rings),
        "stackHeight": len(rings),
        "capHeight": cap_height(rings),
        "controllingPlayer": rings[0],
    }


def _write_turn(state: State) -> dict[str, Any]:
    result = state.result and dataclasses.asdict(state.result)
    return {
        "owed": state.owed,
        "recovered": state.recovered,
        "changed": state.changed,
        "swapped": state.swapped,
        "streaks": [state.streaks[seat] for seat in state.seats],
        "lostTurns": [state.lost_turns[seat] for seat in state.seats],
        "lastActor": state.last_actor,
        "result": result and {**result, "ranking": list(result["ranking"])},
    }


def write_move(state: State, move: Move) -> dict[str, Any]:
    """Write a legal move."""
    value: dict[str, Any] = {"type": move.type, "player": state.player}
    if move.origin is not None:
        value["from"] = position(move.origin)
    if move.target is not None:
        value["captureTarget"] = position(move.target)
    if move.to is not None:
        value["to"] = position(move.to)
    if move.type == "place_ring":
        value["placementCount"] = move.count
    elif move.type in _lines:
        value |= _write_line(state, move)
    elif move.type == "choose_territory_option":
        region = {"spaces": positions(move.cells), "controllingPlayer": state.player}
        value["disconnectedRegions"] = [{**region, "isDisconnected": True}]
    elif move.type in ("eliminate_rings_from_stack", "forced_elimination"):
        value |= _write_elimination(state, cell_of(move.to))
    elif move.type == "recovery_slide":
        value |= _write_slide(move)
    return value


def _write_line(state: State, move: Move) -> dict[str, Any]:
    run = tuple(sorted(move.cells))
    line = {
        "positions": positions(run),
        "player": state.player,
        "length": len(run),
        "direction": position(shift(back(run[0]), run[1])),
    }
    value: dict[str, Any] = {"formedLines": [line]}
    if move.type == "choose_line_option":
        value["collapsedMarkers"] = positions(move.collapse)
    return value


def _write_elimination(state: State, cell: Cell) -> dict[str, Any]:
    cap = cap_height(state.stacks[cell])
    if state.phase == "forced_elimination":
        context, count = "forced", cap
    elif state.owed == "line":
        context, count = "line", 1
    elif state.recovered:
        context, count = "recovery", 1
    else:
        context, count = "territory", cap
    return {
        "eliminatedRings": [{"player": state.player, "count": count}],
        "eliminationContext": context,
    }


def _write_slide(move: Move) -> dict[str, Any]:
    value: dict[str, Any] = {"recoveryMode": move.mode}
    if move.option:
        value["recoveryOption"] = move.option
        value["collapsePositions"] = positions(move.collapse)
    if move.payer is not None:
        value["extractionStacks"] = [key(move.payer)]
    return value


def read_move(state: State, source: Json) -> Move | None:
    """Return the first accepted move that is as described, or None if there is none."""
    for move in accepted_moves(state):
        if move.type == source["type"] and _described(state, move, source):
            return move
    return None


def _described(state: State, move: Move, source: Json) -> bool:
    """Return whether all that the source says of a move of its type is so."""
    told: list[tuple[object, object]] = []
    named = {"formedLines", "disconnectedRegions"} & source.keys()
    if move.to is not None and not named:
        told.append((move.to, _at(state, source["to"])))
    if move.origin is not None:
        told.append((move.origin, _at(state, source["from"])))
    if move.target is not None and "captureTarget" in source:
        told.append((move.target, _at(state, source["captureTarget"])))
    if move.type == "place_ring":
        told.append((move.count, source.get("placementCount", 1)))
    if "formedLines" in source:
        told.append((move.cells, _all(state, source["formedLines"][0]["positions"])))
    if "disconnectedRegions" in source:
        told.append((move.cells, _all(state, source["disconnectedRegions"][0]["spaces"])))
    if move.type == "choose_line_option" and "collapsedMarkers" in source:
        told.append((move.collapse, _all(state, source["collapsedMarkers"])))
    if "collapsePositions" in source:
        told.append((move.collapse, _all(state, source["collapsePositions"])))
    if "recoveryMode" in source:
        told.append((move.mode, source["recoveryMode"]))
    if "recoveryOption" in source:
        told.append((move.option, source["recoveryOption"]))
    if "extractionStacks" in source:
        told.append((move.payer and key(move.payer), source["extractionStacks"][0]))
    return all(mine == theirs for mine, theirs in told)


def _all(state: State, values: Iterable[Json]) -> frozenset[Cell]:
    return frozenset(_at(state, value) for value in values)
