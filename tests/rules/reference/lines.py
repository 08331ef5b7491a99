"""Lines and what they may become (section 9)."""

import itertools

from tests.rules.reference.geometry import Cell, back, ray
from tests.rules.reference.moves import Move
from tests.rules.reference.state import State, controlled, with_collapsed

Run = tuple[Cell, ...]
"""Markers of one player in a row, in the order of their coordinates."""


def run_through(state: State, cell: Cell, step: Cell, player: int) -> Run:
    """Return the maximal run of the player's markers through a cell that holds one."""

    def reach(way: Cell) -> list[Cell]:
        cells = ray(state.config.board, cell, way)
        return list(itertools.takewhile(lambda at: state.markers.get(at) == player, cells))

    return tuple(sorted([*reach(back(step)), cell, *reach(step)]))


def eligible_lines(state: State) -> set[Run]:
    """Return the lines that the player to move must process."""
    own = [cell for cell, owner in state.markers.items() if owner == state.player]
    runs = {run_through(state, at, step, state.player) for at in own for step in state.grid.axes}
    return {run for run in runs if len(run) >= state.line_length}


def parts(run: Run, length: int) -> list[Run]:
    """Return every row of `length` cells of a run."""
    return [run[start : start + length] for start in range(len(run) - length + 1)]


def line_moves(state: State) -> list[Move]:
    """Return the ways to process a line; one of the exact length may be named in two ways."""
    moves = []
    for run in eligible_lines(state):
        exact = len(run) == state.line_length
        if exact:
            moves.append(_move("process_line", run, run))
        choices = [run] if exact else [run, *parts(run, state.line_length)]
        moves += [_move("choose_line_option", run, collapse) for collapse in choices]
    return moves


def names_of_longer(state: State) -> list[Move]:
    """Return moves that name a line longer than need be, and do nothing to it (AMB-04)."""
    runs = eligible_lines(state)
    return [_move("process_line", run, ()) for run in runs if len(run) > state.line_length]


def _move(kind: str, run: Run, collapse: Run) -> Move:
    return Move(kind, run[0], cells=frozenset(run), collapse=frozenset(collapse))


def after_line(state: State, move: Move) -> State:
    """Collapse what was chosen."""
    return with_collapsed(state, move.collapse, state.player)


def costs_a_ring(state: State, move: Move) -> bool:
    """Return whether this line must be paid for; `state` is that after the collapse."""
    return move.collapse == move.cells and bool(controlled(state, state.player))
