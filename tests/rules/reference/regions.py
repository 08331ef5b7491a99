"""Regions that are cut off, and claiming them (section 10)."""

from tests.rules.reference.geometry import Cell, around, beside
from tests.rules.reference.moves import Move
from tests.rules.reference.state import (
    State,
    controlled,
    holding_buried,
    with_collapsed,
    with_credit,
    with_stack,
)

Region = frozenset[Cell]


def claimable(state: State) -> set[Region]:
    """Return the regions that the player to move may claim."""
    walls: set[int | None] = {None, *state.markers.values()}
    candidates = {region for owner in walls for region in _components(state, owner)}
    return {region for region in candidates if _qualifies(state, region) and payers(state, region)}


def _components(state: State, wall_owner: int | None) -> list[Region]:
    """Return the connected parts of what neither collapsed cells nor this owner's markers fill."""
    open_cells = {
        cell
        for cell in state.grid.cells
        if cell not in state.collapsed
        and (wall_owner is None or state.markers.get(cell) != wall_owner)
    }
    found = []
    while open_cells:
        region: set[Cell] = set()
        reached = {next(iter(open_cells))}
        while reached:
            cell = reached.pop()
            region.add(cell)
            reached |= (beside(state.config.board, cell) & open_cells) - region
        open_cells -= region
        found.append(frozenset(region))
    return found


def _qualifies(state: State, region: Region) -> bool:
    """Apply the colour test."""
    active = {ring for rings in state.stacks.values() for ring in rings}
    inside = {state.stacks[cell][0] for cell in region & state.stacks.keys()}
    return inside < active


def payers(state: State, region: Region = frozenset()) -> set[Cell]:
    """Return the stacks that could pay for a region."""
    able = holding_buried if state.recovered else controlled
    return set(able(state, state.player)) - region


def claims(state: State) -> list[Move]:
    """Return a move for every claimable region."""
    return [
        Move("choose_territory_option", min(region), cells=region) for region in claimable(state)
    ]


def after_claim(state: State, move: Move) -> State:
    """Take the region and its border."""
    region = move.cells
    for cell in region & state.stacks.keys():
        rings = len(state.stacks[cell])
        state = with_credit(with_stack(state, cell, ()), state.player, rings)
    return with_collapsed(state, region | _border(state, region), state.player)


def _border(state: State, region: Region) -> set[Cell]:
    """Return the markers that collapse along with a region (AMB-11)."""
    outside = state.markers.keys() - region
    border = {cell for cell in outside if beside(state.config.board, cell) & region}
    if state.grid.is_hex:
        return border
    reached = set(border)
    while reached:
        near = around(state.config.board, reached.pop()) & outside
        reached |= near - border
        border |= near
    return border
