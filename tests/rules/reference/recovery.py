"""Recovery of a player who controls no stack (section 12)."""

from collections.abc import Iterator

from tests.rules.reference.geometry import Cell, around
from tests.rules.reference.lines import Run, parts, run_through
from tests.rules.reference.moves import Move, cell_of
from tests.rules.reference.state import (
    State,
    controlled,
    holding_buried,
    with_collapsed,
    with_marker,
    without_lowest,
    without_markers,
    without_top,
)


def eligible(state: State) -> bool:
    """Return whether the player to move may recover."""
    return (
        not controlled(state, state.player)
        and state.player in state.markers.values()
        and bool(holding_buried(state, state.player))
    )


def slides(state: State) -> list[Move]:
    """Return the recovery slides of an eligible player."""
    ways = [
        (start, to)
        for start, owner in state.markers.items()
        if owner == state.player
        for to in around(state.config.board, start)
        if to not in state.collapsed and to not in state.markers
    ]
    to_empty = [(start, to) for start, to in ways if to not in state.stacks]
    along_lines = [move for start, to in to_empty for move in _line_slides(state, start, to)]
    if along_lines:
        return along_lines
    return [move for start, to in ways for move in _other_slides(state, start, to)]


def _line_slides(state: State, start: Cell, to: Cell) -> Iterator[Move]:
    run = _line(_slid(state, start, to), to)
    if len(run) < state.line_length:
        return
    for payer in holding_buried(state, state.player):
        yield _slide(start, to, "line", option=1, collapse=run, payer=payer)
    if len(run) > state.line_length:
        for part in parts(run, state.line_length):
            if to in part:
                yield _slide(start, to, "line", option=2, collapse=part)


def _line(state: State, cell: Cell) -> Run:
    """Return the longest run through a cell, the first axis' of equal ones (AMB-24)."""
    runs = [run_through(state, cell, axis, state.player) for axis in state.grid.axes]
    return max(runs, key=len)


def _other_slides(state: State, start: Cell, to: Cell) -> Iterator[Move]:
    mode = "stack_strike" if to in state.stacks else "fallback"
    # The stack to pay from is chosen along with the slide: a ring buried only by the one that
    # is struck will do. The text does not say so, but that a strike always takes two rings.
    for payer in holding_buried(state, state.player):
        yield _slide(start, to, mode, payer=payer)


def _slide(
    start: Cell,
    to: Cell,
    mode: str,
    *,
    option: int = 0,
    collapse: Run = (),
    payer: Cell | None = None,
) -> Move:
    return Move(
        "recovery_slide",
        to,
        origin=start,
        collapse=frozenset(collapse),
        mode=mode,
        option=option,
        payer=payer,
    )


def _slid(state: State, start: Cell, to: Cell) -> State:
    return with_marker(without_markers(state, {start}), to, state.player)


def after_slide(state: State, move: Move) -> State:
    """Slide, collapse or strike, and pay."""
    start, to = cell_of(move.origin), cell_of(move.to)
    if move.mode == "stack_strike":
        state = without_top(without_markers(state, {start}), to, 1, state.player)
    else:
        state = with_collapsed(_slid(state, start, to), move.collapse, state.player)
    return state if move.payer is None else without_lowest(state, move.payer, state.player)
