"""Steps, captures and placements (sections 6 to 8)."""

import dataclasses
import itertools
from collections.abc import Iterable, Iterator

from tests.rules.reference.geometry import Cell, ray
from tests.rules.reference.moves import Move, cell_of
from tests.rules.reference.state import (
    Rings,
    State,
    cap_height,
    controlled,
    on_board,
    with_collapsed,
    with_marker,
    with_stack,
    without_markers,
    without_top,
)

_placed_at_once_max = 3


def landings(state: State, start: Cell, rings: Rings) -> Iterator[Cell]:
    """Yield where a stack of these rings on `start` may step to."""
    for step in state.grid.steps:
        for distance, cell in enumerate(ray(state.config.board, start, step), 1):
            if cell in state.stacks or cell in state.collapsed:
                break
            if distance >= len(rings):
                yield cell


def segments(state: State, start: Cell, rings: Rings) -> Iterator[tuple[Cell, Cell]]:
    """Yield target and landing of every capture by a stack of these rings on `start`."""
    for step in state.grid.steps:
        target = None
        for distance, cell in enumerate(ray(state.config.board, start, step), 1):
            if cell in state.collapsed:
                break
            if cell in state.stacks:
                if target is not None or cap_height(state.stacks[cell]) > cap_height(rings):
                    break
                target = cell
            elif target is not None and distance >= len(rings):
                yield target, cell


def can_capture(state: State, start: Cell) -> bool:
    """Return whether the stack on `start` has a capture."""
    return any(True for _ in segments(state, start, state.stacks[start]))


def _can_move(state: State, start: Cell, rings: Rings) -> bool:
    ways = itertools.chain(landings(state, start, rings), segments(state, start, rings))
    return any(True for _ in ways)


def steps(state: State, starts: Iterable[Cell]) -> list[Move]:
    """Return the plain steps of these stacks."""
    return [
        Move("move_stack", to, origin=start)
        for start in starts
        for to in landings(state, start, state.stacks[start])
    ]


def captures(state: State, starts: Iterable[Cell], kind: str) -> list[Move]:
    """Return the captures by these stacks, as moves of this type."""
    return [
        Move(kind, to, origin=start, target=target)
        for start in starts
        for target, to in segments(state, start, state.stacks[start])
    ]


def after_step(state: State, move: Move) -> State:
    """Step."""
    start, to = cell_of(move.origin), cell_of(move.to)
    rings = state.stacks[start]
    state = _cross(_depart(state, start), start, to)
    return _land(with_stack(state, to, rings), to)


def after_capture(state: State, move: Move) -> State:
    """Capture the top ring of the target on the way."""
    start, target, to = cell_of(move.origin), cell_of(move.target), cell_of(move.to)
    rings, prey = state.stacks[start], state.stacks[target]
    state = _cross(_cross(_depart(state, start), start, target), target, to)
    state = with_stack(state, target, prey[1:])
    return _land(with_stack(state, to, (*rings, prey[0])), to)


def _depart(state: State, start: Cell) -> State:
    return with_marker(with_stack(state, start, ()), start, state.player)


def _cross(state: State, start: Cell, to: Cell) -> State:
    """Turn foreign markers strictly between two cells of a ray, and collapse own ones."""
    rays = (ray(state.config.board, start, step) for step in state.grid.steps)
    way = next(cells for cells in rays if to in cells)
    for cell in way[: way.index(to)]:
        owner = state.markers.get(cell)
        if owner == state.player:
            state = with_collapsed(state, {cell}, state.player)
        elif owner is not None:
            state = with_marker(state, cell, state.player)
    return state


def _land(state: State, to: Cell) -> State:
    """Pay a ring for the marker on which the stack has come to stand."""
    if to not in state.markers:
        return state
    return without_top(without_markers(state, {to}), to, 1, state.player)


def placements(state: State, player: int) -> Iterator[Move]:
    """Yield every legal placement that the player would have if it were the player's turn."""
    stock = min(state.hand[player], state.supply - on_board(state, player))
    for cell in state.grid.cells - state.markers.keys() - state.collapsed.keys():
        count_max = 1 if cell in state.stacks else _placed_at_once_max
        for count in range(1, min(count_max, stock) + 1):
            if _can_move(state, cell, _pile(state, cell, player, count)):
                yield Move("place_ring", cell, count=count)


def after_placement(state: State, move: Move) -> State:
    """Place rings of the player to move."""
    cell, player = cell_of(move.to), state.player
    hand = {**state.hand, player: state.hand[player] - move.count}
    state = with_stack(state, cell, _pile(state, cell, player, move.count))
    return dataclasses.replace(state, hand=hand)


def _pile(state: State, cell: Cell, player: int, count: int) -> Rings:
    return (player,) * count + state.stacks.get(cell, ())


def can_move_any(state: State, player: int) -> bool:
    """Return whether any stack of the player has a step or a capture."""
    return any(_can_move(state, at, state.stacks[at]) for at in controlled(state, player))


def can_place(state: State, player: int) -> bool:
    """Return whether the player has a legal placement."""
    return any(True for _ in placements(state, player))


def has_real_action(state: State, player: int) -> bool:
    """Return whether the player could place, step or capture if it were the player's turn."""
    return can_move_any(state, player) or can_place(state, player)
