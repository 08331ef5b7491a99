"""Contract vectors: a state, a move or a chain of segments, and assertions on what follows.

A checker that belongs neither to the data's authors nor to this engine has put them into classes,
A to F. Only A says what an engine must do as it stands; B does so where a sole owner plays on. The
others are skipped, yet what makes them so is demanded: a strict engine refuses C, D and E, and the
eliminations and claims of C and D do what they should where they are made to work.
"""

from collections.abc import Sequence

from ringrift.rules.config import RuleSet
from ringrift.rules.conformance.assertions import (
    check_final_state,
    measure,
    nullable,
    set_aside,
)
from ringrift.rules.conformance.effects import check_effect
from ringrift.rules.conformance.positions import (
    class_c,
    class_d,
    read_fixture,
    without_no_actions,
)
from ringrift.rules.conformance.verdict import Difference, Passed, Skipped, compare_fields
from ringrift.rules.errors import NotationError, wrong
from ringrift.rules.json_fields import Json, get, read_list, read_map
from ringrift.rules.json_move import read_move
from ringrift.rules.moves import Move, MoveType
from ringrift.rules.state import Phase, State
from ringrift.rules.turn import IllegalMove, apply, default_rules

_skipped = {
    "C": class_c,
    "D": class_d,
    "E": "class E: it breaks the minimum distance",
    "F": "class F: a placeholder, or inconsistent",
}
_stopping = (
    Phase.LINE_PROCESSING,
    Phase.TERRITORY_PROCESSING,
    Phase.CAPTURE,
    Phase.CHAIN_CAPTURE,
    Phase.FORCED_ELIMINATION,
)


def check_contract(vector: Json, label: object, earlier: Sequence[Json] = ()) -> Passed | Skipped:
    """Judge a vector of a class, `earlier` being the steps before it in its story.

    Raises `Difference`, or another `ValueError` for what cannot be read or is refused.
    """
    if label == "A":
        return _hold(vector, default_rules)
    if label == "B":
        return _hold(vector, RuleSet(sole_owner_wins=False))
    if label not in ("C", "D", "E", "F"):
        raise wrong("class", label, "one of A, B, C, D, E, F, as MANIFEST.json has it")
    if label != "F":
        # What is too short may be the segment of an earlier step.
        _demand_refusal(vector, *(earlier if label == "E" else ()))
    if label in ("C", "D"):
        given = read_map(get(vector, "input"), "input")
        source, moves = read_map(get(given, "state"), "input.state"), _moves(given)
        if len(moves) == 1:  # what is asserted of a chain is no effect of its first move
            check_effect(source, moves[0], _asserted(vector))
    return Skipped(_skipped[label])


def _hold(vector: Json, rules: RuleSet) -> Passed:
    expected = read_map(get(vector, "expectedOutput"), "expectedOutput")
    asserted = _asserted(vector)
    before, after, played = _play(vector, rules)
    if get(expected, "status") == "complete" and asserted.get("currentPhase") not in _stopping:
        after = without_no_actions(after)
    aside = set_aside(before, after, played, asserted)
    kept = {name: value for name, value in asserted.items() if name not in aside}
    compare_fields("assertions", measure(before, after, played), kept)
    final = get(expected, "finalState")
    if final is not None:
        check_final_state(after, played, read_map(final, "finalState"))
    why = "its move crosses the markers of the line that it expects"
    return Passed(tuple(f"1 assertion set aside: {name}, since {why}" for name in aside))


def _asserted(vector: Json) -> Json:
    """Return what a vector asserts; null asserts nothing, but where there may be nothing."""
    expected = read_map(get(vector, "expectedOutput"), "expectedOutput")
    given = read_map(get(expected, "assertions"), "assertions")
    return {name: value for name, value in given.items() if value is not None or name in nullable}


def _play(vector: Json, rules: RuleSet) -> tuple[State, State, list[Move]]:
    """Return the states before and after the moves of a vector, and these."""
    given = read_map(get(vector, "input"), "input")
    before = after = read_fixture(get(given, "state"), rules)
    played: list[Move] = []
    for value in _moves(given):
        played.append(read_move(after, value))
        after = apply(after, played[-1])
    return before, after, played


def _moves(given: Json) -> list[Json]:
    first = get(given, "initialMove")
    if first is None:
        return [read_map(get(given, "move"), "input.move")]
    move = read_map(first, "input.initialMove")
    name = "expectedChainSequence"
    segments = [] if get(given, name) is None else read_list(get(given, name), name)
    return [move, *[_segment(move, read_map(segment, name)) for segment in segments[1:]]]


def _segment(first: Json, segment: Json) -> Json:
    return {
        "type": MoveType.CONTINUE_CAPTURE_SEGMENT.word,
        "player": get(first, "player"),
        "from": get(segment, "from"),
        "captureTarget": get(segment, "captureTarget"),
        "to": get(segment, "landing"),
    }


def _demand_refusal(*vectors: Json) -> None:
    """Raise `Difference` if the moves of all these vectors can be made as they stand."""
    for vector in vectors:
        try:
            _play(vector, default_rules)
        except (IllegalMove, NotationError):
            return
    raise Difference("its move is accepted; expected a refusal")
