"""Cells, steps and rays of the four boards (section 1)."""

import dataclasses
import functools
import itertools

Cell = tuple[int, ...]
"""`(x, y)` on squares; on hexes `(x, y, z)` with x + y + z = 0."""

_sizes = {"square8": 8, "square19": 19}
_radii = {"hex8": 4, "hexagonal": 12}
_hex_steps = ((1, 0, -1), (1, -1, 0), (0, -1, 1), (-1, 0, 1), (-1, 1, 0), (0, 1, -1))
_rook_steps = ((1, 0), (0, 1), (-1, 0), (0, -1))
_king_steps = tuple(step for step in itertools.product((-1, 0, 1), repeat=2) if step != (0, 0))


@dataclasses.dataclass(frozen=True)
class Geometry:
    """A board without pieces. Two boards of one name are equal."""

    board: str
    is_hex: bool
    cells: frozenset[Cell]
    steps: tuple[Cell, ...]
    axes: tuple[Cell, ...]
    """One of the two steps along each axis on which lines lie."""
    territory_steps: tuple[Cell, ...]


@functools.cache
def geometry(board: str) -> Geometry:
    """Return the board of this name."""
    if board in _sizes:
        cells = frozenset(itertools.product(range(_sizes[board]), repeat=2))
        axes = ((1, 0), (0, 1), (1, 1), (1, -1))
        return Geometry(board, False, cells, _king_steps, axes, _rook_steps)
    span = range(-_radii[board], _radii[board] + 1)
    hexes = frozenset((x, y, -x - y) for x in span for y in span if -x - y in span)
    return Geometry(board, True, hexes, _hex_steps, _hex_steps[:3], _hex_steps)


def shift(cell: Cell, step: Cell) -> Cell:
    """Return the cell one step away, be it on the board or not."""
    return tuple(here + there for here, there in zip(cell, step, strict=True))


def back(step: Cell) -> Cell:
    """Return the opposite step."""
    return tuple(-number for number in step)


@functools.cache
def ray(board: str, start: Cell, step: Cell) -> tuple[Cell, ...]:
    """Return the cells from `start`, without it, to the edge; the first is at distance 1."""
    cells = []
    cell = shift(start, step)
    while cell in geometry(board).cells:
        cells.append(cell)
        cell = shift(cell, step)
    return tuple(cells)


@functools.cache
def around(board: str, cell: Cell) -> frozenset[Cell]:
    """Return the cells one step of any kind away."""
    grid = geometry(board)
    return frozenset(shift(cell, step) for step in grid.steps) & grid.cells


@functools.cache
def beside(board: str, cell: Cell) -> frozenset[Cell]:
    """Return the territory neighbours of a cell."""
    grid = geometry(board)
    return frozenset(shift(cell, step) for step in grid.territory_steps) & grid.cells
