"""The positions of a record: all of them if it replays, and else as far as it goes."""

import pytest

from p2p.envelope import RecordRefused, make_record, parse_record
from ringrift.game_view.positions import positions
from ringrift.rules import Config, Move, State, apply, configs, initial_state
from tests.game_view.games import damaged, moves_of, other_end, producer, random_record, record_of

square8 = Config("square8", 2)


def test_a_game_has_a_position_before_and_after_each_move() -> None:
    record = random_record("square8_3p")
    found = positions(record)
    assert found.id == record.id
    assert found.fault == ""
    assert found.last == len(found.game.moves)
    assert found.states[0] == initial_state(Config("square8", 3))
    assert found.states[-1].result == found.game.outcome


def test_a_sound_game_is_played_once(monkeypatch: pytest.MonkeyPatch) -> None:
    played = []

    def counted(state: State, move: Move) -> State:
        played.append(move)
        return apply(state, move)

    monkeypatch.setattr("ringrift.game_view.positions.apply", counted)
    monkeypatch.setattr("ringrift.game_record.apply", counted)
    found = positions(random_record("square8_2p"))
    assert tuple(played) == found.game.moves


def test_a_record_that_does_not_replay_is_shown_as_far_as_it_does() -> None:
    found = positions(damaged("square8_2p", kept=30))
    assert found.last < len(found.game.moves)
    assert found.fault.startswith(f"move {found.last + 1}: ")
    assert "is not legal for player" in found.fault


def test_a_record_that_claims_another_end_is_shown_to_its_end() -> None:
    moves, end = moves_of(square8, 1)
    found = positions(record_of(square8, moves, other_end(end)))
    assert found.last == len(moves)
    assert "the record says" in found.fault


def test_a_record_of_another_engine_is_shown_all_the_same() -> None:
    moves, end = moves_of(square8, 1)
    whole = positions(record_of(square8, moves, end, engine=7))
    assert whole.last == len(moves)
    assert whole.fault == "played by engine version 7; this is 1"
    cut = positions(record_of(square8, moves[:9] + moves[11:], end, engine=7))
    assert cut.fault.startswith(f"played by engine version 7; this is 1, move {cut.last + 1}: ")


def test_a_record_of_another_kind_is_refused() -> None:
    other = parse_record(make_record("model", 1, "", 0, producer, {}))
    with pytest.raises(RecordRefused, match="model format 1; expected game format 1"):
        positions(other)


@pytest.mark.parametrize("config", [config.name for config in configs if config.board == "hex8"])
def test_turns_are_walked_from_first_position_to_first_position(config: str) -> None:
    found = positions(random_record(config))
    numbers = [state.turn for state in found.states]
    for at in range(found.last + 1):
        after = [n for n in range(at + 1, found.last + 1) if numbers[n] != numbers[n - 1]]
        before = [n for n in range(at) if n == 0 or numbers[n] != numbers[n - 1]]
        assert found.turn_after(at) == (after[0] if after else found.last)
        assert found.turn_before(at) == (before[-1] if before else 0)
