"""Placing rings (section 6)."""

from ringrift.rules.geometry import bits
from ringrift.rules.movement import can_move
from ringrift.rules.moves import Move, move_table
from ringrift.rules.state import State

_most = 3


def placements(state: State) -> list[Move]:
    """Return the placements of the player to move, fewer rings first."""
    tables = move_table(state.variant.board.name).placements
    found: list[Move] = []
    for table, cells in zip(tables, _cells_by_count(state, state.player), strict=False):
        found += table.select(cells)
    return found


def can_place(state: State, seat: int) -> bool:
    """Return whether a player has a legal placement."""
    return any(_cells_by_count(state, seat))


def place_ring(state: State, move: Move) -> None:
    """Put rings from the hand on a cell; that stack must move next."""
    player, count = state.player, move.extra
    state.put_stack(move.to, bytes([player]) * count + state.stacks.get(move.to, b""))
    state.hand[player] -= count
    state.on_board[player] += count
    state.mover = move.to
    state.changed = True


def _limit(state: State, seat: int) -> int:
    """Return how many rings a player may place at once on an empty cell.

    The supply limits what the hand does not only in made-up positions.
    """
    return min(_most, state.hand[seat], state.variant.rings - state.on_board[seat])


def _cells_by_count(state: State, seat: int) -> list[int]:
    """Return, for 1 ring, 2, and so on, the cells where the resulting stack can step or capture."""
    free = state.variant.board.all & ~(state.occupied | state.collapsed)
    empty = free & ~state.marked
    found = _roomy(state, free, empty, _limit(state, seat))
    for index, roomy in enumerate(found):
        rings = bytes([seat]) * (index + 1)
        for cell in bits(empty & ~roomy):
            if can_move(state, cell, rings):
                found[index] |= 1 << cell
    if found:
        for cell in bits(state.occupied):
            if can_move(state, cell, bytes([seat]) + state.stacks[cell]):
                found[0] |= 1 << cell
    return found


def _roomy(state: State, free: int, empty: int, limit: int) -> list[int]:
    """Return, for 1 to `limit` rings, the empty cells that lie at the end of that many free ones.

    There a stack of so many rings has a step; all cells are tried at once.
    """
    found = [0] * limit
    for axis in state.variant.board.axes:
        ahead = behind = empty
        for index in range(limit):
            shift = axis * (index + 1)
            ahead &= free >> shift
            behind &= free << shift
            found[index] |= ahead | behind
    return found
