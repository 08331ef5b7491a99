"""Parity fixtures, transitions and games, made up here: what is compared, and where it fails."""

import copy
import dataclasses

import pytest

from ringrift.rules import (
    Config,
    Move,
    MoveType,
    Outcome,
    Phase,
    State,
    initial_state,
    legal_moves,
    outcome,
)
from ringrift.rules.conformance import Failed, Passed, Skipped
from ringrift.rules.json_state import write_state
from ringrift.rules.state import Owed, Reason
from tests.rules.boards import move, position
from tests.rules.conformance_items import (
    Vector,
    at,
    claim,
    class_c,
    class_d,
    elimination,
    game,
    judged,
    line,
    trace,
    transition,
)
from tests.rules.json_values import put

# Parity fixtures


def test_a_trace_is_followed_and_refused_step_by_step() -> None:
    assert judged("rules_parity", trace()) == Passed()


def test_a_trace_goes_on_after_the_no_actions_that_upstream_made_itself() -> None:
    fixture = trace()
    first = fixture["steps"][0]
    end = first["stateHash"]
    backward = {"type": "move_stack", "player": 2, "from": at(2, 2), "to": at(2, 1)}
    no_line = {"move": {"type": "no_line_action"}, "expected": {"tsValid": True}, "stateHash": end}
    second = [
        {"move": {"type": "skip_placement"}, "expected": {"tsValid": True}, "stateHash": end},
        {
            "move": backward,
            "expected": {"tsValid": True},
            "stateHash": "#1:3:0:0|2:4:0:0#1,0:1:1:1|2,1:2:1:1#0,0:1|2,2:2#",
        },
    ]
    for steps in ([first, *second], [first, no_line, *second]):
        assert judged("rules_parity", fixture | {"steps": steps}) == Passed()


@pytest.mark.parametrize(
    ("signature", "difference"),
    [
        ("#1:3:0:1|2:4:0:0#1,0:1:1:1|2,2:2:1:1#0,0:1#", "players][1] is '3:0:0'; expected '3:0:1'"),
        ("#1:3:0:0|2:4:0:0#2,2:2:1:1#0,0:1#", "stacks][1,0] is '1:1:1'; expected nothing"),
        ("#1:3:0:0|2:4:0:0#1,0:1:1:1|2,2:2:1:1##", "markers][0,0] is '1'; expected nothing"),
        ("#1:3:0:0|2:4:0:0#1,0:1:1:1|2,2:2:1:1#0,0:1#0,1:1", "collapsed][0,1] is missing"),
        ("#1:3", "stateHash is '#1:3'; expected a signature of 5 parts"),
    ],
)
def test_a_signature_is_compared_part_by_part(signature: str, difference: str) -> None:
    fixture = trace()
    fixture["steps"][0]["stateHash"] = signature
    verdict = judged("rules_parity", fixture)
    assert isinstance(verdict, Failed)
    assert verdict.difference.startswith("step 0: ")
    assert difference in verdict.difference


def test_a_verdict_is_compared() -> None:
    accepted, refused = trace(), trace()
    accepted["steps"][0]["expected"]["tsValid"] = False
    verdict = judged("rules_parity", accepted)
    assert verdict == Failed("step 0: its move is accepted; expected a refusal")
    refused["steps"][1]["expected"]["tsValid"] = True
    verdict = judged("rules_parity", refused)
    assert isinstance(verdict, Failed)
    assert verdict.difference.startswith("step 1: player is 1; expected 2")


def test_a_fixture_of_one_move_has_its_signature_elsewhere() -> None:
    fixture = trace()
    one = fixture["steps"][0]
    fixture = {"state": fixture["initialState"], "move": one["move"], "expected": one["expected"]}
    fixture["expected"]["tsNext"] = {"stateHash": one["stateHash"]}
    assert judged("rules_parity", fixture) == Passed()


def test_the_first_step_is_judged_in_the_state_as_it_stands() -> None:
    state = position("1 . .\n. . 2", phase=Phase.LINE_PROCESSING, hand=(3, 3))
    state.changed = True
    early = {"type": "place_ring", "player": 2, "to": at(5, 5)}
    fixture = {"state": write_state(state), "move": early, "expected": {"tsValid": False}}
    assert judged("rules_parity", fixture) == Passed()


@pytest.mark.parametrize("phase", [Phase.CHAIN_CAPTURE, Phase.FORCED_ELIMINATION])
def test_a_state_in_which_nothing_can_be_done_refuses_too(phase: Phase) -> None:
    state = write_state(position("1 . .\n. . .\n. . 2", hand=(3, 3)))
    stuck = {**state, "currentPhase": phase.value, "currentPlayer": 1}
    late = {"type": "skip_capture", "player": 1}
    fixture = {"state": stuck, "move": late, "expected": {"tsValid": False}}
    assert judged("rules_parity", fixture) == Passed()


def test_a_claim_that_upstream_refuses_too_is_judged() -> None:
    fixture = {**claim()["input"], "expected": {"tsValid": False}}
    assert judged("rules_parity", fixture) == Passed()


def counted(**counts: object) -> Vector:
    """Return a fixture of one step that has these counts and no signature."""
    fixture = trace()
    one = fixture["steps"][0]
    expected = {"tsValid": True, "tsNext": counts}
    return {"state": fixture["initialState"], "move": one["move"], "expected": expected}


def test_counts_are_compared_where_a_signature_is_missing() -> None:
    right = {"markers": 1, "collapsed": 0, "eliminated": 0, "S": 1}
    assert judged("rules_parity", counted(**right, currentPlayer=7)) == Passed()
    assert judged("rules_parity", counted(S=1, markers=None)) == Passed()
    for name, value in right.items():
        verdict = judged("rules_parity", counted(**right | {name: 5}))
        assert verdict == Failed(f"step 0: counts.{name} is {value}; expected 5")
    message = "stateHash is None; expected a signature of 5 parts, parted by #"
    assert judged("rules_parity", counted()) == Failed(f"step 0: {message}")


def test_counts_are_compared_beside_a_signature_too() -> None:
    for path in (("expected", "tsS"), ("sInvariant",)):
        for value, verdict in (
            (1, Passed()),
            (2, Failed(f"step 0: counts.{path[-1]} is 1; expected 2")),
        ):
            fixture = trace()
            put("steps", 0, *path, value=value)(fixture)
            assert judged("rules_parity", fixture) == verdict


def test_s_counts_what_was_eliminated_and_collapsed_as_well() -> None:
    state = position("1 a B .\n. . . 2", hand=(3, 3), eliminated=(2, 3))
    step_on = {"type": "move_stack", "player": 1, "from": at(0, 0), "to": at(0, 1)}
    expected = {"tsValid": True, "tsS": 8, "tsNext": {"eliminated": 5, "collapsed": 1, "S": 8}}
    fixture = {"state": write_state(state), "move": step_on, "expected": expected}
    assert judged("rules_parity", fixture) == Passed()


def test_what_is_not_to_be_relied_on_need_not_have_a_state_that_reads() -> None:
    for item, reason in ((claim(), class_c), (elimination(), class_d)):
        fixture = {**item["input"], "expected": {"tsValid": True}, "state": {"board": 5}}
        assert judged("rules_parity", fixture) == Skipped(reason)
        fixture["expected"]["tsValid"] = False
        assert isinstance(judged("rules_parity", fixture), Failed)


@pytest.mark.parametrize("status", ["finished", "completed", "lunch"])
def test_the_game_of_a_fixture_goes_on_whatever_its_status(status: str) -> None:
    fixture = trace()
    del fixture["initialState"]["turn"]
    fixture["initialState"]["gameStatus"] = status
    assert judged("rules_parity", fixture) == Passed()


def test_what_upstream_believes_too_easily_is_skipped() -> None:
    claiming, eliminating, still = trace(), trace(), trace()
    claiming["steps"][1] = {**claim()["input"], "expected": {"tsValid": True}}
    assert judged("rules_parity", claiming) == Skipped(class_c)
    eliminating["steps"][1] = {**elimination()["input"], "expected": {"tsValid": True}}
    assert judged("rules_parity", eliminating) == Skipped(class_d)
    claiming["steps"][0]["stateHash"] = "####"
    assert isinstance(judged("rules_parity", claiming), Failed)
    del still["steps"]
    assert judged("rules_parity", still) == Skipped("a state without a move")


@pytest.mark.parametrize(
    ("path", "value"),
    [(("players",), [{}]), (("board", "markers", "8,8"), {"player": 1})],
)
def test_a_state_of_no_game_is_skipped(path: tuple[str, ...], value: object) -> None:
    fixture = trace()
    put("initialState", *path, value=value)(fixture)
    claiming = {**claim(), "expected": {"tsValid": True}}
    claiming["move"] = claiming["input"]["move"]
    first = fixture | {"steps": [claiming]}
    assert judged("rules_parity", first) == Skipped(class_c)
    reason = "its state is of no board or number of players of the game"
    assert judged("rules_parity", fixture) == Skipped(reason)


def test_hex_keys_of_a_signature_may_lack_their_third_number() -> None:
    state = initial_state(Config("hex8", 2))
    placed = {"type": "place_ring", "player": 1, "to": {"x": 1, "y": -2}}
    signature = "1:movement:waiting#1:17:0:0|2:18:0:0#1,-2:1:1:1##"
    expected = {"tsValid": True, "tsNext": {"stateHash": signature}}
    fixture = {"state": write_state(state), "move": placed, "expected": expected}
    assert judged("rules_parity", fixture) == Passed()


# Transitions and games


def test_a_transition_is_compared_with_what_was_recorded() -> None:
    assert judged("transitions", line()) == Passed()
    for name, key, difference in (
        ("stacks", "4,0", "stacks[4,0] is [1]; expected 9"),
        ("markers", "0,0", "markers[0,0] is 1; expected 9"),
        ("collapsed", "1,0", "collapsed[1,0] is 1; expected 9"),
        ("hand", "1", "hand[1] is 0; expected 9"),
        ("eliminated", "2", "eliminated[2] is 0; expected 9"),
    ):
        item = copy.deepcopy(line())
        item["after"][name][key] = 9
        assert judged("transitions", item) == Failed(difference)
    item = line()
    item["params"]["lineLength"] = 5
    assert isinstance(judged("transitions", item), Failed)


def test_phase_and_player_of_a_transition_are_not_compared() -> None:
    item = line()
    item["after"] |= {"phase": "lunch", "currentPlayer": 7}
    assert judged("transitions", item) == Passed()


@pytest.mark.parametrize(
    ("phase", "owed", "eliminated"),
    [(Phase.TERRITORY_PROCESSING, Owed.TERRITORY, 2), (Phase.LINE_PROCESSING, Owed.LINE, 1)],
)
def test_an_elimination_in_a_transition_is_owed(phase: Phase, owed: Owed, eliminated: int) -> None:
    state = position("11 . 2 . 1", phase=phase)
    state.owed = owed
    item = transition(
        state, Move(MoveType.ELIMINATE_RINGS_FROM_STACK, to=state.variant.board.cell(0, 0))
    )
    assert item["after"]["eliminated"] == {"1": eliminated, "2": 0}
    assert judged("transitions", item) == Passed()


def test_a_region_may_have_been_declined_by_another_name() -> None:
    state = position(". 2 b . 1\nb b b . .", phase=Phase.TERRITORY_PROCESSING, hand=(3, 3))
    assert {option.type for option in legal_moves(state)} >= {MoveType.SKIP_TERRITORY_PROCESSING}
    declined = transition(state, Move(MoveType.SKIP_TERRITORY_PROCESSING))
    declined["move"]["type"] = "no_territory_action"
    note = "no_territory_action read as skip_territory_processing"
    assert judged("transitions", declined) == Passed((note,))
    declined["move"]["type"] = "no_line_action"
    assert isinstance(judged("transitions", declined), Failed)


def test_an_empty_hand_may_have_been_noted_as_a_skipped_placement() -> None:
    state = position("1 . .\n. . 2", phase=Phase.RING_PLACEMENT)
    skipped = transition(state, Move(MoveType.NO_PLACEMENT_ACTION))
    skipped["move"]["type"] = "skip_placement"
    note = "skip_placement read as no_placement_action"
    assert judged("transitions", skipped) == Passed((note,))
    must_place = position(". . .\n. . 2", phase=Phase.RING_PLACEMENT, hand=(1, 0))
    skipped["before"]["hand"] = {"1": 1, "2": 0}
    del skipped["before"]["stacks"]["0,0"]
    assert {option.type for option in legal_moves(must_place)} == {MoveType.PLACE_RING}
    assert isinstance(judged("transitions", skipped), Failed)


def test_a_forced_elimination_may_have_been_recorded_as_any() -> None:
    state = position("112 A\nA A", phase=Phase.FORCED_ELIMINATION)
    forced = transition(state, move(state, MoveType.FORCED_ELIMINATION, (0, 0)))
    forced["move"]["type"] = "eliminate_rings_from_stack"
    note = "eliminate_rings_from_stack read as forced_elimination"
    assert judged("transitions", forced) == Passed((note,))
    forced["after"]["eliminated"]["1"] = 1
    assert judged("transitions", forced) == Failed("eliminated[1] is 2; expected 1")


def test_any_stack_may_move_in_a_transition() -> None:
    state = position("1 2 . . 1 2 . .", phase=Phase.CHAIN_CAPTURE)
    item = transition(state, legal_moves(state)[0])
    item["before"] |= {"mustMoveFrom": "4,0", "chainFrom": "7,7"}
    assert judged("transitions", item) == Passed()


@pytest.fixture(scope="module")
def whole_game() -> Vector:
    """Return the record of a game that is over."""
    record = game()
    assert record["canonical"]["complete"]
    return record


def test_a_game_replays_to_its_end(whole_game: Vector) -> None:
    assert judged("games", whole_game) == Passed()
    assert judged("games", game(20)) == Passed()


@pytest.mark.parametrize(
    ("path", "value", "difference"),
    [
        (("ringsPerPlayer",), 36, "ringsPerPlayer is 18; expected 36"),
        (("boardType",), "square9", "board is 'square9'"),
        (("recorded", "winner"), 7, "winner is "),
        (("canonical", "end", "winner"), 7, "winner is "),
        (("canonical", "end", "status"), "active", "status is 'completed'; expected 'active'"),
        (("canonical", "end", "phase"), "movement", "phase is 'game_over'; expected 'movement'"),
        (("canonical", "end", "reason"), "lps", "reason is "),
        (("canonical", "end", "hand", "1"), 99, "hand[1] is "),
        (("canonical", "end", "markers", "0,0"), 9, "markers[0,0] is "),
        (("canonical", "moves", 1, "phase"), "capture", "move 1: phase is 'movement'; expected "),
        (("canonical", "moves", 1, "player"), 2, "move 1: player is 1; expected 2"),
        (("canonical", "moves", 1, "to"), {"x": 7, "y": 6}, "move 1: move_stack from a1 to "),
        (("canonical", "moves", 1), 5, "move 1: move is 5; expected an object"),
    ],
)
def test_a_game_that_goes_otherwise_fails(
    whole_game: Vector, path: tuple[str | int, ...], value: object, difference: str
) -> None:
    record = copy.deepcopy(whole_game)
    put(*path, value=value)(record)
    verdict = judged("games", record)
    assert isinstance(verdict, Failed)
    assert verdict.difference.startswith(difference)


def ended(record: Vector, **changes: object) -> Vector:
    """Return the record of a game with other words on how it ended."""
    changed = copy.deepcopy(record)
    changed["canonical"]["end"] |= changes
    return changed


def test_a_reason_in_a_word_that_is_not_known_is_not_compared(whole_game: Vector) -> None:
    found = whole_game["canonical"]["end"]["reason"]
    unknown: list[object] = ["luck", None, [[]]]
    for reason in unknown:
        verdict = judged("games", ended(whole_game, reason=reason))
        assert verdict == Passed((f"its reason {reason!r} is not compared with {found}",))
    verdict = judged("games", ended(whole_game, reason="luck", winner=7))
    assert isinstance(verdict, Failed)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("elimination", Reason.RING_ELIMINATION),
        ("territory", Reason.TERRITORY_CONTROL),
        ("sole_ring_owner", Reason.SOLE_OWNER),
        ("stalemate", Reason.STANDSTILL),
        ("global_stalemate", Reason.STANDSTILL),
        ("structural_stalemate", Reason.STANDSTILL),
        ("lps", Reason.LAST_PLAYER_STANDING),
        *((reason.value, reason) for reason in Reason),
    ],
)
def test_a_reason_may_have_another_name(
    whole_game: Vector, monkeypatch: pytest.MonkeyPatch, name: str, reason: Reason
) -> None:
    def ended_so(state: State) -> Outcome | None:
        result = outcome(state)
        return result and dataclasses.replace(result, reason=reason)

    monkeypatch.setattr("ringrift.rules.conformance.replay.outcome", ended_so)
    assert judged("games", ended(whole_game, reason=name)) == Passed()
    wrong = "territory_control" if reason is Reason.SOLE_OWNER else "sole_owner"
    verdict = judged("games", ended(whole_game, reason=wrong))
    assert verdict == Failed(f"reason is {reason.value!r}; expected {wrong!r}")


def test_the_player_to_move_is_compared_where_a_game_goes_on() -> None:
    record = game(20)
    found = record["canonical"]["end"]["currentPlayer"]
    record["canonical"]["end"]["currentPlayer"] = 7
    assert judged("games", record) == Failed(f"currentPlayer is {found}; expected 7")


def test_a_game_may_not_go_on_when_it_is_over(whole_game: Vector) -> None:
    record = copy.deepcopy(whole_game)
    moves = record["canonical"]["moves"]
    moves.append(moves[0])
    verdict = judged("games", record)
    expected = f"move {len(moves) - 1}: the game is over; expected place_ring"
    assert verdict == Failed(expected)


def test_a_no_action_is_legal_only_where_it_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_many(state: State) -> tuple[Move, ...]:
        return (*legal_moves(state), Move(MoveType.NO_MOVEMENT_ACTION))

    monkeypatch.setattr("ringrift.rules.conformance.replay.legal_moves", too_many)
    verdict = judged("games", game(5))
    assert verdict == Failed("move 0: no_movement_action is legal; expected place_ring alone")
