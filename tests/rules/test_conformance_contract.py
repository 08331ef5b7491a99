"""Contract vectors, made up here: what is compared, and what is not to be relied on."""

import pytest

from ringrift.rules import Phase
from ringrift.rules.conformance import Failed, Item, Passed, Skipped, judge
from ringrift.rules.json_state import write_state
from tests.rules.boards import position
from tests.rules.conformance_items import (
    Vector,
    at,
    chain,
    claim,
    class_c,
    class_d,
    class_e,
    class_f,
    contract,
    crossing,
    elimination,
    expect,
    judged,
    reward,
    short_segment,
    step,
)
from tests.rules.json_values import put

# Contract vectors of class A and B


def test_a_contract_vector_passes_where_everything_asserted_holds() -> None:
    assert judged("contract_v2", step()) == Passed()


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("currentPlayer", 1, 2),
        ("currentPhase", "movement", "'ring_placement'"),
        ("gameStatus", "completed", "'active'"),
        ("victoryWinner", 1, None),
        ("victoryReason", "territory_control", None),
        ("stackCount", 1, 2),
        ("markerCount", 0, 1),
        ("collapsedCount", 1, 0),
        ("sInvariantDelta", 0, 1),
        ("player1RingsInHand", 4, 3),
        ("player2EliminatedRings", 1, 0),
        ("player2TerritorySpaces", 1, 0),
        ("totalCapturesInChain", 1, 0),
        ("finalStackHeight", 2, 1),
        ("finalStackController", 2, 1),
        ("targetStacksRemaining", 0, 1),
        ("markersCreated", 0, 1),
        ("extractionCount", 1, 0),
        ("noLineCollapse", False, True),
        ("pendingDecisionType", "select_line_to_process", None),
    ],
)
def test_each_assertion_can_fail(name: str, value: object, found: object) -> None:
    verdict = judged("contract_v2", expect(step(), **{name: value}))
    expected = repr(value)
    assert verdict == Failed(f"assertions.{name} is {found}; expected {expected}")


def test_an_unknown_assertion_is_a_failure() -> None:
    verdict = judged("contract_v2", expect(step(), luck=1))
    assert isinstance(verdict, Failed)
    assert verdict.difference.startswith("assertions has the field 'luck'; expected only current")


def test_no_actions_are_played_unless_the_vector_stops_before_them() -> None:
    stops = expect(step(), currentPlayer=1, currentPhase="line_processing")
    assert judged("contract_v2", stops) == Passed()
    stops["expectedOutput"]["assertions"].pop("currentPhase")
    verdict = judged("contract_v2", stops)
    assert verdict == Failed("assertions.currentPlayer is 2; expected 1")
    stops["expectedOutput"]["status"] = "awaiting_decision"
    assert judged("contract_v2", stops) == Passed()


def test_a_chain_is_played_segment_by_segment() -> None:
    assert judged("contract_v2", chain()) == Passed()
    wrong_stack, wrong_markers = chain(), chain()
    wrong_stack["expectedOutput"]["finalState"]["finalStackPosition"] = at(2, 1)
    wrong_markers["expectedOutput"]["finalState"]["markerPositions"].pop()
    for vector, difference in (
        (wrong_stack, "finalStackPosition is '2,2'; expected '2,1'"),
        (wrong_markers, "markerPositions is ['0,0', '2,0']; expected ['2,0']"),
    ):
        assert judged("contract_v2", vector) == Failed(difference)


def test_in_phase_capture_any_stack_may_capture_where_none_is_named() -> None:
    vector = contract(
        position("1 2 . .\n1 . . .", hand=(3, 3), phase=Phase.CAPTURE),
        {
            "type": "overtaking_capture",
            "player": 1,
            "from": at(0, 0),
            "captureTarget": at(1, 0),
            "to": at(2, 0),
        },
        {"stackCount": 2},
    )
    assert judged("contract_v2", vector) == Passed()
    vector["input"]["state"]["chainCapturePosition"] = at(0, 1)
    assert isinstance(judged("contract_v2", vector), Failed)


@pytest.mark.parametrize(
    ("drawing", "players"),
    [
        (". . .\na . .\na . .\na . .\n1 . 2", 2),
        (". . .\n. . .\na . .\na . .\n1 . 2", 3),
        (". . .\n. . .\na . .\na . .\n1 . 2", 4),
    ],
)
def test_a_line_of_markers_that_the_move_itself_crosses_is_set_aside(
    drawing: str, players: int
) -> None:
    vector = crossing(drawing, players)
    note = "its move crosses the markers of the line that it expects"
    aside = Passed((f"1 assertion set aside: pendingDecisionType, since {note}",))
    assert judged("contract_v2", vector) == aside
    verdict = judged("contract_v2", expect(vector, stackCount=3))
    assert verdict == Failed("assertions.stackCount is 2; expected 3")


def test_a_line_is_set_aside_also_when_the_turn_is_over() -> None:
    vector = crossing(". . .\na . .\na . .\na . .\n1 . 2")
    vector["expectedOutput"]["status"] = "complete"
    del vector["expectedOutput"]["assertions"]["currentPhase"]
    verdict = judged("contract_v2", expect(vector, currentPlayer=2))
    assert isinstance(verdict, Passed)
    assert len(verdict.notes) == 1


def test_nothing_is_set_aside_that_is_not_asserted() -> None:
    vector = crossing(". . .\na . .\na . .\na . .\n1 . 2")
    del vector["expectedOutput"]["assertions"]["pendingDecisionType"]
    assert judged("contract_v2", vector) == Passed()


def test_a_line_that_is_processed_is_not_pending_any_more() -> None:
    vector = contract(
        position("a a a a\n1 2 . .", phase=Phase.LINE_PROCESSING),
        {"type": "process_line", "player": 1, "to": at(0, 0)},
        {"pendingDecisionType": "select_line_to_process"},
    )
    assert isinstance(judged("contract_v2", vector), Failed)


@pytest.mark.parametrize(
    ("drawing", "start"),
    [
        (". . .\n. . .\n. . .\n. . .\n1 . 2", 4),
        (". . .\n. . .\na . .\na . .\n1 . 2", 4),
        (". a .\n. a .\n. a .\n. . .\n1 . 2", 4),
        ("a . .\na . .\na . .\n1 . .\n. . 2", 3),
    ],
)
def test_a_line_that_is_missing_for_another_reason_is_a_failure(drawing: str, start: int) -> None:
    verdict = judged("contract_v2", crossing(drawing, start=start))
    name = "assertions.pendingDecisionType"
    assert verdict == Failed(f"{name} is None; expected 'select_line_to_process'")


def test_a_line_that_is_there_need_not_be_set_aside() -> None:
    vector = contract(
        position("1 a a a . . . 2", hand=(3, 3)),
        {"type": "move_stack", "player": 1, "from": at(0, 0), "to": at(0, 1)},
        {"pendingDecisionType": "select_line_to_process"},
    )
    assert judged("contract_v2", vector) == Passed()


def test_class_b_holds_where_a_sole_owner_plays_on() -> None:
    vector = contract(
        position("1 . ."),
        {"type": "move_stack", "player": 1, "from": at(0, 0), "to": at(1, 0)},
        {"gameStatus": "active"},
    )
    assert judged("contract_v2", vector, "B") == Passed()
    difference = "assertions.gameStatus is 'completed'; expected 'active'"
    assert judged("contract_v2", vector, "A") == Failed(difference)


# Contract vectors that are no oracle


@pytest.mark.parametrize(
    ("vector", "label", "reason"),
    [
        (claim(), "C", class_c),
        (claim(), "D", class_d),
        (elimination(), "D", class_d),
        (short_segment(), "E", class_e),
        (step(), "F", class_f),
    ],
)
def test_what_is_no_oracle_is_skipped_by_its_class(vector: Vector, label: str, reason: str) -> None:
    assert judged("contract_v2", vector, label) == Skipped(reason)


@pytest.mark.parametrize("label", ["C", "D", "E"])
def test_what_must_be_refused_may_not_be_accepted(label: str) -> None:
    verdict = judged("contract_v2", step(), label)
    assert verdict == Failed("its move is accepted; expected a refusal")


def test_a_segment_may_follow_in_its_story_upon_one_that_is_too_short() -> None:
    assert judged("contract_v2", step(), "E", short_segment()) == Skipped(class_e)
    assert judged("contract_v2", step(), "C", short_segment()) != Skipped(class_c)


def test_an_elimination_in_a_wrong_setting_has_its_effect_in_the_right_one() -> None:
    verdict = judged("contract_v2", expect(elimination(), player1EliminatedRings=1), "D")
    assert verdict == Failed("assertions.player1EliminatedRings is 2; expected 1")


def test_an_elimination_is_tried_even_where_only_one_player_is() -> None:
    vector = elimination()
    vector["input"]["state"]["players"].pop()
    vector["input"]["state"]["board"]["stacks"] = {"0,0": {"rings": [1, 1]}}
    verdict = judged("contract_v2", expect(vector, stackCount=0), "D")
    assert verdict == Skipped(class_d)
    assert isinstance(judged("contract_v2", expect(vector, stackCount=1), "D"), Failed)


def test_a_swap_in_a_wrong_setting_has_its_effect_in_the_right_one() -> None:
    state = position("1 . .", player=2, hand=(2, 3))
    vector = contract(state, {"type": "swap_sides", "player": 2}, {"player2RingsInHand": 3})
    assert judged("contract_v2", vector, "D") == Skipped(class_d)
    assert isinstance(judged("contract_v2", expect(vector, player2RingsInHand=2), "D"), Failed)


def test_a_cell_off_the_board_leaves_nothing_to_try() -> None:
    vector = elimination()
    vector["input"]["state"]["board"]["stacks"]["9,9"] = {"rings": [1]}
    assert judged("contract_v2", vector, "D") == Skipped(class_d)
    verdict = judged("contract_v2", vector, "A")
    assert verdict == Failed("stacks: (9, 9) is not on square8")


def test_a_vector_without_a_class_is_a_failure() -> None:
    verdict = judge(Item("contract_v2", "it", step()))
    assert isinstance(verdict, Failed)
    assert verdict.difference.startswith("class is None; expected one of A, B, C, D, E, F")


# The sister files


def detection(**expected: object) -> Vector:
    """Return a vector on a line of four and no line of the other player."""
    state = position("a a a a\n. . b b\n1 2 . .", phase=Phase.LINE_PROCESSING)
    return {
        "id": "it",
        "input": {"state": write_state(state)},
        "assertions": {"lineDetection": expected},
    }


def test_lines_are_detected() -> None:
    line = {"lineCount": 1, "lineLength": 4, "linePlayer": 1, "isOverlength": False}
    assert judged("contract_extra", detection(**line, effectiveThreshold=4)) == Passed()
    assert judged("contract_extra", detection(lineCount=0, linePlayer=2, lineLength=2)) == Passed()
    assert isinstance(judged("contract_extra", detection(linePlayer=2, lineLength=2)), Failed)
    for name, value in (*line.items(), ("effectiveThreshold", 4)):
        other = 3 if isinstance(value, int) and value > 1 else 2
        verdict = judged("contract_extra", detection(**{**line, name: other}))
        assert isinstance(verdict, Failed), name
        assert verdict.difference.startswith("lineDetection")


def test_an_action_chooses_a_part_of_a_line() -> None:
    assert judged("contract_extra", reward()) == Passed()


@pytest.mark.parametrize(
    ("path", "value", "difference"),
    [
        (("boardChanges", "markersRemaining"), [], "boardChanges.markersRemaining is ['0,0']; "),
        (("boardChanges", "collapsedSpacesAdded"), [], "boardChanges.collapsedSpacesAdded is ["),
        (("boardChanges", "noSelfElimination"), False, "boardChanges.noSelfElimination is True; "),
        (("boardChanges", "luck"), 1, "boardChanges has the field 'luck'; expected only coll"),
        (("playerChanges", "1", "ringsInHand"), 2, "playerChanges[1].ringsInHand is 1; expected 2"),
        (("playerChanges", "3"), {}, "playerChanges is '3'; expected one of 1, 2"),
        (("luck",), {}, "assertions has the fields ['luck']; expected some of lineDetection, "),
    ],
)
def test_what_an_action_changes_is_compared(
    path: tuple[str, ...], value: object, difference: str
) -> None:
    vector = reward()
    put("assertions", *path, value=value)(vector)
    verdict = judged("contract_extra", vector)
    assert isinstance(verdict, Failed)
    assert verdict.difference.startswith(difference)


def test_an_action_on_no_line_is_a_failure() -> None:
    vector = reward()
    vector["input"]["action"]["collapsedPositions"] = [at(0, 1)]
    verdict = judged("contract_extra", vector)
    assert verdict == Failed("collapsedPositions lies in no line of player 1")


def test_a_sister_vector_that_asserts_nothing_is_a_failure() -> None:
    assert isinstance(judged("contract_extra", reward() | {"assertions": {}}), Failed)


def test_an_elimination_is_noticed_in_a_sister_vector() -> None:
    state = position("11 . 2\n. . .\nb . .", hand=(1, 1))
    step_on = {"type": "move_stack", "player": 1, "from": at(0, 0), "to": at(0, 2)}
    vector = {
        "input": {"state": write_state(state), "initialMove": step_on},
        "assertions": {"boardChanges": {"noSelfElimination": True}},
    }
    difference = "boardChanges.noSelfElimination is False; expected True"
    assert judged("contract_extra", vector) == Failed(difference)


def test_a_sister_vector_in_the_form_of_a_contract_is_of_class_d() -> None:
    assert judged("contract_extra", elimination()) == Skipped(class_d)
