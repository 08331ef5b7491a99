"""Placing rings (section 6)."""

from ringrift.rules.geometry import bits
from ringrift.rules.movement import can_capture, can_move
from ringrift.rules.moves import Move, move_table
from ringrift.rules.state import State

_most = 3
_heights_in_bulk = 4


def placements(state: State) -> list[Move]:
    """Return the placements of the player to move, fewer rings first."""
    tables = move_table(state.variant.board.name).placements
    found: list[Move] = []
    for table, cells in zip(tables, _cells(state, state.player), strict=False):
        found += table.select(cells)
    return found


def can_place(state: State, seat: int) -> bool:
    """Return whether a player has a legal placement."""
    limit = _limit(state, seat)
    return limit > 0 and (_room(state, 1)[0] & _empty(state) != 0 or any(_cells(state, seat)))


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


def _empty(state: State) -> int:
    return state.variant.board.all & ~(state.occupied | state.collapsed | state.marked)


def _cells(state: State, seat: int) -> list[int]:
    """Return, for 1 ring, 2, and so on, the cells where the resulting stack can step or capture."""
    limit = _limit(state, seat)
    if limit <= 0:
        return []
    stacks, empty = state.stacks, _empty(state)
    room = _room(state, _heights_in_bulk)
    found = [empty & roomy for roomy in room[:limit]]
    for index, cells in enumerate(found):
        rings = bytes([seat]) * (index + 1)
        for cell in bits(empty & ~cells):
            if can_capture(state, cell, rings):
                found[index] |= 1 << cell
    for cell, rings in stacks.items():
        grown = bytes([seat]) + rings
        if len(rings) >= _heights_in_bulk:
            fits = can_move(state, cell, grown)
        else:
            fits = bool(room[len(rings)] >> cell & 1) or can_capture(state, cell, grown)
        if fits:
            found[0] |= 1 << cell
    return found


def _room(state: State, heights: int) -> list[int]:
    """Return, for 1 ring to `heights`, the cells where a stack of so many has a step.

    They lie at the end of that many free cells; all cells are tried at once.
    """
    board = state.variant.board
    free = board.all & ~(state.occupied | state.collapsed)
    found = [0] * heights
    for axis in board.axes:
        ahead = behind = board.all
        shift = 0
        for index in range(heights):
            shift += axis
            ahead &= free >> shift
            behind &= free << shift
            found[index] |= ahead | behind
    return found
