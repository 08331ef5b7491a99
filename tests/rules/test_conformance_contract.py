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


def waiting_line() -> Vector:
    """Return a vector whose step leaves a marker that completes a line."""
    return contract(
        position("1 a a a . . . 2", hand=(3, 3)),
        {"type": "move_stack", "player": 1, "from": at(0, 0), "to": at(0, 1)},
        {"pendingDecisionType": "select_line_to_process"},
    )


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


@pytest.mark.parametrize("name", ["currentPlayer", "stackCount", "noLineCollapse"])
def test_what_is_null_is_not_asserted(name: str) -> None:
    assert judged("contract_v2", expect(step(), **{name: None})) == Passed()


@pytest.mark.parametrize("name", ["victoryWinner", "victoryReason"])
def test_that_nobody_has_won_is_asserted_by_null(name: str) -> None:
    assert judged("contract_v2", expect(step(), **{name: None})) == Passed()
    lost = {"type": "resign", "player": 1}
    won = contract(position("1 . .\n. . 2", hand=(3, 3)), lost, {name: None})
    verdict = judged("contract_v2", won)
    assert isinstance(verdict, Failed)
    assert verdict.difference.startswith(f"assertions.{name} is ")


def test_a_decision_and_a_controller_may_be_asserted_to_be_none() -> None:
    pending = expect(waiting_line(), pendingDecisionType=None)
    verdict = judged("contract_v2", pending)
    name = "assertions.pendingDecisionType"
    assert verdict == Failed(f"{name} is 'select_line_to_process'; expected None")
    verdict = judged("contract_v2", expect(step(), finalStackController=None))
    assert verdict == Failed("assertions.finalStackController is 1; expected None")


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
    ("phase", "kind"),
    [(Phase.MOVEMENT, "overtaking_capture"), (Phase.CHAIN_CAPTURE, "continue_capture_segment")],
)
def test_a_stack_that_must_move_is_one_of_the_player_to_move(phase: Phase, kind: str) -> None:
    vector = contract(
        position("1 2 . .\n1 . . .", hand=(3, 3), phase=phase),
        {"type": kind, "player": 1, "from": at(0, 0), "captureTarget": at(1, 0), "to": at(2, 0)},
        {"stackCount": 2},
    )
    state = vector["input"]["state"]
    for stale in ("1,0", "5,5"):
        state["mustMoveFromStackKey"] = stale
        assert judged("contract_v2", vector) == Passed()
    state["mustMoveFromStackKey"] = "0,1"
    assert isinstance(judged("contract_v2", vector), Failed)
    del state["mustMoveFromStackKey"]
    state["must_move_from_stack_key"] = "1,0"
    assert judged("contract_v2", vector) == Passed()


def test_in_phase_capture_the_stack_that_must_move_is_not_obeyed() -> None:
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
    vector["input"]["state"]["mustMoveFromStackKey"] = "0,1"
    assert judged("contract_v2", vector) == Passed()


@pytest.mark.parametrize("status", ["finished", "completed", "lunch"])
def test_the_game_of_a_vector_goes_on_whatever_its_status(status: str) -> None:
    vector = step()
    vector["input"]["state"]["gameStatus"] = status
    del vector["input"]["state"]["turn"]
    assert judged("contract_v2", vector) == Passed()


@pytest.mark.parametrize(
    ("mode", "drawing", "ends"),
    [
        ("line", "a a a . .\n. . . a .\n21 . . . .", ((3, 1), (3, 0))),
        ("fallback", "a . .\n. . .\n21 . .", ((0, 0), (1, 0))),
        ("stack_strike", "a 2 .\n. . .\n21 . .", ((0, 0), (1, 0))),
    ],
)
def test_one_ring_is_extracted_whatever_the_mode_of_a_recovery(
    mode: str, drawing: str, ends: tuple[tuple[int, int], tuple[int, int]]
) -> None:
    move = {"type": "recovery_slide", "player": 1, "from": at(*ends[0]), "to": at(*ends[1])}
    state = position(drawing, hand=(0, 3))
    vector = contract(state, move | {"recoveryMode": mode}, {"extractionCount": 1})
    assert judged("contract_v2", vector) == Passed()


def test_a_placement_extracts_nothing() -> None:
    state = position("1 . .\n. . 2", phase=Phase.RING_PLACEMENT, hand=(3, 3))
    placed = {"type": "place_ring", "player": 1, "to": at(5, 5)}
    vector = contract(state, placed, {"extractionCount": 0})
    assert judged("contract_v2", vector) == Passed()


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
    assert judged("contract_v2", waiting_line()) == Passed()


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


def test_an_elimination_has_an_effect_even_where_none_is_asserted() -> None:
    vector = elimination()
    vector["expectedOutput"]["assertions"] = {"player1EliminatedRings": 0}
    verdict = judged("contract_v2", vector, "D")
    assert verdict == Failed("assertions.player1EliminatedRings is 2; expected 0")


@pytest.mark.parametrize(
    ("context", "phase", "eliminated"),
    [
        (None, Phase.RING_PLACEMENT, 2),
        (None, Phase.TERRITORY_PROCESSING, 2),
        (None, Phase.LINE_PROCESSING, 1),
        ("line", Phase.RING_PLACEMENT, 1),
        ("territory", Phase.LINE_PROCESSING, 2),
        ("forced", Phase.LINE_PROCESSING, 2),
        ("lunch", Phase.LINE_PROCESSING, 1),
    ],
)
def test_an_elimination_takes_what_its_context_owes(
    context: str | None, phase: Phase, eliminated: int
) -> None:
    state = position("112 . .\n. . 2", player=2, phase=phase, hand=(0, 3))
    value = {"type": "eliminate_rings_from_stack", "player": 1, "to": at(0, 0)}
    vector = contract(state, value | {"eliminationContext": context}, {})
    right = expect(vector, player1EliminatedRings=eliminated, sInvariantDelta=eliminated)
    assert judged("contract_v2", right, "D") == Skipped(class_d)
    wrong = expect(vector, player1EliminatedRings=3 - eliminated)
    assert isinstance(judged("contract_v2", wrong, "D"), Failed)


def test_after_a_recovery_an_elimination_takes_a_buried_ring() -> None:
    state = position("2211 . .\n. . 2", player=2, phase=Phase.LINE_PROCESSING, hand=(0, 3))
    value = {"type": "eliminate_rings_from_stack", "player": 1, "to": at(0, 0)}
    vector = contract(state, value | {"eliminationContext": "recovery"}, {})
    right = expect(vector, player1EliminatedRings=1, stackCount=2)
    assert judged("contract_v2", right, "D") == Skipped(class_d)
    assert isinstance(judged("contract_v2", expect(right, stackCount=1), "D"), Failed)


def believed(*cells: tuple[int, int], drawing: str = "2 12 .\n. . 1", **asserted: object) -> Vector:
    """Return a vector of player 2 on the turn of player 1, who claims these cells."""
    state = position(drawing, player=2, phase=Phase.RING_PLACEMENT, hand=(0, 3))
    regions = [{"spaces": [at(*cell) for cell in cells]}] if cells else []
    value = {"type": "choose_territory_option", "player": 1, "to": at(0, 0)}
    return contract(state, value | {"disconnectedRegions": regions}, asserted)


@pytest.mark.parametrize(("label", "reason"), [("C", class_c), ("D", class_d)])
def test_a_claim_of_a_region_that_is_not_cut_off_has_its_effect(label: str, reason: str) -> None:
    right: Vector = {
        "stackCount": 1,
        "collapsedCount": 2,
        "player1EliminatedRings": 3,
        "player2EliminatedRings": 0,
        "player1TerritorySpaces": 2,
        "sInvariantDelta": 5,
    }
    vector = believed((0, 0), (1, 0), currentPhase="lunch", **right)
    assert judged("contract_v2", vector, label) == Skipped(reason)
    for name, value in right.items():
        verdict = judged("contract_v2", expect(vector, **{name: 7}), label)
        assert verdict == Failed(f"assertions.{name} is {value}; expected 7")


def test_a_claim_of_no_region_changes_nothing() -> None:
    vector = believed(stackCount=3, collapsedCount=0, sInvariantDelta=0)
    assert judged("contract_v2", vector, "D") == Skipped(class_d)
    assert isinstance(judged("contract_v2", expect(vector, collapsedCount=1), "D"), Failed)


def test_a_claim_that_is_to_change_nothing_may_list_cells() -> None:
    vector = believed((0, 0), (1, 0), stackCount=3, collapsedCount=0, sInvariantDelta=0)
    assert judged("contract_v2", vector, "D") == Skipped(class_d)
    assert isinstance(judged("contract_v2", expect(vector, stackCount=1), "D"), Failed)


def test_a_claim_may_list_what_has_collapsed_before() -> None:
    totals: Vector = {
        "player1TerritorySpaces": 1,
        "player2TerritorySpaces": 1,
        "sInvariantDelta": 2,
    }
    vector = believed((0, 0), (1, 0), drawing="B 2 .\n. . 1", **totals)
    assert judged("contract_v2", vector, "D") == Skipped(class_d)


def test_whether_the_border_of_such_a_region_collapses_is_not_asked() -> None:
    near = believed((0, 0), drawing="2 a .\n. . 1", sInvariantDelta=2)
    for collapsed in (1, 2):
        totals: Vector = {
            "collapsedCount": collapsed,
            "markerCount": 2 - collapsed,
            "player1TerritorySpaces": collapsed,
        }
        assert judged("contract_v2", expect(near, **totals), "C") == Skipped(class_c)
    assert isinstance(judged("contract_v2", expect(near, sInvariantDelta=3), "C"), Failed)
    far = believed((0, 0), drawing="2 . a\n. . 1", collapsedCount=2)
    assert isinstance(judged("contract_v2", far, "C"), Failed)


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


def test_a_state_of_class_d_that_cannot_be_read_leaves_nothing_to_try() -> None:
    vector = elimination()
    vector["input"]["state"]["board"]["markers"]["0,0"] = {"player": 1}
    assert judged("contract_v2", vector, "D") == Skipped(class_d)


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
