"""The four boards: cells, rays, neighbours and axes, all computed from a size and a shape.

A *cell* is a bit index and a set of cells is a *mask*, a Python integer. Cells are laid out column
by column in a grid one row higher than the board, so that a step in a fixed direction is always
the same shift, and a shift that leaves the board ends in the spare row or beyond it, never on
another cell. Ascending cells are in ascending order of (x, y). Hex boards use the x and y of their
cube coordinates (z = -x-y) and fill only part of their grid.
"""

import dataclasses
import functools
from collections.abc import Iterator
from typing import NamedTuple

_rook = ((1, 0), (0, 1))
_diagonal = ((1, 1), (1, -1))
_hex = ((1, 0), (1, -1), (0, 1))


class Ray(NamedTuple):
    """What is seen from one cell in one direction, up to the edge of the board."""

    mask: int
    rising: bool
    """Whether cells ascend along the ray, so that its nearest cell is its lowest bit."""
    distance: dict[int, int]
    """Steps to each cell of the ray, nearest first."""

    def nearest(self, seen: int) -> int:
        """Return the cell nearest to the origin among some, at least one, of the ray's."""
        return (seen & -seen if self.rising else seen).bit_length() - 1


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Board:
    """One board and its tables. Directions are shifts; each undirected one appears once."""

    name: str
    is_hex: bool
    radius: int
    """0 on square boards."""
    height: int
    """Bits per column, the spare row included."""
    cells: tuple[int, ...]
    """Every cell, ascending; the index of a cell in it is the cell's number in records."""
    all: int
    """The mask of every cell."""
    axes: tuple[int, ...]
    """Directions of movement and of lines, in the order that breaks ties."""
    borders: tuple[int, ...]
    """Directions in which territory connects."""
    across: tuple[int, ...]
    """Those of `borders` that lead to another column."""
    rays: dict[int, tuple[Ray, ...]]
    """From each cell, the rays that are not empty."""
    between: dict[int, dict[int, int]]
    """The mask strictly between two cells on a ray: `between[a][b]`."""

    def xy(self, cell: int) -> tuple[int, int]:
        """Return the coordinates of a cell."""
        column, row = divmod(cell, self.height)
        return column - self.radius, row - self.radius

    def cell(self, x: int, y: int) -> int:
        """Return the cell at (x, y). Raises `ValueError` if the board has none."""
        column, row = x + self.radius, y + self.radius
        cell = column * self.height + row
        if not (0 <= column < self.height and 0 <= row < self.height and self.all >> cell & 1):
            raise ValueError(f"({x}, {y}) is not on {self.name}")
        return cell

    def cell_name(self, cell: int) -> str:
        """Return a cell of this board as its column's letter and its row's number, from `a1` on."""
        column, row = divmod(cell, self.height)
        return f"{chr(ord('a') + column)}{row + 1}"

    def neighbours(self, mask: int, directions: tuple[int, ...]) -> int:
        """Return the cells one step from any cell of `mask`, both ways; those of `mask` may be in.

        The result may spill over the edge: intersect it with a mask of cells.
        """
        near = 0
        for shift in directions:
            near |= mask << shift | mask >> shift
        return near

    @property
    def middle(self) -> int:
        """A cell's index, in use or not, near the middle of the board."""
        return self.cells[len(self.cells) // 2]

    def region(self, seed: int, within: int) -> int:
        """Return all cells of `within` connected to `seed`, as territory is; `seed` may be empty.

        As `flood`, but a run upwards along a column is filled at once, by the carry of a sum.
        """
        near = self.across
        reached = seed
        while True:
            grown = reached | reached >> 1
            for shift in near:
                grown |= reached << shift | reached >> shift
            grown &= within
            grown |= within & ~(within + grown)
            if grown == reached:
                return reached
            reached = grown

    def flood(self, seed: int, within: int, directions: tuple[int, ...]) -> int:
        """Return all cells of `within` connected to `seed`, itself a part of `within`."""
        reached = seed
        while True:
            grown = reached
            for shift in directions:
                grown |= reached << shift | reached >> shift
            grown &= within
            if grown == reached:
                return reached
            reached = grown


def bits(mask: int) -> Iterator[int]:
    """Yield the cells of a mask, ascending."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def _make(name: str, coordinates: list[tuple[int, int]], radius: int, height: int) -> Board:
    is_hex = radius > 0
    forward = _hex if is_hex else _rook + _diagonal
    both_ways = forward + tuple((-dx, -dy) for dx, dy in forward)
    at = {(x, y): (x + radius) * height + y + radius for x, y in coordinates}
    rays: dict[int, tuple[Ray, ...]] = {}
    between: dict[int, dict[int, int]] = {}
    for start, cell in at.items():
        sights = [sight for step in both_ways if (sight := _sight(at, start, step))]
        rays[cell] = tuple(_ray(cell, sight) for sight in sights)
        between[cell] = {}
        for sight in sights:
            passed = 0
            for seen in sight:
                between[cell][seen] = passed
                passed |= 1 << seen
    axes = tuple(dx * height + dy for dx, dy in forward)
    borders = axes if is_hex else tuple(dx * height + dy for dx, dy in _rook)
    return Board(
        name=name,
        is_hex=is_hex,
        radius=radius,
        height=height,
        cells=tuple(sorted(at.values())),
        all=sum(1 << cell for cell in at.values()),
        axes=axes,
        borders=borders,
        across=tuple(shift for shift in borders if shift > 1),
        rays=rays,
        between=between,
    )


def _sight(
    at: dict[tuple[int, int], int], start: tuple[int, int], step: tuple[int, int]
) -> list[int]:
    """Return the cells met when walking off from a start, to the edge of the board."""
    (x, y), (dx, dy) = start, step
    sight = []
    while (cell := at.get((x := x + dx, y := y + dy))) is not None:
        sight.append(cell)
    return sight


def _ray(origin: int, sight: list[int]) -> Ray:
    distance = {cell: index + 1 for index, cell in enumerate(sight)}
    return Ray(sum(1 << cell for cell in sight), sight[0] > origin, distance)


def _square(name: str, side: int) -> Board:
    coordinates = [(x, y) for x in range(side) for y in range(side)]
    return _make(name, coordinates, 0, side + 1)


def _hexagon(name: str, radius: int) -> Board:
    span = range(-radius, radius + 1)
    coordinates = [(x, y) for x in span for y in span if abs(x + y) <= radius]
    return _make(name, coordinates, radius, 2 * radius + 2)


_makers = {
    "square8": functools.partial(_square, "square8", 8),
    "square19": functools.partial(_square, "square19", 19),
    "hex8": functools.partial(_hexagon, "hex8", 4),
    "hexagonal": functools.partial(_hexagon, "hexagonal", 12),
}
board_names = tuple(_makers)


@functools.cache
def board(name: str) -> Board:
    """Return the board of this name, made on first use. Raises `ValueError` if there is none."""
    if name not in _makers:
        raise ValueError(f"no board {name!r}; expected one of {', '.join(board_names)}")
    return _makers[name]()
