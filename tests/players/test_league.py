"""The league: who sits where, what the figures mean, and what the command prints."""

import json
import re
import subprocess
import sys
from collections.abc import Callable

import pytest

from ringrift.players import league
from ringrift.players.league import (
    Fixture,
    Pairing,
    Result,
    fixtures,
    main,
    seatings,
    table,
    wilson,
)
from ringrift.rules import Config, configs

square8_2p, hex8_3p = Config("square8", 2), Config("hex8", 3)
quick = ["--players", "random,greedy", "--games", "2"]


@pytest.mark.parametrize(
    ("won", "games", "low", "high"),
    [
        (0, 10, 0.0, 0.277533),  # z2 / (10 + z2), where z2 = 3.841459
        (10, 10, 0.722467, 1.0),
        (8, 10, 0.490162, 0.943318),
        (50, 100, 0.403832, 0.596168),
    ],
)
def test_the_interval_is_that_of_wilson(won: int, games: int, low: float, high: float) -> None:
    assert wilson(won, games) == pytest.approx((low, high), abs=1e-6)


@pytest.mark.parametrize(("players", "count"), [(2, 2), (3, 6), (4, 6)])
def test_seatings_are_fair(players: int, count: int) -> None:
    order = seatings(players)
    assert len(set(order)) == len(order) == count
    for index in range(0, count, 2):
        assert order[index + 1] == tuple(not first for first in order[index])
    for seat in range(players):
        assert 2 * sum(seating[seat] for seating in order) == count
    assert all(abs(2 * sum(seating) - players) <= 1 for seating in order)


def test_every_pairing_plays_in_turn_and_every_seating_comes() -> None:
    pairings = [Pairing(square8_2p, "b", "a"), Pairing(hex8_3p, "b", "a")]
    games = list(fixtures(pairings, 6, 1))
    assert [game.pairing for game in games] == pairings * 6
    assert [game.seats for game in games[::2]] == [("b", "a"), ("a", "b")] * 3
    assert len({game.seats for game in games[1::2]}) == 6
    assert len({(game.pairing, game.seed) for game in games}) == 12
    assert not {game.seed for game in fixtures(pairings, 6, 2)} & {game.seed for game in games}


def test_by_default_large_boards_have_fewer_games_and_all_seatings_come_equally_often() -> None:
    for config in configs:
        count = len(list(fixtures([Pairing(config, "b", "a")], None, 0)))
        assert count == (18 if config.board in ("square8", "hex8") else 6)
        assert count % len(seatings(config.players)) == 0


def test_results_are_summed_by_config_board_and_in_all() -> None:
    square8_3p = Config("square8", 3)
    results = [
        Result(Pairing(square8_2p, "b", "a"), won, moves, 2.0)
        for won, moves in ((True, 10), (False, 20))
    ]
    results.append(Result(Pairing(square8_3p, "b", "a"), True, 30, 5.0))
    results.append(Result(Pairing(square8_2p, "c", "a"), False, 1, 0.5))
    lines = table(results)
    assert [(line.first, line.scope, line.games, line.won) for line in lines] == [
        ("b", "square8_2p", 2, 1),
        ("b", "square8_3p", 1, 1),
        ("b", "square8", 3, 2),
        ("b", "all", 3, 2),
        ("c", "square8_2p", 1, 0),
        ("c", "square8", 1, 0),
        ("c", "all", 1, 0),
    ]
    total = lines[3]
    assert (total.rate, total.moves_per_game, total.cpu_s_per_game) == (2 / 3, 20.0, 3.0)
    assert (total.low, total.high) == wilson(2, 3)


def played(won: bool) -> Callable[[Fixture], Result]:
    """Return what plays games that the first player wins, or loses."""
    return lambda fixture: Result(fixture.pairing, won, 10, 0.5)


def test_the_winner_is_whoever_holds_the_winning_seat() -> None:
    pairing = Pairing(square8_2p, "uct_30", "random")
    games = [
        league.play_fixture(Fixture(pairing, seats, bytes([number])))
        for number, seats in enumerate([("uct_30", "random"), ("random", "uct_30")] * 2)
    ]
    assert sum(game.won for game in games) >= 3
    assert all(game.moves > 20 for game in games)


def test_the_table_names_players_figures_and_intervals(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(league, "play_fixture", played(True))
    assert main(["--configs", "square8_2p", *quick]) == 0
    out, err = capsys.readouterr()
    head, *rows = out.splitlines()
    assert re.split(r"\s{2,}", head.strip()) == [
        *("greedy against random", "games", "won", "rate"),
        *("95 % interval", "moves/game", "CPU s/game"),
    ]
    assert [row.split() for row in rows] == [
        [scope, "2", "2", "100.0%", "34.2%", "-", "100.0%", "10", "0.50"]
        for scope in ("square8_2p", "square8", "all")
    ]
    assert err == ""


def test_by_default_three_players_meet_in_all_configs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(league, "play_fixture", played(False))
    assert main(["--json", "--budget", "7"]) == 0
    lines = json.loads(capsys.readouterr().out)
    pairs = {(line["first"], line["second"]) for line in lines}
    assert pairs == {("greedy", "random"), ("uct_7", "random"), ("uct_7", "greedy")}
    assert len(lines) == 3 * (12 + 4 + 1)
    assert {line["games"] for line in lines if line["scope"] == "all"} == {6 * 18 + 6 * 6}
    assert {line["won"] for line in lines} == {0}


def test_an_interrupted_league_prints_what_it_has(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    left = iter([True, False])

    def play(fixture: Fixture) -> Result:
        try:
            return Result(fixture.pairing, next(left), 10, 0.5)
        except StopIteration:
            raise KeyboardInterrupt from None

    monkeypatch.setattr(league, "play_fixture", play)
    assert main(["--configs", "square8_2p", "--json", "--players", "random,greedy"]) == 130
    out, err = capsys.readouterr()
    assert [(line["games"], line["won"]) for line in json.loads(out)] == [(2, 1)] * 3
    assert err == "stopped after 2 of 18 games\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--configs", "chess"], "--configs: no config 'chess'; expected one of square8_2p, "),
        (["--games", "0"], "--games: '0'; expected a number, 1 to 100000"),
        (["--games", "many"], "--games: 'many'; expected a number"),
        (["--budget", "-1"], "--budget: '-1'; expected a number, 1 to 999999"),
        (["--seed", "4294967296"], "--seed: '4294967296'; expected a number, 0 to 4294967295"),
        (["--processes", "0"], "--processes: '0'; expected a number, 1 to 256"),
        (["--players", "greedy,deep"], "--players: no player 'deep'; expected one of greedy, "),
        (["--players", "greedy"], "--players is 'greedy'; expected two or more, each once"),
        (["--players", "greedy,greedy"], "--players is 'greedy,greedy'; expected two or more"),
        (["--players", "uct,uct_9", "--budget", "9"], "--players is 'uct_9,uct_9'; expected two"),
    ],
)
def test_bad_usage_is_told_with_status_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_processes_play_the_same_games() -> None:
    command = [sys.executable, "-m", "ringrift.players.league", "--configs", "hex8_2p,hex8_3p"]

    def lines(*more: str) -> list[dict[str, object]]:
        out = subprocess.run([*command, *quick, "--json", *more], capture_output=True, check=True)
        found: list[dict[str, object]] = json.loads(out.stdout)
        return [{**line, "cpu_s_per_game": None} for line in found]

    assert lines() == lines("--processes", "2")
