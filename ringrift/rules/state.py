"""The position of a game, and the few ways in which a board may change."""

import dataclasses
import enum
from collections.abc import Mapping

from ringrift.rules.config import Variant
from ringrift.rules.geometry import bits
from ringrift.rules.moves import Move, no_cell
from ringrift.rules.zobrist import mixed

rings_max = 1_000
"""Rings in all, on the board, in hand and eliminated, of a position that is read. Older data have
many more than a game."""
turns_max = 1_000_000
"""The turn up to which positions are meant to be typed; readers take a little more."""


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
    board_key: int = 0
    """The XOR of the numbers of everything on the board."""

    mover: int = no_cell
    """The stack that must move, or capture, if there is one."""
    owed: Owed = Owed.NOTHING
    recovered: bool = False
    """Whether this turn had a recovery slide, so that regions cost a buried ring."""
    changed: bool = False
    """Whether this turn has changed the board, so that no elimination is forced."""
    swapped: bool = False

    streak: list[int] = dataclasses.field(default_factory=list)
    """Latest turns in a row begun with a real action; if negative, without one. Never changed, but
    replaced."""
    lost_turn: list[int] = dataclasses.field(default_factory=list)
    """The turn in which this player lost their last ring; 0 if they have not."""
    last_actor: int = 0
    """The seat that made the latest placement, step or capture; 0 for none."""
    result: Outcome | None = None

    legal: tuple[Move, ...] | None = dataclasses.field(default=None, compare=False, repr=False)
    """What `legal_moves` found, kept because `apply` asks for it too."""

    def copy(self) -> "State":
        """Return an equal state that shares nothing that changes."""
        state = self.next_phase()
        state.stacks = self.stacks.copy()
        state.controlled = self.controlled.copy()
        state.markers = self.markers.copy()
        state.territory = self.territory.copy()
        state.hand = self.hand.copy()
        state.on_board = self.on_board.copy()
        state.eliminated = self.eliminated.copy()
        state.lost_turn = self.lost_turn.copy()
        return state

    def next_phase(self) -> "State":
        """Return an equal state that shares its lists with this one, so that none may change."""
        return State(
            self.variant,
            self.player,
            self.phase,
            self.turn,
            self.stacks,
            self.occupied,
            self.controlled,
            self.marked,
            self.markers,
            self.collapsed,
            self.territory,
            self.hand,
            self.on_board,
            self.eliminated,
            self.board_key,
            self.mover,
            self.owed,
            self.recovered,
            self.changed,
            self.swapped,
            self.streak,
            self.lost_turn,
            self.last_actor,
            self.result,
        )

    def __hash__(self) -> int:
        """Hash by `key`: equal positions have equal keys."""
        return self.key

    @property
    def key(self) -> int:
        """The position's Zobrist key, 64 bits, the same in every process.

        It covers the config and whatever decides how the game may go on, under one rule set. Who
        acted last and when who lost their last ring only break ties in a ranking, and are left out.
        The board's part is kept as it changes; the few numbers beside it are mixed in here.
        """
        rules = self.variant.rules
        rounds = rules.lps_rounds
        may_swap = rules.swap and self.turn == 2
        return self.board_key ^ mixed(
            self.player,
            _phase_numbers[self.phase],
            _owed_numbers[self.owed],
            self.mover,
            may_swap << 3 | self.recovered << 2 | self.changed << 1 | self.swapped,
            *self.hand,
            *self.eliminated,
            *[rounds + min(max(streak, -rounds), rounds) for streak in self.streak],
        )

    def has_rings(self, seat: int) -> bool:
        """Return whether a player has a ring in hand or anywhere on the board."""
        return self.hand[seat] > 0 or self.on_board[seat] > 0

    # What follows changes the state, and keeps its masks and counts true to one another.

    def put_stack(self, cell: int, rings: bytes) -> None:
        """Put a stack on a cell in place of any that is there; an empty one clears the cell."""
        bit = 1 << cell
        number = self.variant.zobrist.stack
        old = self.stacks.pop(cell, None)
        if old is not None:
            self.controlled[old[0]] ^= bit
            self.occupied ^= bit
            self.board_key ^= number(cell, old)
        if rings:
            self.stacks[cell] = rings
            self.controlled[rings[0]] |= bit
            self.occupied |= bit
            self.board_key ^= number(cell, rings)

    def put_new_rings(self, cell: int, rings: bytes) -> None:
        """Put a stack of rings that were nowhere before on an empty cell."""
        self.put_stack(cell, rings)
        for owner in rings:
            self.on_board[owner] += 1

    def put_markers(self, mask: int, owner: int) -> None:
        """Put a player's markers on the cells of `mask`, all of them empty."""
        self.markers[owner] |= mask
        self.marked |= mask
        self._toggle(self.variant.zobrist.marker[owner], mask)

    def take_markers(self, mask: int) -> None:
        """Remove every marker in `mask`, whoever's they are."""
        if not self.marked & mask:
            return
        self.marked &= ~mask
        for owner in self.variant.seats:
            if taken := self.markers[owner] & mask:
                self.markers[owner] ^= taken
                self._toggle(self.variant.zobrist.marker[owner], taken)

    def put_territory(self, mask: int, owner: int) -> None:
        """Collapse the cells of `mask`, all of them empty, to a player."""
        self.territory[owner] |= mask
        self.collapsed |= mask
        self._toggle(self.variant.zobrist.territory[owner], mask)

    def _toggle(self, numbers: Mapping[int, int], mask: int) -> None:
        """Take the numbers of the cells of `mask` into the key, or out of it."""
        for cell in bits(mask):
            self.board_key ^= numbers[cell]

    def collapse(self, mask: int) -> None:
        """Collapse the cells of `mask` to the player to move; markers on them vanish."""
        self.take_markers(mask)
        self.put_territory(mask, self.player)
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


_phase_numbers = {phase: number for number, phase in enumerate(Phase)}
_owed_numbers = {owed: number for number, owed in enumerate(Owed)}
