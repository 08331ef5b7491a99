"""The position of a game, and the few ways in which a board may change."""

import dataclasses
import enum

from ringrift.rules.config import Variant
from ringrift.rules.moves import Move, no_cell


class Phase(enum.StrEnum):
    """Where in a turn the game is (section 5)."""

    RING_PLACEMENT = "ring_placement"
    MOVEMENT = "movement"
    CAPTURE = "capture"
    CHAIN_CAPTURE = "chain_capture"
    LINE_PROCESSING = "line_processing"
    TERRITORY_PROCESSING = "territory_processing"
    FORCED_ELIMINATION = "forced_elimination"
    GAME_OVER = "game_over"


class Owed(enum.Enum):
    """The elimination that the player to move must make next."""

    NOTHING = "nothing"
    LINE = "line"
    TERRITORY = "territory"


class Reason(enum.StrEnum):
    """Why a game ended (section 14)."""

    RING_ELIMINATION = "ring_elimination"
    TERRITORY_CONTROL = "territory_control"
    SOLE_OWNER = "sole_owner"
    STANDSTILL = "standstill"
    LAST_PLAYER_STANDING = "last_player_standing"
    RESIGNATION = "resignation"
    TIMEOUT = "timeout"


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """How a game ended."""

    winner: int
    """A seat, counted from 1. There is always one: the ladder of section 14.4 ends with seats."""
    reason: Reason
    ranking: tuple[int, ...]
    """Each seat's rank, seat 1 first; the winner's is 1, and equals share theirs (1, 2, 2, 4)."""


def cap_height(rings: bytes) -> int:
    """Return how many rings of the controller's colour lie on top of a stack without a break."""
    return len(rings) - len(rings.lstrip(rings[:1]))


@dataclasses.dataclass(slots=True)
class State:
    """A position. A value: the rules change only copies that nobody else has seen yet.

    Lists are indexed by seat; entry 0 is not used.
    """

    variant: Variant
    player: int
    """Whose turn it is."""
    phase: Phase
    turn: int
    """The number of the turn, counted from 1 over all players."""

    stacks: dict[int, bytes]
    """Cell to owners' seats, the top ring first."""
    occupied: int
    """Cells with stacks."""
    controlled: list[int]
    """Cells with stacks, by controller."""
    marked: int
    """Cells with markers."""
    markers: list[int]
    """Cells with markers, by owner."""
    collapsed: int
    """Collapsed cells."""
    territory: list[int]
    """Collapsed cells, by owner."""
    hand: list[int]
    """Rings not yet placed."""
    on_board: list[int]
    """Rings of this colour on the board, at whatever depth."""
    eliminated: list[int]
    """Rings credited to this player."""

    mover: int = no_cell
    """The stack that must move, or capture, if there is one."""
    owed: Owed = Owed.NOTHING
    recovered: bool = False
    """Whether this turn had a recovery slide, so that regions cost a buried ring."""
    changed: bool = False
    """Whether this turn has changed the board, so that no elimination is forced."""
    swapped: bool = False

    streak: list[int] = dataclasses.field(default_factory=list)
    """Latest turns in a row begun with a real action; if negative, without one."""
    lost_turn: list[int] = dataclasses.field(default_factory=list)
    """The turn in which this player lost their last ring; 0 if they have not."""
    last_actor: int = 0
    """The seat that made the latest placement, step or capture; 0 for none."""
    result: Outcome | None = None

    legal: tuple[Move, ...] | None = dataclasses.field(default=None, compare=False, repr=False)
    """What `legal_moves` found, kept because `apply` asks for it too."""

    def copy(self) -> "State":
        """Return an equal state that shares nothing that changes."""
        return State(
            self.variant,
            self.player,
            self.phase,
            self.turn,
            self.stacks.copy(),
            self.occupied,
            self.controlled.copy(),
            self.marked,
            self.markers.copy(),
            self.collapsed,
            self.territory.copy(),
            self.hand.copy(),
            self.on_board.copy(),
            self.eliminated.copy(),
            self.mover,
            self.owed,
            self.recovered,
            self.changed,
            self.swapped,
            self.streak.copy(),
            self.lost_turn.copy(),
            self.last_actor,
            self.result,
        )

    def has_rings(self, seat: int) -> bool:
        """Return whether a player has a ring in hand or anywhere on the board."""
        return self.hand[seat] > 0 or self.on_board[seat] > 0

    # What follows changes the state, and keeps its masks and counts true to one another.

    def put_stack(self, cell: int, rings: bytes) -> None:
        """Put a stack on a cell in place of any that is there; an empty one clears the cell."""
        bit = 1 << cell
        old = self.stacks.pop(cell, None)
        if old is not None:
            self.controlled[old[0]] ^= bit
            self.occupied ^= bit
        if rings:
            self.stacks[cell] = rings
            self.controlled[rings[0]] |= bit
            self.occupied |= bit

    def put_marker(self, cell: int) -> None:
        """Put a marker of the player to move on an empty cell."""
        bit = 1 << cell
        self.markers[self.player] |= bit
        self.marked |= bit

    def take_markers(self, mask: int) -> None:
        """Remove every marker in `mask`, whoever's they are."""
        if self.marked & mask:
            self.marked &= ~mask
            for seat in self.variant.seats:
                self.markers[seat] &= ~mask

    def flip_markers(self, mask: int) -> None:
        """Make every marker in `mask`, all of its cells holding one, that of the player to move."""
        for seat in self.variant.seats:
            self.markers[seat] &= ~mask
        self.markers[self.player] |= mask

    def collapse(self, mask: int) -> None:
        """Collapse the cells of `mask` to the player to move; markers on them vanish."""
        self.take_markers(mask)
        self.territory[self.player] |= mask
        self.collapsed |= mask
        self.changed = True

    def eliminate(self, cell: int, count: int, depth: int = 0) -> None:
        """Take rings out of a stack, `depth` below its top, for the credit of the player to move.

        They leave the game, whosever they are.
        """
        rings = self.stacks[cell]
        self.put_stack(cell, rings[:depth] + rings[depth + count :])
        self.eliminated[self.player] += count
        self.changed = True
        for owner in rings[depth : depth + count]:
            self.on_board[owner] -= 1
            if not self.has_rings(owner):
                self.lost_turn[owner] = self.turn
