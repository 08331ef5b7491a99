"""The engine agrees with the published data, as far as their README calls them an oracle."""

import pytest

from ringrift.rules import (
    Config,
    IllegalMove,
    MoveType,
    Phase,
    Reason,
    RuleSet,
    State,
    apply,
    initial_state,
    legal_moves,
    outcome,
)
from ringrift.rules.geometry import bits
from ringrift.rules.json_fields import NotationError, key
from ringrift.rules.json_move import read_move
from ringrift.rules.json_state import read_state
from ringrift.rules.lines import eligible_lines
from ringrift.rules.moves import Move
from ringrift.rules.state import Owed, cap_height
from tests.rules import vectors
from tests.rules.vectors import Item

if not vectors.found():
    pytest.skip(vectors.absent, allow_module_level=True)

no_actions = (
    MoveType.NO_PLACEMENT_ACTION,
    MoveType.NO_MOVEMENT_ACTION,
    MoveType.NO_LINE_ACTION,
    MoveType.NO_TERRITORY_ACTION,
)
claims = ("choose_territory_option", "process_territory_region")
reasons = {
    "ring_elimination": Reason.RING_ELIMINATION,
    "territory_control": Reason.TERRITORY_CONTROL,
    "lps": Reason.LAST_PLAYER_STANDING,
}


# Recorded games, from the first move to the last


@pytest.mark.parametrize("game", vectors.games(), ids=lambda game: game["id"])
def test_a_recorded_game_replays_move_by_move(game: Item) -> None:
    config = Config(game["boardType"], game["numPlayers"])
    assert config.rings == game["ringsPerPlayer"]
    state = initial_state(config)
    for number, compact in enumerate(game["canonical"]["moves"]):
        here = f"move {number}: {compact}"
        assert outcome(state) is None, here
        assert (state.phase, state.player) == (compact["phase"], compact["player"]), here
        move = read_move(state, vectors.full_move(compact))
        legal = legal_moves(state)
        assert move in legal, here
        assert {option.type for option in legal if option.type in no_actions} <= {move.type}, here
        state = apply(state, move)
    end = game["canonical"]["end"]
    assert vectors.material(state) == {key: end[key] for key in vectors.material(state)}
    result = outcome(state)
    if end["status"] == "active":
        assert (result, state.phase, state.player) == (None, end["phase"], end["currentPlayer"])
    else:
        assert result is not None
        assert (result.winner, result.reason) == (end["winner"], reasons[end["reason"]])
        assert result.winner == game["recorded"]["winner"]


# Single moves between two full states


@pytest.mark.parametrize("item", vectors.transitions(), ids=lambda item: item["id"])
def test_a_transition_leads_to_the_recorded_state(item: Item) -> None:
    before = vectors.compact_state(item["before"], item["params"], item["boardType"])
    kind = item["move"]["type"]
    if (before.phase, kind) == (Phase.TERRITORY_PROCESSING, "eliminate_rings_from_stack"):
        before.owed = Owed.TERRITORY
    after = apply(before, read_move(before, vectors.full_move(item["move"])))
    expected = {key: item["after"][key] for key in vectors.material(after)}
    assert vectors.material(after) == expected


# Contract vectors: one move or a chain of segments, and assertions on what follows

crosses_its_line = ("multiplayer.line.4marker_line_in_2p",)
"""The step passes over the three own markers that its line would need, and so collapses them."""

stopping_phases = (
    "line_processing",
    "territory_processing",
    "capture",
    "chain_capture",
    "forced_elimination",
)


@pytest.mark.parametrize("vector", vectors.contracts("A"), ids=lambda vector: vector["id"])
def test_a_contract_vector_of_class_a_holds(vector: Item) -> None:
    _check_contract(vector, RuleSet())


@pytest.mark.parametrize("vector", vectors.contracts("B"), ids=lambda vector: vector["id"])
def test_one_of_class_b_holds_where_a_sole_owner_plays_on(vector: Item) -> None:
    _check_contract(vector, RuleSet(sole_owner_wins=False))


@pytest.mark.parametrize("vector", vectors.contracts("C"), ids=lambda vector: vector["id"])
def test_one_of_class_c_is_refused_since_its_region_is_not_cut_off(vector: Item) -> None:
    state = read_state(vector["input"]["state"])
    with pytest.raises(NotationError, match="disconnectedRegions"):
        read_move(state, vector["input"]["move"])


@pytest.mark.parametrize("vector", vectors.contracts("E"), ids=lambda vector: vector["id"])
def test_one_of_class_e_is_refused_since_its_segment_is_too_short(vector: Item) -> None:
    state = read_state(vector["input"]["state"])
    with pytest.raises(IllegalMove, match="continue_capture_segment"):
        apply(state, read_move(state, vector["input"]["move"]))


def _check_contract(vector: Item, rules: RuleSet) -> None:
    before = after = read_state(vector["input"]["state"], rules)
    moves = _moves(vector["input"])
    for move in moves:
        after = apply(after, read_move(after, move))
    asserted = dict(vector["expectedOutput"]["assertions"])
    complete = vector["expectedOutput"]["status"] == "complete"
    if complete and asserted.get("currentPhase") not in stopping_phases:
        after = _without_no_actions(after)
    measured = _measure(before, after, len(moves))
    if vector["id"] in crosses_its_line:
        assert measured["pendingDecisionType"] is None
        del measured["pendingDecisionType"], asserted["pendingDecisionType"]
    assert {name: measured[name] for name in asserted} == asserted
    final = vector["expectedOutput"].get("finalState", {})
    if "finalStackPosition" in final:
        assert after.controlled[before.player] == _mask(after, [final["finalStackPosition"]])
    if "markerPositions" in final:
        assert after.marked == _mask(after, final["markerPositions"])


def _moves(given: Item) -> list[Item]:
    if "initialMove" not in given:
        return [given["move"]]
    first = given["initialMove"]
    segments = [
        {
            "type": "continue_capture_segment",
            "player": first["player"],
            "from": segment["from"],
            "captureTarget": segment["captureTarget"],
            "to": segment["landing"],
        }
        for segment in given.get("expectedChainSequence", [])[1:]
    ]
    return [first, *segments]


def _without_no_actions(state: State) -> State:
    """Play the moves that record that there was nothing to do, as upstream's runner does."""
    for kind in (MoveType.NO_LINE_ACTION, MoveType.NO_TERRITORY_ACTION):
        if Move(kind) in legal_moves(state):
            state = apply(state, Move(kind))
    return state


def _mask(state: State, positions: list[Item]) -> int:
    board = state.variant.board
    return sum(1 << board.cell(position["x"], position["y"]) for position in positions)


def _progress(state: State) -> int:
    return state.marked.bit_count() + state.collapsed.bit_count() + sum(state.eliminated)


def _measure(before: State, after: State, moves: int) -> dict[str, object]:
    """Return everything that a contract vector may assert."""
    mine = [rings for rings in after.stacks.values() if rings[0] == before.player]
    result = outcome(after)
    measured: dict[str, object] = {
        "currentPlayer": after.player,
        "currentPhase": after.phase,
        "gameStatus": "active" if result is None else "completed",
        "victoryWinner": result and result.winner,
        "victoryReason": result and result.reason,
        "stackCount": len(after.stacks),
        "markerCount": after.marked.bit_count(),
        "collapsedCount": after.collapsed.bit_count(),
        "sInvariantDelta": _progress(after) - _progress(before),
        "pendingDecisionType": "select_line_to_process" if eligible_lines(after) else None,
        "totalCapturesInChain": moves,
        "finalStackHeight": max(map(len, mine), default=0),
        "finalStackController": before.player if mine else None,
        "targetStacksRemaining": len(after.stacks) - len(mine),
        "extractionCount": sum(after.eliminated) - sum(before.eliminated),
        "noLineCollapse": after.collapsed == before.collapsed,
        "markersCreated": after.marked.bit_count() - before.marked.bit_count(),
    }
    for seat in after.variant.seats:
        measured[f"player{seat}RingsInHand"] = after.hand[seat]
        measured[f"player{seat}EliminatedRings"] = after.eliminated[seat]
        measured[f"player{seat}TerritorySpaces"] = after.territory[seat].bit_count()
    return measured


# Parity fixtures: each move is refused, or leads to a position with this signature


@pytest.mark.parametrize(
    "fixture", [pytest.param(fixture, id=name) for name, fixture in vectors.parities().items()]
)
def test_a_parity_fixture_is_refused_or_followed(fixture: Item) -> None:
    state = read_state(fixture.get("state") or fixture["initialState"])
    for step in fixture.get("steps", [fixture] if "move" in fixture else []):
        move, expected = step["move"], step["expected"]
        # Claims there take their region from the move, though nothing is cut off.
        if not expected["tsValid"] or move["type"] in claims:
            with pytest.raises((IllegalMove, NotationError)):
                apply(state, read_move(state, move))
            continue
        state = apply(state, read_move(state, move))
        signature = expected.get("tsStateHash") or expected["tsNext"]["stateHash"]
        assert _signature(_without_no_actions(state)) == signature.split("#", 1)[1]


def _signature(state: State) -> str:
    """Write the comparable part of upstream's signature: players, stacks, markers, collapsed."""
    board = state.variant.board
    players = [
        f"{seat}:{state.hand[seat]}:{state.eliminated[seat]}:{state.territory[seat].bit_count()}"
        for seat in state.variant.seats
    ]
    stacks = [
        f"{key(board, cell)}:{rings[0]}:{len(rings)}:{cap_height(rings)}"
        for cell, rings in state.stacks.items()
    ]
    markers, collapsed = (
        [f"{key(board, cell)}:{seat}" for seat in state.variant.seats for cell in bits(masks[seat])]
        for masks in (state.markers, state.territory)
    )
    parts = ["|".join(players), *("|".join(sorted(part)) for part in (stacks, markers, collapsed))]
    return "#".join(parts)


# The sister files of the contract vectors


@pytest.mark.parametrize("vector", vectors.extras(), ids=lambda vector: vector["id"])
def test_an_extra_contract_vector_holds(vector: Item) -> None:
    before = read_state(vector["input"]["state"])
    asserted = vector["assertions"]
    if "lineDetection" in asserted:
        wanted = asserted["lineDetection"]
        lines = eligible_lines(before)
        assert (len(lines), before.player) == (wanted["lineCount"], wanted["linePlayer"])
        assert len(lines[0].cells) == wanted["lineLength"]
        assert before.variant.line_length == wanted["effectiveThreshold"]
        return
    action = vector["input"].get("action")
    move = vector["input"].get("initialMove") or {
        "type": action["type"],
        "to": action["collapsedPositions"][0],
        "collapsedMarkers": action["collapsedPositions"],
    }
    after = vectors.material(apply(before, read_move(before, move)))
    changes = asserted["boardChanges"]
    assert sorted(after["collapsed"]) == sorted(changes["collapsedSpacesAdded"])
    assert sorted(after["markers"]) == sorted(changes["markersRemaining"])
    assert not changes.get("noSelfElimination") or not any(after["eliminated"].values())
    for seat, change in asserted.get("playerChanges", {}).items():
        assert after["hand"][seat] == change["ringsInHand"]
        assert after["eliminated"][seat] == change["eliminatedRings"]
