"""Recorded play: single moves between two full states, and games from first move to last."""

from ringrift.rules.config import Config, RuleSet
from ringrift.rules.conformance.positions import (
    full_move,
    material,
    turn_owing,
    written_material,
)
from ringrift.rules.conformance.verdict import Difference, Passed, compare
from ringrift.rules.errors import shown
from ringrift.rules.json_fields import (
    Json,
    get,
    read_flag,
    read_int,
    read_list,
    read_map,
)
from ringrift.rules.json_move import read_move
from ringrift.rules.json_state import read_unchecked
from ringrift.rules.moves import Move, MoveType
from ringrift.rules.state import Owed, Phase, Reason, State
from ringrift.rules.turn import apply, initial_state, legal_moves, outcome

_no_actions = (
    MoveType.NO_PLACEMENT_ACTION,
    MoveType.NO_MOVEMENT_ACTION,
    MoveType.NO_LINE_ACTION,
    MoveType.NO_TERRITORY_ACTION,
)
_reasons = {reason.value: reason for reason in Reason} | {
    "elimination": Reason.RING_ELIMINATION,
    "territory": Reason.TERRITORY_CONTROL,
    "sole_ring_owner": Reason.SOLE_OWNER,
    "stalemate": Reason.STANDSTILL,
    "global_stalemate": Reason.STANDSTILL,
    "structural_stalemate": Reason.STANDSTILL,
    "lps": Reason.LAST_PLAYER_STANDING,
}
_meant_by = {
    MoveType.NO_TERRITORY_ACTION: MoveType.SKIP_TERRITORY_PROCESSING,
    MoveType.SKIP_PLACEMENT: MoveType.NO_PLACEMENT_ACTION,
    MoveType.ELIMINATE_RINGS_FROM_STACK: MoveType.FORCED_ELIMINATION,
}
"""What older engines meant by a type of move where it is not legal and this one is: a region is
declined (AMB-09), nothing is left to place, the phase forces an elimination."""
_owed = {
    Phase.TERRITORY_PROCESSING.value: Owed.TERRITORY,
    Phase.LINE_PROCESSING.value: Owed.LINE,
}
_line_length_max = 19


def check_transition(item: Json) -> Passed:
    """Compare what follows on a move with what was recorded, but for phase and player.

    Raises `Difference`, or another `ValueError` for what cannot be read or is refused.
    """
    value = read_map(get(item, "move"), "move")
    owed = Owed.NOTHING
    if get(value, "type") == MoveType.ELIMINATE_RINGS_FROM_STACK.word:
        phase = get(read_map(get(item, "before"), "before"), "phase")
        owed = _owed.get(str(phase), Owed.NOTHING)
    before = read_before(item, owed)
    move = read_move(before, full_move(value))
    meant = _meant(before, move)
    after = apply(before, meant)
    expected = written_material(after.variant.board, read_map(get(item, "after"), "after"))
    _compare_material(after, expected)
    return Passed(() if meant == move else (f"{move.type.word} read as {meant.type.word}",))


def _meant(state: State, move: Move) -> Move:
    """Return a move as the rules have it, if an older engine recorded it by another type."""
    legal = legal_moves(state)
    kind = _meant_by.get(move.type)
    if move in legal or kind is None:
        return move
    if move.type is MoveType.SKIP_PLACEMENT and state.hand[state.mover] > 0:
        return move
    meant = move._replace(type=kind)
    return meant if meant in legal else move


def read_before(item: Json, owed: Owed = Owed.NOTHING) -> State:
    """Read the state before a transition's move, under the parameters that come with it.

    Which stack must move is not read, so that any may: some states keep that of an earlier turn.
    """
    source = read_map(get(item, "before"), "before")
    params = read_map(get(item, "params"), "params")
    length = read_int(get(params, "lineLength"), "params.lineLength", 2, _line_length_max)
    stacks, markers, hand, eliminated = (
        read_map(source.get(name), f"before.{name}")
        for name in ("stacks", "markers", "hand", "eliminated")
    )
    value = {
        "board": {
            "type": get(item, "boardType"),
            "stacks": {cell: {"rings": rings} for cell, rings in stacks.items()},
            "markers": {cell: {"player": owner} for cell, owner in markers.items()},
            "collapsedSpaces": source.get("collapsed"),
        },
        "players": [
            {
                "playerNumber": seat,
                "ringsInHand": hand.get(str(seat)),
                "eliminatedRings": eliminated.get(str(seat)),
            }
            for seat in range(1, len(hand) + 1)
        ],
        "currentPlayer": get(source, "currentPlayer"),
        "currentPhase": get(source, "phase"),
        "turn": turn_owing(len(hand), owed),
    }
    return read_unchecked(value, RuleSet(line_length=length))


def check_game(item: Json) -> Passed:
    """Replay the canonical moves of a game. Raises as `check_transition`.

    Before each move phase and player are as recorded, the game goes on, and nothing is declined
    by a no-action that is not recorded; after the last the position is as computed.
    """
    players = read_int(get(item, "numPlayers"), "numPlayers", 2, 4)
    config = Config(str(get(item, "boardType")), players)
    compare("ringsPerPlayer", config.rings, get(item, "ringsPerPlayer"))
    canonical = read_map(get(item, "canonical"), "canonical")
    state = initial_state(config)
    for number, value in enumerate(read_list(get(canonical, "moves"), "canonical.moves")):
        try:
            state = _replay(state, read_map(value, "move"))
        except ValueError as error:
            raise Difference(f"move {number}: {error}") from None
    end = read_map(get(canonical, "end"), "canonical.end")
    _compare_material(state, written_material(state.variant.board, end))
    notes = _compare_ending(state, end)
    if outcome(state) is not None and read_flag(get(canonical, "complete"), "canonical.complete"):
        recorded = read_map(get(item, "recorded"), "recorded")
        compare("winner", _winner(state), get(recorded, "winner"))
    return Passed(notes)


def _replay(state: State, value: Json) -> State:
    if outcome(state) is not None:
        raise Difference(f"the game is over; expected {get(value, 'type')}")
    compare("phase", state.phase.value, get(value, "phase"))
    compare("player", state.player, get(value, "player"))
    move = read_move(state, full_move(value))
    after = apply(state, move)
    offered = {option.type for option in legal_moves(state)} & {*_no_actions}
    if not offered <= {move.type}:
        raise Difference(f"{offered.pop().word} is legal; expected {move.type.word} alone")
    return after


def _winner(state: State) -> int | None:
    result = outcome(state)
    return None if result is None else result.winner


def _compare_ending(state: State, end: Json) -> tuple[str, ...]:
    """Compare how a game stands; return a note if the reason of its ending is a word not known."""
    result = outcome(state)
    compare("status", "active" if result is None else "completed", get(end, "status"))
    compare("phase", state.phase.value, get(end, "phase"))
    compare("winner", _winner(state), get(end, "winner"))
    if result is None:
        compare("currentPlayer", state.player, get(end, "currentPlayer"))
        return ()
    given = get(end, "reason")
    reason = _reasons.get(str(given))
    if reason is None:
        return (f"its reason {shown(given)} is not compared with {result.reason.value}",)
    compare("reason", result.reason.value, reason.value)
    return ()


def _compare_material(state: State, expected: dict[str, dict[str, object]]) -> None:
    for name, found in material(state).items():
        compare(name, found, expected[name])
