"""Positions drawn as text, for the tests of the rules.

A drawing has a line for each y, from the top, and in it a word for each x:

    .        an empty cell
    a b c d  a marker of player 1, 2, 3, 4
    A B C D  a collapsed cell of that player
    1 122    a stack, the top ring first

Square boards may be drawn in part, from (0, 0) on; the rest is empty. Hex boards are drawn whole,
but a drawing of `hex8` may stand for the middle of `hexagonal`.
"""

from collections.abc import Sequence

from ringrift.rules import (
    Config,
    Move,
    MoveType,
    Phase,
    RuleSet,
    State,
    apply,
    legal_moves,
    outcome,
)
from ringrift.rules.geometry import Board, board
from ringrift.rules.json_fields import key
from ringrift.rules.json_state import read_state
from ringrift.rules.moves import no_cell

XY = tuple[int, int]

square8_2p = Config("square8", 2)
nobody = (0, 0, 0, 0)
no_actions = (
    MoveType.NO_PLACEMENT_ACTION,
    MoveType.NO_MOVEMENT_ACTION,
    MoveType.NO_LINE_ACTION,
    MoveType.NO_TERRITORY_ACTION,
)
_markers, _collapsed = "abcd", "ABCD"


def position(
    drawing: str,
    config: Config = square8_2p,
    *,
    player: int = 1,
    phase: Phase = Phase.MOVEMENT,
    hand: Sequence[int] = nobody,
    eliminated: Sequence[int] = nobody,
    rules: RuleSet | None = None,
) -> State:
    """Return the drawn position. Rings are where the drawing and `hand` say, and nowhere else."""
    geometry = board(config.board)
    stacks, markers, collapsed = {}, {}, {}
    for cell, word in _words(geometry, drawing):
        name = key(geometry, cell)
        if word in _markers:
            markers[name] = {"player": _markers.index(word) + 1}
        elif word in _collapsed:
            collapsed[name] = _collapsed.index(word) + 1
        elif word != ".":
            stacks[name] = {"rings": [int(owner) for owner in word]}
    source = {
        "board": {
            "type": config.board,
            "stacks": stacks,
            "markers": markers,
            "collapsedSpaces": collapsed,
        },
        "players": [
            {
                "playerNumber": seat,
                "ringsInHand": hand[seat - 1],
                "eliminatedRings": eliminated[seat - 1],
            }
            for seat in range(1, config.players + 1)
        ],
        "currentPlayer": player,
        "currentPhase": phase.value,
    }
    return read_state(source, rules or RuleSet())


def _rows(geometry: Board) -> list[list[int]]:
    """Return the board's cells by rows, as they are drawn."""
    places = sorted((y, x) for x, y in map(geometry.xy, geometry.cells))
    return [
        [geometry.cell(x, row) for y, x in places if y == row]
        for row in sorted({y for y, _ in places})
    ]


def _words(geometry: Board, drawing: str) -> list[tuple[int, str]]:
    rows, lines = _rows(geometry), [line.split() for line in drawing.strip().splitlines()]
    if geometry.is_hex and len(lines) < len(rows):
        small = board("hex8")
        rows = [[geometry.cell(*small.xy(cell)) for cell in row] for row in _rows(small)]
    if geometry.is_hex:
        assert [len(line) for line in lines] == [len(row) for row in rows], "draw all cells"
    assert len(lines) <= len(rows)
    return [
        pair
        for row, line in zip(rows, lines, strict=False)
        for pair in zip(row, line, strict=False)
    ]


def draw(state: State) -> str:
    """Draw the whole board of a state."""
    geometry = state.variant.board
    rows = [[_word(state, cell) for cell in row] for row in _rows(geometry)]
    width = max(len(word) for row in rows for word in row)
    return "\n".join(" ".join(word.ljust(width) for word in row).rstrip() for row in rows)


def _word(state: State, cell: int) -> str:
    if cell in state.stacks:
        return "".join(str(owner) for owner in state.stacks[cell])
    for seat in state.variant.seats:
        if state.markers[seat] >> cell & 1:
            return _markers[seat - 1]
        if state.territory[seat] >> cell & 1:
            return _collapsed[seat - 1]
    return "."


def looks_like(state: State, drawing: str) -> bool:
    """Return whether a drawing shows the board of a state; print both if it does not."""
    wanted = draw(position(drawing, state.variant.config))
    if draw(state) != wanted:
        print(f"expected\n{wanted}\nfound\n{draw(state)}")
    return draw(state) == wanted


def move(
    state: State,
    kind: MoveType,
    to: XY | None = None,
    *,
    start: XY | None = None,
    target: XY | None = None,
    extra: int = 0,
) -> Move:
    """Return a move, its cells given as (x, y)."""
    cells = [no_cell if at is None else state.variant.board.cell(*at) for at in (start, target, to)]
    return Move(kind, cells[0], cells[1], cells[2], extra)


def play(
    state: State,
    kind: MoveType,
    to: XY | None = None,
    *,
    start: XY | None = None,
    target: XY | None = None,
    extra: int = 0,
) -> State:
    """Return the state after a move, its cells given as (x, y)."""
    return apply(state, move(state, kind, to, start=start, target=target, extra=extra))


def walk_through(state: State, *moves: MoveType) -> State:
    """Return the state after moves that need no choice, each of them the only one offered."""
    for kind in moves:
        assert legal_moves(state) == (Move(kind),)
        state = apply(state, Move(kind))
    return state


def turn(state: State, *decisions: Move) -> State:
    """Return the state after the rest of a turn.

    Each decision is made as soon as it is legal; otherwise whatever can be is declined, and a
    forced elimination takes the first stack.
    """
    wanted, number = list(decisions), state.turn
    while state.turn == number and outcome(state) is None:
        legal = legal_moves(state)
        if wanted and wanted[0] in legal:
            state = apply(state, wanted.pop(0))
        else:
            idle = [option for option in legal if option.to == no_cell]
            state = apply(state, [*idle, *options(state, MoveType.FORCED_ELIMINATION)][0])
    assert not wanted, "the turn ended before they were legal"
    return state


def kinds(state: State) -> set[MoveType]:
    """Return the types of move that are legal."""
    return {option.type for option in legal_moves(state)}


def options(state: State, kind: MoveType) -> list[Move]:
    """Return the legal moves of one type."""
    return [option for option in legal_moves(state) if option.type is kind]


def landings(state: State, kind: MoveType, start: XY | None = None) -> set[XY]:
    """Return where the legal moves of one type lead, of all stacks or of the one at `start`."""
    geometry = state.variant.board
    return {
        geometry.xy(option.to)
        for option in options(state, kind)
        if start is None or option.origin == geometry.cell(*start)
    }
