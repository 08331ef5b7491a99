"""Steps and captures (sections 7 and 8)."""

from collections.abc import Iterable, Iterator

from ringrift.rules.geometry import Ray, bits
from ringrift.rules.moves import Move, MoveType, move_table
from ringrift.rules.state import State, cap_height

_first_segment = MoveType.OVERTAKING_CAPTURE


def can_move(state: State, cell: int, rings: bytes) -> bool:
    """Return whether a stack of these rings on this cell would have a step or a capture."""
    stacks, height = state.stacks, len(rings)
    blocked = state.occupied | state.collapsed
    for ray in state.variant.board.rays[cell]:
        mask, rising, distance = ray
        obstacles = blocked & mask
        if not obstacles:
            if len(distance) >= height:
                return True
            continue
        # `ray.nearest`, without the price of a call in an innermost loop
        nearest = (obstacles & -obstacles if rising else obstacles).bit_length() - 1
        if distance[nearest] > height:
            return True
        if nearest in stacks and _landings(state, rings, ray, obstacles, nearest):
            return True
    return False


def can_step_or_capture(state: State, seat: int) -> bool:
    """Return whether any stack that a player controls has a step or a capture."""
    stacks = state.stacks
    return any(can_move(state, cell, stacks[cell]) for cell in bits(state.controlled[seat]))


def steps_and_captures(state: State, cells: Iterable[int]) -> list[Move]:
    """Return what the stacks on some cells can do: of each the steps, then the captures."""
    table, stacks = move_table(state.variant.board.name), state.stacks
    blocked = state.occupied | state.collapsed
    found: list[Move] = []
    for cell in cells:
        rings = stacks[cell]
        height = len(rings)
        segments: list[Move] = []
        for ray, mask, rising, distance, moves in table.sights[cell]:
            obstacles = blocked & mask
            if not obstacles:
                found += moves[height - 1 :]
                continue
            # `ray.nearest`, as above
            nearest = (obstacles & -obstacles if rising else obstacles).bit_length() - 1
            reach = distance[nearest]
            if reach > height:
                found += moves[height - 1 : reach - 1]
            if nearest in stacks and (landings := _landings(state, rings, ray, obstacles, nearest)):
                segments += table.segments(_first_segment, cell, nearest)[landings]
        found += segments
    return found


def captures(state: State, cell: int, kind: MoveType) -> list[Move]:
    """Return the segments that the stack on a cell can make, as moves of type `kind`."""
    table = move_table(state.variant.board.name)
    found: list[Move] = []
    for target, landings in _targets(state, cell, state.stacks[cell]):
        found += table.segments(kind, cell, target)[landings]
    return found


def can_capture(state: State, cell: int, rings: bytes) -> bool:
    """Return whether a stack of these rings on this cell could make a segment."""
    return next(_targets(state, cell, rings), None) is not None


def _targets(state: State, cell: int, rings: bytes) -> Iterator[tuple[int, slice]]:
    """Yield each target that a stack of these rings on this cell can take, with its landings."""
    occupied, stacks = state.occupied, state.stacks
    blocked = occupied | state.collapsed
    for ray in state.variant.board.rays[cell]:
        if occupied & ray.mask:
            obstacles = blocked & ray.mask
            target = ray.nearest(obstacles)
            if target in stacks and (landings := _landings(state, rings, ray, obstacles, target)):
                yield target, landings


def _landings(state: State, rings: bytes, ray: Ray, obstacles: int, target: int) -> slice | None:
    """Return where a stack of these rings lands that takes the first stack that its ray meets.

    The slice counts the cells of the ray behind the target. None if it cannot be taken.
    """
    distance = ray.distance
    behind = distance[target]
    height = len(rings)
    first = behind if behind >= height else height - 1
    if beyond := obstacles ^ 1 << target:
        last = distance[ray.nearest(beyond)] - 1
    else:
        last = len(distance)
    if first >= last:
        return None
    taken = state.stacks[target]
    if len(taken) > 1 and cap_height(taken) > cap_height(rings):
        return None
    return slice(first - behind, last - behind)


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
    state.put_markers(1 << move.origin, state.player)
    state.changed = True
    passed = state.marked & state.variant.board.between[move.origin][move.to]
    if not passed:
        return
    own = passed & state.markers[state.player]
    if foreign := passed ^ own:
        state.take_markers(foreign)
        state.put_markers(foreign, state.player)
    if own:
        state.collapse(own)


def _land(state: State, cell: int, rings: bytes) -> None:
    """Set the stack down; a marker there vanishes and takes the stack's top ring with it."""
    state.put_stack(cell, rings)
    if state.marked >> cell & 1:
        state.take_markers(1 << cell)
        state.eliminate(cell, 1)
