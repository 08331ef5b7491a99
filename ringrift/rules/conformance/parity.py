"""Parity fixtures: moves, each refused or leading to a position with a known signature."""

from ringrift.rules.conformance.assertions import progress
from ringrift.rules.conformance.positions import (
    class_c,
    class_d,
    owners,
    read_fixture,
    without_no_actions,
)
from ringrift.rules.conformance.verdict import (
    Difference,
    Passed,
    Skipped,
    compare,
    compare_fields,
)
from ringrift.rules.errors import NotationError, OutsideTheGame, wrong
from ringrift.rules.geometry import Board
from ringrift.rules.json_fields import Json, get, key, read_flag, read_key, read_list, read_map
from ringrift.rules.json_move import read_move
from ringrift.rules.moves import MoveType
from ringrift.rules.state import State, cap_height
from ringrift.rules.turn import IllegalMove, apply

_claims = ("choose_territory_option", "process_territory_region")
_eliminations = ("eliminate_rings_from_stack", "eliminate_stack")
_no_actions = (MoveType.NO_LINE_ACTION.word, MoveType.NO_TERRITORY_ACTION.word)
_parts = ("players", "stacks", "markers", "collapsed")
_totals = ("markers", "collapsed", "eliminated", "S", "tsS", "sInvariant")


def check_parity(fixture: Json) -> Passed | Skipped:
    """Judge a fixture. Raises `Difference`, or another `ValueError` for what cannot be read.

    A trace is followed up to the first move that is not to be relied on.
    """
    steps = _steps(fixture)
    if not steps:
        return Skipped("a state without a move")
    reason = _distrusted(steps[0])
    if reason is not None:
        return Skipped(reason)  # even where its state cannot be read
    try:
        state = read_fixture(get(fixture, "state", "initialState"))
    except OutsideTheGame:
        return Skipped("its state is of no board or number of players of the game")
    for number, step in enumerate(steps):
        reason = _distrusted(step)
        if reason is not None:
            return Skipped(reason)
        try:
            # Upstream played these two itself, but for a trace that records them.
            state = _follow(state if number == 0 else _caught_up(state, step), step)
        except ValueError as error:
            raise Difference(f"step {number}: {error}") from None
    return Passed()


def _steps(fixture: Json) -> list[Json]:
    if get(fixture, "move") is not None:
        return [fixture]
    steps = [] if get(fixture, "steps") is None else read_list(get(fixture, "steps"), "steps")
    return [read_map(step, f"steps[{number}]") for number, step in enumerate(steps)]


def _distrusted(step: Json) -> str | None:
    """Return why a step is not to be relied on, if it is not: upstream takes it on trust."""
    if not _is_valid(step):
        return None
    kind = get(read_map(get(step, "move"), "move"), "type")
    if kind in _claims:
        return class_c
    return class_d if kind in _eliminations else None


def _is_valid(step: Json) -> bool:
    return read_flag(get(_expected(step), "tsValid"), "expected.tsValid")


def _expected(step: Json) -> Json:
    return read_map(get(step, "expected"), "expected")


def _caught_up(state: State, step: Json) -> State:
    """Return the state that upstream was in before a later step of a trace."""
    kind = get(read_map(get(step, "move"), "move"), "type")
    return state if kind in _no_actions else without_no_actions(state)


def _follow(state: State, step: Json) -> State:
    """Return the state after a step, or the same one if it is refused as it should be."""
    value = get(step, "move")
    if not _is_valid(step):
        try:
            apply(state, read_move(state, value))
        except (IllegalMove, NotationError):
            return state
        raise Difference("its move is accepted; expected a refusal")
    after = apply(state, read_move(state, value))
    text, counts = _signature(step), _counts(step)
    if text is not None or not counts:
        signature = _read_signature(after.variant.board, _checked_signature(text))
        compare("signature", _measure(after), signature)
    compare_fields("counts", _measure_counts(after), counts)
    return after


def _following(step: Json) -> Json:
    given = get(_expected(step), "tsNext")
    return {} if given is None else read_map(given, "expected.tsNext")


def _counts(step: Json) -> dict[str, object]:
    """Return the totals that a step expects, under the names they have there."""
    counts: dict[str, object] = {}
    for source in (step, _expected(step), _following(step)):
        counts |= {name: source[name] for name in _totals if source.get(name) is not None}
    return counts


def _measure_counts(state: State) -> dict[str, object]:
    """Return the same of a state."""
    totals: dict[str, object] = {
        "markers": state.marked.bit_count(),
        "collapsed": state.collapsed.bit_count(),
        "eliminated": sum(state.eliminated),
    }
    return totals | dict.fromkeys(("S", "tsS", "sInvariant"), progress(state))


def _signature(step: Json) -> object:
    return (
        get(step, "tsStateHash", "stateHash")
        or get(_expected(step), "tsStateHash", "stateHash")
        or get(_following(step), "stateHash")
    )


def _checked_signature(text: object) -> str:
    if not isinstance(text, str) or text.count("#") != len(_parts):
        raise wrong("stateHash", text, "a signature of 5 parts, parted by #")
    return text


def _read_signature(board: Board, text: str) -> dict[str, object]:
    """Return players, stacks, markers and collapsed cells, with each cell written out in full."""
    read: dict[str, object] = {}
    for name, part in zip(_parts, text.split("#")[1:], strict=True):
        entries = [entry.partition(":") for entry in part.split("|") if entry]
        on_cells = name != "players"
        read[name] = {
            key(board, read_key(board, at, name)) if on_cells else at: value
            for at, _, value in entries
        }
    return read


def _measure(state: State) -> dict[str, object]:
    """Return the same of a state: hand, eliminated, territory; controller, height, cap; owners."""
    board = state.variant.board
    return {
        "players": {
            str(seat): (
                f"{state.hand[seat]}:{state.eliminated[seat]}:{state.territory[seat].bit_count()}"
            )
            for seat in state.variant.seats
        },
        "stacks": {
            key(board, cell): f"{rings[0]}:{len(rings)}:{cap_height(rings)}"
            for cell, rings in state.stacks.items()
        },
        "markers": {cell: str(seat) for cell, seat in owners(state, state.markers).items()},
        "collapsed": {cell: str(seat) for cell, seat in owners(state, state.territory).items()},
    }
