"""Moves: what a player decides, one recorded step of a turn.

A move says only what the player to move chooses; the state says the rest. Fields that its type does
not use keep their defaults, so that equal choices are equal moves.
"""

import enum
import functools
import itertools
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ringrift.rules.geometry import Board, Ray, board

no_cell = -1

moves_max = 65_536
"""No legal game comes near. In every round of turns the sum of markers, collapsed cells and
eliminated rings grows, or cells collapse, and on the largest board neither can pass about 1,300.
"""


class MoveType(enum.IntEnum):
    """The types of moves. The numbers are those of game records and must not change."""

    PLACE_RING = 1
    SKIP_PLACEMENT = 2
    NO_PLACEMENT_ACTION = 3
    SWAP_SIDES = 4
    MOVE_STACK = 5
    OVERTAKING_CAPTURE = 6
    RECOVERY_SLIDE = 7
    SKIP_RECOVERY = 8
    NO_MOVEMENT_ACTION = 9
    SKIP_CAPTURE = 10
    CONTINUE_CAPTURE_SEGMENT = 11
    PROCESS_LINE = 12
    CHOOSE_LINE_OPTION = 13
    ELIMINATE_RINGS_FROM_STACK = 14
    NO_LINE_ACTION = 15
    CHOOSE_TERRITORY_OPTION = 16
    SKIP_TERRITORY_PROCESSING = 17
    NO_TERRITORY_ACTION = 18
    FORCED_ELIMINATION = 19
    RESIGN = 20
    TIMEOUT = 21

    @property
    def word(self) -> str:
        """The type's name in JSON."""
        return self.name.lower()


class RecoveryMode(enum.IntEnum):
    """How a recovery slide ends (section 12)."""

    LINE_ALL = 1
    """Option 1: the whole run collapses; a buried ring is paid."""
    LINE_PART = 2
    """Option 2: a part of the run collapses; nothing is paid."""
    FALLBACK = 3
    STACK_STRIKE = 4


class Move(NamedTuple):
    """One move. Cells are those of the config's board."""

    type: MoveType
    origin: int = no_cell
    target: int = no_cell
    to: int = no_cell
    extra: int = 0


fields_of: dict[MoveType, tuple[str, ...]] = dict.fromkeys(MoveType, ()) | {
    # `to` is the cell, `extra` the number of rings.
    MoveType.PLACE_RING: ("to", "extra"),
    MoveType.MOVE_STACK: ("origin", "to"),
    # `to` is the landing.
    MoveType.OVERTAKING_CAPTURE: ("origin", "target", "to"),
    MoveType.CONTINUE_CAPTURE_SEGMENT: ("origin", "target", "to"),
    # `origin` and `to` are the first and last cell of the run.
    MoveType.PROCESS_LINE: ("origin", "to"),
    # The same; `target` is the first cell that collapses, `extra` the option, 1 or 2.
    MoveType.CHOOSE_LINE_OPTION: ("origin", "target", "to", "extra"),
    # `to` is the region's first cell, `extra` the seat whose markers wall it in, 0 for nobody's.
    MoveType.CHOOSE_TERRITORY_OPTION: ("to", "extra"),
    MoveType.ELIMINATE_RINGS_FROM_STACK: ("to",),
    MoveType.FORCED_ELIMINATION: ("to",),
    # `extra` is the `RecoveryMode`; `target` is the stack that pays or, where nothing is paid, the
    # first cell that collapses.
    MoveType.RECOVERY_SLIDE: ("origin", "target", "to", "extra"),
}
"""The fields that each type of move uses."""

_captures = (MoveType.OVERTAKING_CAPTURE, MoveType.CONTINUE_CAPTURE_SEGMENT)


class MoveTable:
    """The commonest moves of one board, made once: generating moves is then looking them up."""

    def __init__(self, board: Board) -> None:
        cells = board.cells
        self.placements = [
            MoveMap({cell: Move(MoveType.PLACE_RING, to=cell, extra=count) for cell in cells})
            for count in (1, 2, 3)
        ]
        """By number of rings less one."""
        self.sights = {
            cell: tuple((ray, *ray, _steps(cell, ray)) for ray in board.rays[cell])
            for cell in cells
        }
        """From each cell, each ray, whole and in its parts, and its steps, the shortest first."""
        self._rays = board.rays
        self._segments: dict[tuple[MoveType, int, int], tuple[Move, ...]] = {}

    def segments(self, kind: MoveType, origin: int, target: int) -> tuple[Move, ...]:
        """Return the moves that take `target` from `origin`, the nearest landing first.

        Made when they first come up, and kept: all there are take 38 MB on the largest board.
        """
        name = (kind, origin, target)
        if name not in self._segments:
            ray = next(ray for ray in self._rays[origin] if target in ray.distance)
            behind = list(ray.distance)[ray.distance[target] :]
            self._segments[name] = tuple(Move(kind, origin, target, to) for to in behind)
        return self._segments[name]


def _steps(cell: int, ray: Ray) -> tuple[Move, ...]:
    return tuple(Move(MoveType.MOVE_STACK, origin=cell, to=to) for to in ray.distance)


class MoveMap:
    """One move per cell, listed by masks of cells."""

    def __init__(self, moves: dict[int, Move]) -> None:
        never_selected = next(iter(moves.values()))
        self._moves = [moves.get(cell, never_selected) for cell in range(max(moves) + 1)]

    def select(self, mask: int) -> Iterator[Move]:
        """Return the moves of the cells in `mask`, ascending."""
        ascending = bin(mask)[:1:-1].encode().translate(_bit_values)
        return itertools.compress(self._moves, ascending)


_bit_values = bytes.maketrans(b"01", b"\0\1")


@functools.cache
def move_table(board_name: str) -> MoveTable:
    """Return the one table of this board."""
    return MoveTable(board(board_name))


def describe(board: Board, move: Move) -> str:
    """Return a move as a person would write it in a message."""
    words = [move.type.word]
    target = "over" if move.type in _captures else "target"
    for name, cell in (("from", move.origin), (target, move.target), ("to", move.to)):
        if cell != no_cell:
            words.append(f"{name} {board.cell_name(cell) if cell in board.rays else cell}")
    if move.extra:
        words.append(f"x{move.extra}" if move.type is MoveType.PLACE_RING else f"#{move.extra}")
    return " ".join(words)


def type_names(types: Iterable[MoveType]) -> str:
    """Return move types as a readable list, each once, in the order of their numbers."""
    return ", ".join(kind.word for kind in sorted(set(types)))
