"""The rules of RingRift: positions, their legal moves, and what each move does.

    state = initial_state(Config.parse("square8_2p"))
    while outcome(state) is None:
        state = apply(state, choose(legal_moves(state)))

Twelve configs share one engine; a config is only data. What the rules leave open is a field of
`RuleSet`. Moves and positions are written as text (`notation`, `position_text`), as JSON
(`json_move`, `json_state`), and, in game records, as columns of bytes (`columns`).
"""

from ringrift.rules.config import Config, EndTest, RuleSet, configs
from ringrift.rules.errors import NotationError
from ringrift.rules.moves import Move, MoveType
from ringrift.rules.state import Outcome, Phase, Reason, State
from ringrift.rules.turn import IllegalMove, apply, initial_state, legal_moves, outcome

engine_version = 1
"""Raised whenever a game that was legal would replay differently."""

__all__ = [
    "Config",
    "EndTest",
    "IllegalMove",
    "Move",
    "MoveType",
    "NotationError",
    "Outcome",
    "Phase",
    "Reason",
    "RuleSet",
    "State",
    "apply",
    "configs",
    "engine_version",
    "initial_state",
    "legal_moves",
    "outcome",
]
