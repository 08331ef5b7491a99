"""Games as JSON: what is written reads back, move by move, to the same end."""

import json
from typing import Any

import pytest

from ringrift.game_view.export import export
from ringrift.game_view.positions import positions
from ringrift.rules import Config, apply, configs, initial_state
from ringrift.rules.json_move import read_move
from tests.game_view.games import damaged, producer, random_record


def exported(record: Any) -> Any:
    return json.loads(json.dumps(export(positions(record))))


@pytest.mark.parametrize("config", configs, ids=lambda config: config.name)
def test_an_export_replays_to_the_same_end(config: Config) -> None:
    record = random_record(config.name)
    value = exported(record)
    state = initial_state(Config(value["boardType"], value["numPlayers"]))
    for number, each in enumerate(value["moves"], 1):
        assert (each["moveNumber"], each["player"]) == (number, state.player)
        assert each["phase"] == state.phase
        state = apply(state, read_move(state, each))
    assert state == positions(record).states[-1]
    assert state.result is not None
    assert value["totalMoves"] == len(value["moves"])
    assert (value["outcome"], value["winner"], tuple(value["ranking"])) == (
        state.result.reason, state.result.winner, state.result.ranking,
    )  # fmt: skip
    for seat in state.variant.seats:
        score = {name: by_seat[str(seat)] for name, by_seat in value["finalScore"].items()}
        assert score == {
            "ringsEliminated": state.eliminated[seat],
            "territorySpaces": state.territory[seat].bit_count(),
            "ringsInHand": state.hand[seat],
        }


def test_an_export_tells_where_the_game_comes_from() -> None:
    record = random_record("square8_3p")
    value = exported(record)
    told = {name: value[name] for name in value if name not in ("moves", "finalScore", "ranking")}
    assert told == {
        "id": record.id.hex(),
        "format": 1,
        "engine": 1,
        "config": "square8_3p",
        "boardType": "square8",
        "numPlayers": 3,
        "players": [
            {"playerNumber": 1, "kind": "random"},
            {"playerNumber": 2, "kind": "greedy"},
            {"playerNumber": 3, "kind": "random"},
        ],
        "seed": "07",
        "producer": producer.hex(),
        "startTime": "2026-09-21T14:13:20.000+00:00",
        "totalMoves": len(value["moves"]),
        "outcome": value["outcome"],
        "winner": value["ranking"].index(1) + 1,
    }


def test_of_a_record_that_does_not_replay_the_moves_that_do_are_written() -> None:
    record = damaged("square8_2p", kept=30)
    value, found = exported(record), positions(record)
    assert len(value["moves"]) == found.last < value["totalMoves"] == len(found.game.moves)
    assert value["fault"] == found.fault
    assert value["finalScore"] is None
