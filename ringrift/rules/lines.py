"""Lines of markers and what they turn into (section 9)."""

from typing import NamedTuple

from ringrift.rules.geometry import bits
from ringrift.rules.moves import Move, MoveType
from ringrift.rules.state import Owed, State


class Line(NamedTuple):
    """A maximal run of one player's markers."""

    cells: tuple[int, ...]
    """In order along the axis, ascending."""
    mask: int


def eligible_lines(state: State) -> list[Line]:
    """Return the lines that the player to move must process, in the order of the axes."""
    markers = state.markers[state.player]
    length = state.variant.line_length
    found: list[Line] = []
    if markers.bit_count() < length:
        return found
    for axis in state.variant.board.axes:
        starts = markers
        for step in range(1, length):
            starts &= markers >> axis * step
            if not starts:
                break
        # A start whose predecessor is marked too lies within a longer run.
        firsts = starts & ~(markers << axis)
        found += [run_through(markers, first, axis) for first in bits(firsts)]
    return found


def run_through(markers: int, cell: int, axis: int) -> Line:
    """Return the run of markers along an axis that contains a cell, itself taken as marked."""
    first = last = cell
    while first >= axis and markers >> first - axis & 1:
        first -= axis
    while markers >> last + axis & 1:
        last += axis
    cells = tuple(range(first, last + 1, axis))
    return Line(cells, sum(1 << cell for cell in cells))


def line_moves(state: State) -> list[Move]:
    """Return the ways to process a line; none if there is no line."""
    length = state.variant.line_length
    found: list[Move] = []
    for cells, _ in eligible_lines(state):
        first, last = cells[0], cells[-1]
        if len(cells) == length:
            found.append(Move(MoveType.PROCESS_LINE, first, to=last))
        found.append(Move(MoveType.CHOOSE_LINE_OPTION, first, first, last, 1))
        if len(cells) > length:
            found += [
                Move(MoveType.CHOOSE_LINE_OPTION, first, start, last, 2)
                for start in cells[: len(cells) - length + 1]
            ]
    return found


def process_line(state: State, move: Move) -> None:
    """Collapse a line, or the chosen part of it."""
    ends = (move.origin, move.to)
    lines = eligible_lines(state)
    line = next(line for line in lines if (line.cells[0], line.cells[-1]) == ends)
    length = state.variant.line_length
    if move.type is MoveType.CHOOSE_LINE_OPTION and move.extra == 2:
        state.collapse(part_of(line, move.target, length))
        return
    if move.type is MoveType.PROCESS_LINE and len(line.cells) > length:
        return  # It only names the line (AMB-04).
    state.collapse(line.mask)
    if state.controlled[state.player]:
        state.owed = Owed.LINE


def part_of(line: Line, start: int, length: int) -> int:
    """Return the mask of `length` cells of a line from `start` on."""
    index = line.cells.index(start)
    return sum(1 << cell for cell in line.cells[index : index + length])
