"""Steps and captures (sections 7 and 8)."""

from collections.abc import Iterator

from ringrift.rules.geometry import bits
from ringrift.rules.moves import Move, MoveType, move_table
from ringrift.rules.state import State, cap_height


def can_move(state: State, cell: int, rings: bytes) -> bool:
    """Return whether a stack of these rings on this cell would have a step or a capture."""
    blocked = state.occupied | state.collapsed
    height = len(rings)
    for ray in state.variant.board.rays[cell]:
        mask, _, distance = ray
        obstacles = blocked & mask
        if not obstacles:
            if len(distance) >= height:
                return True
        elif distance[ray.nearest(obstacles)] > height:
            return True
    return any(_landings(state, cell, rings))


def can_step_or_capture(state: State, seat: int) -> bool:
    """Return whether any stack that a player controls has a step or a capture."""
    return any(can_move(state, cell, state.stacks[cell]) for cell in bits(state.controlled[seat]))


def steps(state: State, cell: int) -> list[Move]:
    """Return the steps of the stack on a cell."""
    board = state.variant.board
    blocked = state.occupied | state.collapsed
    shortest = len(state.stacks[cell]) - 1
    found: list[Move] = []
    for ray, moves in zip(board.rays[cell], move_table(board.name).steps[cell], strict=True):
        obstacles = blocked & ray.mask
        longest = ray.distance[ray.nearest(obstacles)] - 1 if obstacles else None
        found += moves[shortest:longest]
    return found


def captures(state: State, cell: int, kind: MoveType) -> list[Move]:
    """Return the segments that the stack on a cell can make, as moves of type `kind`."""
    return [
        Move(kind, cell, target, to)
        for target, landings in _landings(state, cell, state.stacks[cell])
        for to in landings
    ]


def _landings(state: State, cell: int, rings: bytes) -> Iterator[tuple[int, list[int]]]:
    """Yield each target that a stack of these rings on this cell can take, with its landings."""
    occupied = state.occupied
    blocked = occupied | state.collapsed
    for ray in state.variant.board.rays[cell]:
        mask, _, distance = ray
        if not occupied & mask:
            continue
        obstacles = blocked & mask
        target = ray.nearest(obstacles)
        if not occupied >> target & 1 or cap_height(state.stacks[target]) > cap_height(rings):
            continue
        beyond = obstacles ^ 1 << target
        first = max(distance[target], len(rings) - 1)
        last = distance[ray.nearest(beyond)] - 1 if beyond else len(distance)
        if first < last:
            yield target, list(distance)[first:last]


def move_stack(state: State, move: Move) -> None:
    """Step: leave a marker, treat those passed, land."""
    rings = state.stacks[move.origin]
    _leave(state, move)
    _land(state, move.to, rings)


def capture(state: State, move: Move) -> None:
    """Make one segment: the target's top ring goes under the stack that passes over it."""
    rings = state.stacks[move.origin]
    target = state.stacks[move.target]
    _leave(state, move)
    state.put_stack(move.target, target[1:])
    _land(state, move.to, rings + target[:1])


def _leave(state: State, move: Move) -> None:
    """Replace the stack by a marker; flip foreign markers on the way and collapse own ones."""
    state.put_stack(move.origin, b"")
    state.put_marker(move.origin)
    state.changed = True
    passed = state.marked & state.variant.board.between[move.origin][move.to]
    own = passed & state.markers[state.player]
    if passed != own:
        state.flip_markers(passed ^ own)
    if own:
        state.collapse(own)


def _land(state: State, cell: int, rings: bytes) -> None:
    """Set the stack down; a marker there vanishes and takes the stack's top ring with it."""
    state.put_stack(cell, rings)
    if state.marked >> cell & 1:
        state.take_markers(1 << cell)
        state.eliminate(cell, 1)
