"""Recovery: sliding a marker to bring buried rings back into play (section 12)."""

from collections.abc import Iterator

from ringrift.rules.geometry import bits
from ringrift.rules.lines import Line, part_of, run_through
from ringrift.rules.moves import Move, MoveType, RecoveryMode
from ringrift.rules.state import State
from ringrift.rules.territory import stacks_with_buried


def may_recover(state: State) -> bool:
    """Return whether the player to move is eligible: no stack, but a marker and a buried ring."""
    player = state.player
    return (
        not state.controlled[player] and state.markers[player] != 0 and state.on_board[player] > 0
    )


def slides(state: State) -> list[Move]:
    """Return the slides of an eligible player; if any makes a line, only those that do.

    Who pays is chosen on the board as it is before the slide, so that a strike is always paid for.
    """
    payers = stacks_with_buried(state)
    lines: list[Move] = []
    others: list[Move] = []
    for origin, to in _slides(state):
        line = line_made(state, origin, to)
        if line is not None:
            lines += _line_slides(state, origin, to, line, payers)
        elif not lines:
            struck = state.occupied >> to & 1
            mode = RecoveryMode.STACK_STRIKE if struck else RecoveryMode.FALLBACK
            others += [Move(MoveType.RECOVERY_SLIDE, origin, payer, to, mode) for payer in payers]
    return lines or others


def _slides(state: State) -> Iterator[tuple[int, int]]:
    board = state.variant.board
    landing = board.all & ~(state.collapsed | state.marked)
    for origin in bits(state.markers[state.player]):
        for to in bits(board.neighbours(1 << origin, board.axes) & landing):
            yield origin, to


def line_made(state: State, origin: int, to: int) -> Line | None:
    """Return the line that a slide makes: the longest, then the first by axis (AMB-24)."""
    if state.occupied >> to & 1:
        return None
    markers = state.markers[state.player] & ~(1 << origin)
    runs = [run_through(markers, to, axis) for axis in state.variant.board.axes]
    longest = max(runs, key=lambda run: len(run.cells))
    return longest if len(longest.cells) >= state.variant.line_length else None


def _line_slides(state: State, origin: int, to: int, line: Line, payers: list[int]) -> list[Move]:
    length = state.variant.line_length
    kind = MoveType.RECOVERY_SLIDE
    found = [Move(kind, origin, payer, to, RecoveryMode.LINE_ALL) for payer in payers]
    if len(line.cells) > length:
        at = line.cells.index(to)
        starts = line.cells[max(0, at - length + 1) : min(at, len(line.cells) - length) + 1]
        found += [Move(kind, origin, start, to, RecoveryMode.LINE_PART) for start in starts]
    return found


def slide(state: State, move: Move) -> None:
    """Slide a marker, and collapse, strike and pay as the mode says."""
    line = line_made(state, move.origin, move.to)
    state.take_markers(1 << move.origin)
    state.recovered = state.changed = True
    if move.extra == RecoveryMode.LINE_PART and line is not None:
        state.collapse(part_of(line, move.target, state.variant.line_length))
        return
    if move.extra == RecoveryMode.LINE_ALL and line is not None:
        state.collapse(line.mask)
    elif move.extra == RecoveryMode.FALLBACK:
        state.put_markers(1 << move.to, state.player)
    pay_buried(state, move.target)
    if move.extra == RecoveryMode.STACK_STRIKE:
        state.eliminate(move.to, 1)


def pay_buried(state: State, cell: int) -> None:
    """Eliminate the lowest ring of the player to move in a stack."""
    state.eliminate(cell, 1, state.stacks[cell].rindex(state.player))
