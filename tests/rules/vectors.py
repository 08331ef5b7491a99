"""The published test data of RingRift, read where it lies and turned into our shapes.

The data are not part of this project. `RINGRIFT_VECTORS` names their folder; without it they are
looked for beside the project. Their own README says what each item promises.
"""

import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from ringrift.rules.config import RuleSet
from ringrift.rules.json_state import read_state, write_state
from ringrift.rules.state import State

Item = Mapping[str, Any]
"""Parsed JSON of a shape that this project does not define."""

_project = pathlib.Path(__file__).resolve().parents[2]
folder = pathlib.Path(
    os.environ.get("RINGRIFT_VECTORS", _project.parent / "shared" / "rules" / "vectors")
)
absent = f"the RingRift vectors are not in {folder}; set RINGRIFT_VECTORS to their folder"


def found() -> bool:
    """Return whether the data are here."""
    return (folder / "MANIFEST.json").is_file()


def games() -> list[Item]:
    """Return the recorded games."""
    return _lines("games")


def transitions() -> list[Item]:
    """Return the pairs of consecutive states."""
    return _lines("transitions")


def contracts(wanted: str) -> list[Item]:
    """Return the contract vectors of one class, A to F."""
    manifest = json.loads((folder / "MANIFEST.json").read_text(encoding="utf-8"))
    classes = {item["id"]: item["class"] for item in manifest["contract_v2"]}
    files = _files("contract_v2/*.json").values()
    every = [vector for content in files for vector in content["vectors"]]
    return [vector for vector in every if classes[vector["id"]] == wanted]


def extras() -> list[Item]:
    """Return the vectors of the contract's sister files that have a shape of their own."""
    files = _files("contract_extra/*.ai-service.json").values()
    return [vector for content in files for vector in content["vectors"]]


def parities() -> dict[str, Item]:
    """Return the parity fixtures by name."""
    return _files("rules_parity/*/*.json")


def _lines(stratum: str) -> list[Item]:
    paths = sorted((folder / stratum).glob("*.jsonl"))
    lines = [line for path in paths for line in path.read_text(encoding="utf-8").splitlines()]
    return [json.loads(line) for line in lines]


def _files(pattern: str) -> dict[str, Item]:
    return {
        path.relative_to(folder).with_suffix("").as_posix(): json.loads(
            path.read_text(encoding="utf-8")
        )
        for path in sorted(folder.glob(pattern))
    }


def full_move(compact: Item) -> dict[str, Any]:
    """Write a canonical move of the games and transitions in the shape of section 17.1."""
    move = {name: value for name, value in compact.items() if name not in ("phase", "origin")}
    if "line" in move:
        move["formedLines"] = [{"positions": move.pop("line")}]
    if "collapse" in move:
        move["collapsedMarkers"] = move.pop("collapse")
    if "region" in move:
        move["disconnectedRegions"] = [{"spaces": move.pop("region")}]
    return move


def compact_state(item: Item, params: Item, board: str) -> State:
    """Read a state of a transition, under the parameters that come with it."""
    # Some states keep the chainFrom of an earlier turn; only a capture phase has one of its own.
    capturing = item["phase"] in ("capture", "chain_capture")
    mover = (item.get("chainFrom") if capturing else None) or item.get("mustMoveFrom")
    source = {
        "board": {
            "type": board,
            "stacks": {cell: {"rings": rings} for cell, rings in item["stacks"].items()},
            "markers": {cell: {"player": owner} for cell, owner in item["markers"].items()},
            "collapsedSpaces": item["collapsed"],
        },
        "players": [
            {
                "playerNumber": int(seat),
                "ringsInHand": hand,
                "eliminatedRings": item["eliminated"][seat],
            }
            for seat, hand in item["hand"].items()
        ],
        "currentPlayer": item["currentPlayer"],
        "currentPhase": item["phase"],
        "gameStatus": item["status"],
        "victoryThreshold": params["victoryThreshold"],
        "mustMoveFromStackKey": mover,
    }
    return read_state(source, RuleSet(line_length=params["lineLength"]))


def material(state: State) -> dict[str, dict[str, Any]]:
    """Write what a state's board and players hold, in the compact shape of the data."""
    return written_material(write_state(state))


def written_material(written: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Write the same of a state that is JSON already."""
    board, players = written["board"], written["players"]
    return {
        "stacks": {cell: stack["rings"] for cell, stack in board["stacks"].items()},
        "markers": {cell: marker["player"] for cell, marker in board["markers"].items()},
        "collapsed": board["collapsedSpaces"],
        "hand": {str(player["playerNumber"]): player["ringsInHand"] for player in players},
        "eliminated": {
            str(player["playerNumber"]): player["eliminatedRings"] for player in players
        },
    }
