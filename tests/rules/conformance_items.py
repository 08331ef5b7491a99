"""Small items made up in the shapes of the published test data, for the tests of their runner."""

import copy
from collections.abc import Mapping
from typing import Any

from ringrift.rules import (
    Config,
    Move,
    MoveType,
    Phase,
    RuleSet,
    State,
    apply,
    initial_state,
    legal_moves,
    outcome,
)
from ringrift.rules.conformance import Item, Verdict, judge
from ringrift.rules.conformance.positions import material
from ringrift.rules.json_move import write_move
from ringrift.rules.json_state import write_state
from tests.rules.boards import move, position

class_c = "class C: its region is not cut off"
class_d = "class D: its effect is right, its setting is wrong"
class_e = "class E: it breaks the minimum distance"
class_f = "class F: a placeholder, or inconsistent"
Vector = dict[str, Any]


def at(x: int, y: int) -> dict[str, int]:
    """Return a cell as the data have it."""
    return {"x": x, "y": y}


def contract(
    state: State, value: object, asserted: Mapping[str, object], status: str = "awaiting_decision"
) -> Vector:
    """Return a contract vector."""
    return {
        "id": "it",
        "input": {"state": write_state(state), "move": value},
        "expectedOutput": {"status": status, "assertions": dict(asserted)},
    }


def step() -> Vector:
    """Return a contract vector: a step on a board with one other stack."""
    return contract(
        position("1 . .\n. . .\n. . 2", hand=(3, 3)),
        {"type": "move_stack", "player": 1, "from": at(0, 0), "to": at(1, 0)},
        {"currentPlayer": 2, "currentPhase": "ring_placement", "markerCount": 1},
        status="complete",
    )


def judged(stratum: str, value: Vector, label: str = "A", *earlier: Vector) -> Verdict:
    """Return what becomes of a value as an item."""
    return judge(Item(stratum, "it", value, label, earlier))


def expect(vector: Vector, **asserted: object) -> Vector:
    """Return a contract vector that asserts this as well."""
    changed = copy.deepcopy(vector)
    changed["expectedOutput"]["assertions"] |= asserted
    return changed


def chain() -> Vector:
    """Return a contract vector of two segments; the first is there twice, as in the data."""
    first = {"from": at(0, 0), "captureTarget": at(1, 0), "landing": at(2, 0)}
    second = {"from": at(2, 0), "captureTarget": at(2, 1), "landing": at(2, 2)}
    vector = contract(
        position("1 2 .\n. . 2\n. . .\n. . .", hand=(3, 3)),
        None,
        {"totalCapturesInChain": 2, "finalStackHeight": 3, "targetStacksRemaining": 0},
    )
    vector["input"]["initialMove"] = {
        "type": "overtaking_capture",
        "player": 1,
        "from": at(0, 0),
        "captureTarget": at(1, 0),
        "to": at(2, 0),
    }
    vector["input"]["expectedChainSequence"] = [first, second]
    vector["expectedOutput"]["finalState"] = {
        "finalStackPosition": at(2, 2),
        "markerPositions": [at(2, 0), at(0, 0)],
    }
    return vector


def crossing(drawing: str, players: int = 2, start: int = 4) -> Vector:
    """Return a vector whose step from (0, `start`) to (0, 0) is said to make a line."""
    return contract(
        position(drawing, Config("square8", players), hand=(3, 3, 3, 3)),
        {"type": "move_stack", "player": 1, "from": at(0, start), "to": at(0, 0)},
        {"currentPhase": "line_processing", "pendingDecisionType": "select_line_to_process"},
    )


def claim() -> Vector:
    """Return a vector that claims two cells which nothing cuts off."""
    spaces = [{"spaces": [at(0, 0), at(1, 0)]}]
    return contract(
        position("2 . .\n. . 1", phase=Phase.TERRITORY_PROCESSING),
        {"type": "choose_territory_option", "player": 1, "disconnectedRegions": spaces},
        {"collapsedCount": 2},
    )


def short_segment() -> Vector:
    """Return a vector of a stack of three that travels two cells."""
    return contract(
        position("111 2 . .", phase=Phase.CHAIN_CAPTURE),
        {
            "type": "continue_capture_segment",
            "player": 1,
            "from": at(0, 0),
            "captureTarget": at(1, 0),
            "to": at(2, 0),
        },
        {},
    )


def elimination() -> Vector:
    """Return a vector that pays for a region although nothing is owed, by the wrong player."""
    return contract(
        position("112 . .\n. . 2", player=2, phase=Phase.RING_PLACEMENT, hand=(0, 3)),
        {"type": "eliminate_rings_from_stack", "player": 1, "to": at(0, 0)},
        {"currentPhase": "lunch", "sInvariantDelta": 2, "player1EliminatedRings": 2},
    )


def reward() -> Vector:
    """Return a vector that collapses the last four of five markers, in the words of an action."""
    state = position("a a a a a\n1 2 . . B", phase=Phase.LINE_PROCESSING, hand=(1, 0))
    cells = [at(x, 0) for x in (1, 2, 3, 4)]
    return {
        "id": "it",
        "input": {
            "state": write_state(state),
            "action": {"type": "choose_line_reward", "playerId": 1, "collapsedPositions": cells},
        },
        "assertions": {
            "boardChanges": {
                "collapsedSpacesAdded": ["4,0", "1,0", "2,0", "3,0"],
                "markersRemaining": ["0,0"],
                "noSelfElimination": True,
            },
            "playerChanges": {"1": {"eliminatedRings": 0, "ringsInHand": 1}},
        },
    }


def trace() -> Vector:
    """Return a fixture of a step, followed, and of another one, refused."""
    state = position("1 . .\n. . .\n. . 2", hand=(3, 4))
    forward = {"type": "move_stack", "player": 1, "from": at(0, 0), "to": at(1, 0)}
    return {
        "initialState": write_state(state) | {"gameStatus": "waiting"},
        "steps": [
            {
                "move": forward,
                "expected": {"tsValid": True},
                "stateHash": "2:any:waiting:0#1:3:0:0|2:4:0:0#1,0:1:1:1|2,2:2:1:1#0,0:1#",
            },
            {"move": forward, "expected": {"tsValid": False}},
        ],
    }


def compact(state: State, chosen: Move) -> Vector:
    """Return a move as games and transitions have it."""
    full: Vector = write_move(state, chosen)
    value = {"phase": state.phase.value, "player": state.player, "type": full["type"]}
    value |= {name: full[name] for name in ("from", "to", "captureTarget") if name in full}
    if "formedLines" in full:
        value["line"] = full["formedLines"][0]["positions"]
    if "collapsedMarkers" in full:
        value["collapse"] = full["collapsedMarkers"]
    if "disconnectedRegions" in full:
        value["region"] = full["disconnectedRegions"][0]["spaces"]
    return value | ({"placementCount": chosen.extra} if "placementCount" in full else {})


def transition(state: State, chosen: Move) -> Vector:
    """Return a transition of a state."""

    def written(side: State) -> Vector:
        return {"currentPlayer": side.player, "phase": side.phase.value, **material(side)}

    return {
        "id": "it",
        "boardType": state.variant.board.name,
        "numPlayers": state.variant.config.players,
        "params": {"lineLength": state.variant.line_length, "victoryThreshold": None},
        "move": compact(state, chosen),
        "before": written(state),
        "after": written(apply(state, chosen)),
    }


def line() -> Vector:
    """Return a transition that collapses three markers, under a shorter line length."""
    rules = RuleSet(line_length=3)
    state = position("a a a a 1 . 2", phase=Phase.LINE_PROCESSING, rules=rules)
    kind = MoveType.CHOOSE_LINE_OPTION
    return transition(state, move(state, kind, (3, 0), start=(0, 0), target=(1, 0), extra=2))


def game(moves_max: int = 1000) -> Vector:
    """Return the record of a game in which the first legal move is always made."""
    config = Config("square8", 2)
    state = initial_state(config)
    moves: list[Vector] = []
    while outcome(state) is None and len(moves) < moves_max:
        chosen = legal_moves(state)[0]
        moves.append(compact(state, chosen))
        state = apply(state, chosen)
    result = outcome(state)
    end: Vector = {
        "currentPlayer": state.player,
        "phase": state.phase.value,
        "status": "active" if result is None else "completed",
        "winner": result and result.winner,
        "reason": result and result.reason.value,
        **material(state),
    }
    return {
        "id": "it",
        "boardType": "square8",
        "numPlayers": 2,
        "ringsPerPlayer": 18,
        "recorded": {"winner": end["winner"]},
        "canonical": {"complete": result is not None, "moves": moves, "end": end},
    }
