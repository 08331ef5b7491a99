"""Regions that are cut off, and claiming them (section 10)."""

from ringrift.rules.geometry import bits
from ringrift.rules.moves import Move, MoveType
from ringrift.rules.state import Owed, State


def claimable_regions(state: State) -> dict[int, int]:
    """Return the regions that the player to move may claim.

    Each is a mask, with the lowest seat whose markers wall it in, or 0 where none are needed.
    """
    board = state.variant.board
    found: dict[int, int] = {}
    if not (state.marked or state.collapsed) or not _can_pay(state, 0):
        return found
    core = _core(state)
    for wall_owner in (0, *state.variant.seats):
        if not (state.markers[wall_owner] if wall_owner else state.collapsed):
            continue
        rest = _open_cells(state, wall_owner)
        seed = core or rest & -rest
        while rest:
            region = board.region(seed, rest)
            if _lacks_a_colour(state, region) and _can_pay(state, region):
                found.setdefault(region, wall_owner)
            rest ^= region
            seed = rest & -rest
    return found


def _open_cells(state: State, wall_owner: int) -> int:
    """Return the cells that neither are collapsed nor hold a marker of this player, 0 for none."""
    return state.variant.board.all & ~(state.collapsed | state.markers[wall_owner])


def _core(state: State) -> int:
    """Return connected cells, most often nearly all, that are open whoever owns the walls.

    Each search for regions starts with them, and so has little left to reach.
    """
    board = state.variant.board
    free = board.all & ~(state.collapsed | state.marked)
    middle = free >> board.middle << board.middle or free
    return board.region(middle & -middle, free)


def _lacks_a_colour(state: State, region: int) -> bool:
    """Return whether some colour on the board controls no stack in the region."""
    for seat in state.variant.seats:
        if state.on_board[seat] and not state.controlled[seat] & region:
            return True
    return False


def _can_pay(state: State, region: int) -> bool:
    """Return whether the player to move has a stack outside the region that can pay for it."""
    if state.recovered:
        return any(not region >> cell & 1 for cell in stacks_with_buried(state))
    return state.controlled[state.player] & ~region != 0


def stacks_with_buried(state: State) -> list[int]:
    """Return the stacks in which a ring of the player to move lies below the top."""
    if not state.on_board[state.player]:
        return []
    return [cell for cell in bits(state.occupied) if state.player in state.stacks[cell][1:]]


def territory_moves(state: State) -> list[Move]:
    """Return the claims that the player to move can make."""
    return [
        Move(MoveType.CHOOSE_TERRITORY_OPTION, to=first_cell(region), extra=wall_owner)
        for region, wall_owner in claimable_regions(state).items()
    ]


def first_cell(region: int) -> int:
    """Return the first cell of a region: the smallest x, then the smallest y."""
    return (region & -region).bit_length() - 1


def claim_region(state: State, move: Move) -> None:
    """Eliminate every ring in the region, collapse it and its border, and owe its cost."""
    board = state.variant.board
    region = board.region(1 << move.to, _open_cells(state, move.extra))
    for cell in bits(region & state.occupied):
        state.eliminate(cell, len(state.stacks[cell]))
    state.collapse(region | _border(state, region))
    state.owed = Owed.TERRITORY


def _border(state: State, region: int) -> int:
    """Return the border markers that collapse with a region (AMB-11)."""
    board = state.variant.board
    markers = state.marked & ~region
    border = board.neighbours(region, board.borders) & markers
    return border if board.is_hex else board.flood(border, markers, board.axes)
