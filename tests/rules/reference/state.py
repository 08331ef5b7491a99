"""A position, what is counted on it, and the elementary changes to it (sections 2 to 4).

States are never changed: every function here returns a new one.
"""

import dataclasses
from collections.abc import Collection, Mapping

from ringrift.rules.config import Config, EndTest, RuleSet
from tests.rules.reference.geometry import Cell, Geometry, geometry

Rings = tuple[int, ...]
"""The colours of a stack's rings, the top one first."""

_supply = {"square8": 18, "square19": 72, "hex8": 18, "hexagonal": 96}


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a game ended. `ranking` holds the rank of each seat, from seat 1."""

    winner: int
    reason: str
    ranking: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class State:
    """A position (section 3). Phases and move types are the words of section 5."""

    config: Config
    rules: RuleSet
    hand: Mapping[int, int]
    eliminated: Mapping[int, int]
    streaks: Mapping[int, int]
    """Own turns in a row, up to the latest, that began with (positive) or without a real action."""
    lost_turns: Mapping[int, int]
    """The turn in which each player lost the last ring; 0 is never."""
    stacks: Mapping[Cell, Rings] = dataclasses.field(default_factory=dict)
    markers: Mapping[Cell, int] = dataclasses.field(default_factory=dict)
    collapsed: Mapping[Cell, int] = dataclasses.field(default_factory=dict)
    player: int = 1
    phase: str = "ring_placement"
    turn: int = 1
    mover: Cell | None = None
    """The stack that must move after a placement, or that is capturing or may capture."""
    owed: str = "nothing"
    recovered: bool = False
    changed: bool = False
    swapped: bool = False
    last_actor: int = 0
    result: Outcome | None = None

    @property
    def seats(self) -> range:
        """All seats, in the order of play."""
        return range(1, self.config.players + 1)

    @property
    def grid(self) -> Geometry:
        """The board without pieces."""
        return geometry(self.config.board)

    @property
    def supply(self) -> int:
        """Rings of each colour."""
        return _supply[self.config.board]

    @property
    def line_length(self) -> int:
        """Markers in a row that make a line."""
        short = self.config.board in ("square8", "hex8") and self.config.players > 2
        return self.rules.line_length or (3 if short else 4)

    @property
    def elimination_threshold(self) -> int:
        """Eliminated rings that win."""
        players = self.config.players
        usual = round(self.supply * (2 / 3 + (players - 1) / 3))
        return self.rules.elimination_threshold or usual

    @property
    def territory_minimum(self) -> int:
        """Collapsed cells without which territory does not win."""
        return len(self.grid.cells) // self.config.players + 1

    @property
    def ends_at_once(self) -> bool:
        """Whether endings are looked for after every move, not only after a turn (AMB-07)."""
        return self.rules.end_test is EndTest.EACH_MOVE


def cap_height(rings: Rings) -> int:
    """Return the length of the run of one colour at the top."""
    return next((n for n, ring in enumerate(rings) if ring != rings[0]), len(rings))


def controlled(state: State, player: int) -> list[Cell]:
    """Return the stacks whose top ring is the player's."""
    return [cell for cell, rings in state.stacks.items() if rings[0] == player]


def holding_buried(state: State, player: int) -> list[Cell]:
    """Return the stacks with a ring of the player below the top."""
    return [cell for cell, rings in state.stacks.items() if player in rings[1:]]


def on_board(state: State, player: int) -> int:
    """Return how many rings of this colour lie on the board."""
    return sum(rings.count(player) for rings in state.stacks.values())


def has_rings(state: State, player: int) -> bool:
    """Return whether the player has a ring in hand, on top or buried."""
    return state.hand[player] > 0 or on_board(state, player) > 0


def territory(state: State, player: int) -> int:
    """Return how many cells have collapsed to the player."""
    return list(state.collapsed.values()).count(player)


def with_stack(state: State, cell: Cell, rings: Rings) -> State:
    """Put a stack in place of what the cell held of one; no rings is no stack."""
    stacks = {at: held for at, held in state.stacks.items() if at != cell}
    if rings:
        stacks[cell] = rings
    return dataclasses.replace(state, stacks=stacks)


def with_marker(state: State, cell: Cell, player: int) -> State:
    """Put a marker, or turn the one that is there."""
    return dataclasses.replace(state, markers={**state.markers, cell: player})


def without_markers(state: State, cells: Collection[Cell]) -> State:
    """Take markers away."""
    markers = {at: owner for at, owner in state.markers.items() if at not in cells}
    return dataclasses.replace(state, markers=markers)


def with_collapsed(state: State, cells: Collection[Cell], player: int) -> State:
    """Collapse cells to a player; their markers vanish."""
    collapsed = {**state.collapsed, **dict.fromkeys(cells, player)}
    return dataclasses.replace(without_markers(state, cells), collapsed=collapsed)


def with_credit(state: State, player: int, rings: int) -> State:
    """Credit a player with eliminated rings."""
    eliminated = {**state.eliminated, player: state.eliminated[player] + rings}
    return dataclasses.replace(state, eliminated=eliminated)


def without_top(state: State, cell: Cell, rings: int, player: int) -> State:
    """Eliminate rings from the top of a stack, credited to a player."""
    return with_credit(with_stack(state, cell, state.stacks[cell][rings:]), player, rings)


def without_lowest(state: State, cell: Cell, player: int) -> State:
    """Eliminate the lowest ring of a player in a stack, credited to the player."""
    rings = list(state.stacks[cell])
    lowest = max(index for index, ring in enumerate(rings) if ring == player)
    del rings[lowest]
    return with_credit(with_stack(state, cell, tuple(rings)), player, 1)
