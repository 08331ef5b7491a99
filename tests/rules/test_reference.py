"""The engine agrees with a second, slow one that was written from the text of the rules alone.

The reference is first held against the published data; then both play the same games.
"""

import dataclasses
import random
import sys
from typing import Any

import pytest

from ringrift.rules import Config, MoveType, Reason, RuleSet, configs
from ringrift.rules.json_state import write_state
from scripts import compare_rules
from tests.rules import lockstep, reference, vectors
from tests.rules.boards import square8_2p
from tests.rules.vectors import Item

small_configs = [config for config in configs if config.board in ("square8", "hex8")]
large_configs = [config for config in configs if config not in small_configs]

with_vectors = pytest.mark.skipif(not vectors.found(), reason=vectors.absent)
games = vectors.games() if vectors.found() else []
transitions = vectors.transitions() if vectors.found() else []


def by_name(config: Config) -> str:
    """Return the id of a test of this config."""
    return config.name


# The reference and the published data


@with_vectors
@pytest.mark.parametrize("game", games[::12], ids=lambda game: game["id"])
def test_the_reference_replays_a_recorded_game(game: Item) -> None:
    state = reference.initial(Config(game["boardType"], game["numPlayers"]))
    for number, compact in enumerate(game["canonical"]["moves"]):
        here = f"move {number}: {compact}"
        assert (state.phase, state.player) == (compact["phase"], compact["player"]), here
        move = reference.read_move(state, vectors.full_move(compact))
        assert move is not None, here
        state = reference.apply(state, move)
    end = game["canonical"]["end"]
    found = vectors.written_material(reference.write_state(state))
    assert found == {name: end[name] for name in found}
    result = reference.outcome(state)
    assert (result and result.winner) == end["winner"]


@with_vectors
@pytest.mark.parametrize("item", transitions[::4], ids=lambda item: item["id"])
def test_the_reference_follows_a_recorded_transition(item: Item) -> None:
    before: dict[str, Any] = write_state(
        vectors.compact_state(item["before"], item["params"], item["boardType"])
    )
    kind = item["move"]["type"]
    if (before["currentPhase"], kind) == ("territory_processing", "eliminate_rings_from_stack"):
        before["turn"]["owed"] = "territory"
    state = reference.read_state(before, RuleSet(line_length=item["params"]["lineLength"]))
    move = reference.read_move(state, vectors.full_move(item["move"]))
    assert move is not None
    found = vectors.written_material(reference.write_state(reference.apply(state, move)))
    assert found == {name: item["after"][name] for name in found}


# Both engines

strewn_seeds = range(16, 22)
"""Some that lead to every type of move and every ending."""

rare_sorts = {
    "recovery_slide line 1",
    "recovery_slide line 2",
    "recovery_slide fallback",
    "recovery_slide stack_strike",
    "eliminate_rings_from_stack recovery",
}
by_hosts = {"resign", "resignation", "timeout"}
"""Moves and endings that the reference does not know."""


@pytest.mark.parametrize("config", small_configs, ids=by_name)
def test_both_engines_play_the_same_full_game(config: Config) -> None:
    rng = random.Random(1)
    tally = lockstep.play(lockstep.from_start(config), rng, moves_max=10_000)
    assert "cut short" not in tally.ends


@pytest.mark.parametrize("config", large_configs, ids=by_name)
def test_both_engines_play_the_same_opening_on_a_large_board(config: Config) -> None:
    lockstep.play(lockstep.from_start(config), random.Random(1), moves_max=20)


def test_both_engines_play_on_alike_from_strewn_pieces() -> None:
    tally = lockstep.Tally()
    for config in small_configs:
        for seed in strewn_seeds:
            for opening in ("scattered", "scattered_switched"):
                rng = random.Random(seed)
                pair = lockstep.openings[opening](config, rng)
                tally.add(lockstep.play(pair, rng, moves_max=1_000))
    assert {sort.split()[0] for sort in tally.moves} == {kind.word for kind in MoveType} - by_hosts
    assert rare_sorts <= tally.moves.keys()
    assert tally.ends.keys() == {reason.value for reason in Reason} - by_hosts


@pytest.mark.parametrize("config", large_configs, ids=by_name)
def test_so_they_do_on_a_large_board(config: Config) -> None:
    rng = random.Random(2)
    pair = lockstep.openings["scattered_switched"](config, rng)
    lockstep.play(pair, rng, moves_max=40)


def test_both_engines_heed_the_supply_where_hands_and_board_exceed_it() -> None:
    for seed in range(20):
        source = lockstep.scattered(square8_2p, random.Random(seed))
        for player in source["players"]:
            player["ringsInHand"] = square8_2p.rings
        lockstep.compared(lockstep.from_json(source))


# The comparison itself


def compare(monkeypatch: pytest.MonkeyPatch) -> int:
    """Run the script on a short game."""
    words = ["compare_rules.py", "--config", "hex8_2p", "--games", "1", "--moves", "3"]
    monkeypatch.setattr(sys, "argv", words)
    return compare_rules.main()


def test_the_script_counts_what_it_compared(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(monkeypatch) == 0
    assert capsys.readouterr().out.startswith("hex8_2p start: 1 game, 4 positions alike")


def test_moves_of_one_engine_alone_are_told_with_the_position(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    every_move = reference.legal_moves
    monkeypatch.setattr(reference, "legal_moves", lambda state: every_move(state)[1:])
    assert compare(monkeypatch) == 1
    told = capsys.readouterr().out
    assert told.startswith("hex8_2p start, seed 0: moves of one alone: {'engine': ['{placementC")
    assert '"currentPhase": "ring_placement"' in told


def test_a_difference_between_positions_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    follow = reference.follow

    def later(state: reference.State, move: reference.Move) -> reference.State:
        return dataclasses.replace(follow(state, move), turn=9)

    monkeypatch.setattr(reference, "follow", later)
    assert compare(monkeypatch) == 1
    assert "state differs: turnNumber: engine has 1, text has 9" in capsys.readouterr().out


def test_a_move_that_only_one_engine_refuses_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        reference, "read_move", lambda state, source: reference.Move("skip_capture")
    )
    monkeypatch.setattr(reference, "apply", lambda state, move: state)
    with pytest.raises(lockstep.Disagreement, match="what follows"):
        lockstep.play(lockstep.from_start(configs[0]), random.Random(0), moves_max=1)
