"""The published test data of RingRift, where they lie on this machine.

The data are not part of this project. `RINGRIFT_VECTORS` names their folder; without it they are
looked for beside the project. `ringrift.rules.conformance` reads and judges them.
"""

import functools
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from ringrift.rules.conformance import Item as Vector
from ringrift.rules.conformance import load, positions, replay
from ringrift.rules.state import State

Item = Mapping[str, Any]
"""Parsed JSON of a shape that this project does not define."""

_project = pathlib.Path(__file__).resolve().parents[2]
folder = pathlib.Path(
    os.environ.get("RINGRIFT_VECTORS", _project.parent / "shared" / "rules" / "vectors")
)
absent = f"the RingRift vectors are not in {folder}; set RINGRIFT_VECTORS to their folder"

full_move = positions.full_move


def found() -> bool:
    """Return whether the data are here."""
    return (folder / "MANIFEST.json").is_file()


@functools.cache
def every() -> tuple[Vector, ...]:
    """Return all items, or none where the data are absent."""
    return tuple(load(folder)) if found() else ()


def games() -> list[Item]:
    """Return the recorded games."""
    return _values("games")


def transitions() -> list[Item]:
    """Return the pairs of consecutive states."""
    return _values("transitions")


def _values(stratum: str) -> list[Item]:
    return [item.value for item in every() if item.stratum == stratum and item.value is not None]


def compact_state(item: Item, params: Item, board: str) -> State:
    """Read a state of a transition, under the parameters that come with it."""
    return replay.read_before({"before": item, "params": params, "boardType": board})


def written_material(written: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Write what a state's board and players hold, in the compact shape of the data."""
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
