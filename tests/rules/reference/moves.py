"""A move as a value. Its fields are those of section 17.1 that matter for its type."""

import dataclasses

from tests.rules.reference.geometry import Cell


@dataclasses.dataclass(frozen=True)
class Move:
    """A move of the player to move; fields that its type does not have keep their defaults."""

    type: str
    to: Cell | None = None
    origin: Cell | None = None
    target: Cell | None = None
    count: int = 0
    """Rings placed."""
    cells: frozenset[Cell] = frozenset()
    """The run of a line, or the cells of a region."""
    collapse: frozenset[Cell] = frozenset()
    """What of the run collapses."""
    mode: str = ""
    option: int = 0
    payer: Cell | None = None
    """The stack that a recovery slide takes its buried ring from."""


def cell_of(cell: Cell | None) -> Cell:
    """Return a cell that a move of this type always has."""
    assert cell is not None
    return cell
