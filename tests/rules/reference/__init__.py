"""A second engine for the rules, slow and plain, for tests to compare the first one with.

It is written from the text of the rules alone and shares with `ringrift.rules` only the names of
configs and rule sets, and the JSON shapes of positions and moves. It knows no resignations and no
timeouts. A comment tells where the text is silent and both engines had to choose.
"""

from tests.rules.reference.moves import Move
from tests.rules.reference.shapes import (
    cell_names,
    read_move,
    read_state,
    write_move,
    write_state,
)
from tests.rules.reference.state import Outcome, State
from tests.rules.reference.turn import Illegal, apply, follow, initial, legal_moves, outcome

__all__ = [
    "Illegal",
    "Move",
    "Outcome",
    "State",
    "apply",
    "cell_names",
    "follow",
    "initial",
    "legal_moves",
    "outcome",
    "read_move",
    "read_state",
    "write_move",
    "write_state",
]
