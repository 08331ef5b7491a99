"""The league: who sits where, what the figures mean, and what the command prints."""

import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from typing import NoReturn, Self

import pytest
import trio

from p2p.identity.ids import NodeId
from ringrift import selfplay
from ringrift.players import league
from ringrift.players.fixtures import Fixture, Pairing, Result, fixtures, play_fixture, seatings
from ringrift.players.league import main
from ringrift.players.standings import Line, Standings, wilson
from ringrift.players.uct import budget_default
from ringrift.rules import Config, configs
from tests.processes import running
from tests.waiting import eventually, within_s

root = pathlib.Path(__file__).resolve().parent.parent.parent
league_command = [sys.executable, "-m", "ringrift.players.league"]
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


def test_results_are_summed_by_config_board_and_in_all_where_that_says_more() -> None:
    square8_3p = Config("square8", 3)
    results = [
        Result(Pairing(square8_2p, "b", "a"), won, moves, 2.0)
        for won, moves in ((True, 10), (False, 20))
    ]
    results.append(Result(Pairing(square8_3p, "b", "a"), True, 30, 5.0))
    results.append(Result(Pairing(hex8_3p, "b", "a"), True, 40, 3.0))
    results.append(Result(Pairing(square8_2p, "c", "a"), False, 1, 0.5))
    standings = Standings([*dict.fromkeys(result.pairing for result in reversed(results))][::-1])
    for result in results:
        standings.add(result)
    assert standings.games == 5
    lines = list(standings.lines())
    assert [(line.first, line.scope, line.games, line.won) for line in lines] == [
        ("b", "square8_2p", 2, 1),
        ("b", "square8_3p", 1, 1),
        ("b", "hex8_3p", 1, 1),
        ("b", "square8", 3, 2),
        ("b", "all", 4, 3),
        ("c", "square8_2p", 1, 0),
    ]
    total = lines[3]
    assert total.scope == "square8"
    assert (total.rate, total.moves_per_game, total.cpu_s_per_game) == (2 / 3, 20.0, 3.0)
    assert (total.low, total.high) == wilson(2, 3)


@pytest.mark.parametrize(
    ("played", "scopes"),
    [
        ([hex8_3p], ["hex8_3p"]),
        ([Config("hex8", 2), hex8_3p], ["hex8_2p", "hex8_3p", "hex8"]),
        ([square8_2p, hex8_3p], ["square8_2p", "hex8_3p", "all"]),
    ],
)
def test_no_line_says_the_same_as_another(played: list[Config], scopes: list[str]) -> None:
    pairings = [Pairing(config, "b", "a") for config in played]
    standings = Standings(pairings)
    for pairing in pairings:
        standings.add(Result(pairing, True, 10, 0.5))
    assert [line.scope for line in standings.lines()] == scopes


def played(won: bool) -> Callable[[Fixture], Result]:
    """Return what plays games that the first player wins, or loses."""
    return lambda fixture: Result(fixture.pairing, won, 10, 0.5)


def test_the_winner_is_whoever_holds_the_winning_seat() -> None:
    pairing = Pairing(square8_2p, "uct_30", "random")
    games = [
        play_fixture(Fixture(pairing, seats, bytes([number])))
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
    pair, head, *rows = out.splitlines()
    assert pair == "greedy against random"
    assert re.split(r"\s{2,}", head.strip()) == [
        *("games", "won", "rate", "95 % interval", "moves/game", "CPU s/game"),
    ]
    assert [row.split() for row in rows] == [
        ["square8_2p", "2", "2", "100.0%", "34.2%", "-", "100.0%", "10", "0.50"]
    ]
    assert err == ""


def test_the_table_fits_80_columns_at_its_widest() -> None:
    games = 12 * 100_000
    line = Line("uct_999998", "uct_999999", "hexagonal_2p", games, games, 1, 1, 1, 1e6, 99_999)
    pair, *rows = league._draw([line]).splitlines()
    assert pair == "uct_999998 against uct_999999"
    assert {len(row) for row in rows} == {79}


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


def test_the_documentation_tells_what_the_default_league_gives(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = (root / "docs" / "players.md").read_text()
    assert f"searches a tree of {budget_default} nodes" in text
    assert main(["--configs", "hex8_2p", "--players", "random,greedy", "--json"]) == 0
    line = json.loads(capsys.readouterr().out)[0]
    interval = f"{100 * line['low']:.0f} - {100 * line['high']:.0f}"
    told = f"{line['won']} of {line['games']}, {100 * line['rate']:.0f} % ({interval})"
    assert f"\n| hex8_2p | {told} | " in text


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
    assert [(line["games"], line["won"]) for line in json.loads(out)] == [(2, 1)]
    assert err == "stopped after 2 of 18 games\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--configs", "chess"], "--configs: no config 'chess'; expected one of square8_2p, "),
        (["--games", "0"], "--games: '0'; expected a number from 1 to 100000"),
        (["--games", "many"], "--games: 'many'; expected a number"),
        (["--budget", "-1"], "--budget: '-1'; expected a number from 1 to 999999"),
        (["--seed", "4294967296"], "--seed: '4294967296'; expected a number from 0 to 4294967295"),
        (["--processes", "0"], "--processes: '0'; expected a number from 1 to 256"),
        (["--players", "greedy,deep"], "--players: no player 'deep'; expected one of greedy, "),
        (["--players", "greedy"], "--players is 'greedy'; expected two or more, each once"),
        (["--players", "greedy,greedy"], "--players is 'greedy,greedy'; expected two or more"),
        (
            ["--players", "uct,uct_9", "--budget", "9"],
            "--players is 'uct,uct_9'; expected two or more, each once; uct is uct_9",
        ),
        (
            ["--players", f"uct,uct_{budget_default}"],
            f"expected two or more, each once; uct is uct_{budget_default}",
        ),
        (
            ["--players", "random,greedy", "--budget", "70"],
            "--budget is of uct; expected it among --players, which is 'random,greedy'",
        ),
        (["--configs", "all,hex8_2p"], "hexagonal_4p; or all, by itself"),
        (["--configs", "hex8_2p,hex8_2p"], "'hex8_2p,hex8_2p'; expected each config once"),
        (["--game", "6"], "unrecognized arguments: --game 6"),
    ],
)
def test_bad_usage_is_told_with_status_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--configs", "square8_2p", "--games", "1", *arguments])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_the_league_stands_below_the_worker_that_makes_records() -> None:
    loaded = "import ringrift.players.league, sys; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", loaded], capture_output=True, check=True, cwd=root)
    assert not {b"ringrift.selfplay", b"ringrift.game_record"} & set(out.stdout.split())


@pytest.mark.parametrize("players", [("greedy", "random"), ("uct_3", "greedy")])
def test_a_game_is_that_of_selfplay(players: tuple[str, ...]) -> None:
    fixture = Fixture(Pairing(square8_2p, "greedy", players[1]), players, b"seed")
    game = selfplay.play(square8_2p, players, b"seed", 0, NodeId(bytes(16)))
    result = play_fixture(fixture)
    assert result.moves == len(game.moves)
    assert result.won == (players[game.outcome.winner - 1] == "greedy")


def test_games_are_made_as_they_are_played(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def counted(*arguments: object) -> Iterator[Fixture]:
        pairing = Pairing(square8_2p, "greedy", "random")
        for number in range(30):
            made.append(number)
            yield Fixture(pairing, ("greedy", "random"), bytes([number]))

    def play(fixture: Fixture) -> Result:
        assert len(made) == fixture.seed[0] + 1
        return Result(fixture.pairing, True, 10, 0.5)

    monkeypatch.setattr(league, "fixtures", counted)
    monkeypatch.setattr(league, "play_fixture", play)
    assert main(["--configs", "square8_2p", *quick]) == 0
    assert len(made) == 30


def test_a_pool_is_fed_a_few_games_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    ahead: list[int] = []

    class Pool:
        """Plays at once what it is given."""

        def __init__(self, *arguments: object) -> None:
            assert arguments[-1] == (os.getpid(),)  # whom its processes do not outlive
            self.played = 0

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *error: object) -> None:
            ahead.append(self.played)

        def submit(self, play: Callable[[Fixture], Result], game: Fixture) -> Future[Result]:
            future: Future[Result] = Future()
            future.set_result(Result(game.pairing, True, 10, 0.5))
            self.played += 1
            ahead.append(self.played - counts[-1])
            return future

    class Counted(Standings):
        def add(self, result: Result) -> None:
            super().add(result)
            counts.append(self.games)

    counts = [0]
    monkeypatch.setattr(league, "ProcessPoolExecutor", Pool)
    monkeypatch.setattr(league, "Standings", Counted)
    games = ["--configs", "square8_2p", "--players", "random,greedy", "--games", "50"]
    assert main([*games, "--processes", "3"]) == 0
    assert ahead.pop() == counts[-1] == 50
    assert max(ahead) == 6


@contextlib.contextmanager
def endless_league() -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """Start a league whose first games never end; yield it and the two processes that play them."""
    command = [*league_command, "--configs", "hexagonal_2p", "--players", "random,uct_999999"]
    with subprocess.Popen(
        [*command, "--json", "--processes", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=root,
    ) as process:
        try:

            async def started() -> list[int]:
                playing = [pid for pid in children(process.pid) if attends(pid)]
                return playing if len(playing) == 2 else []

            yield process, trio.run(eventually, "two processes play", started)
        finally:
            process.kill()


def children(parent: int) -> list[int]:
    """Return the ids of the processes that a process started, zombies left out."""
    listed = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,stat="], capture_output=True, text=True, check=True
    )
    rows = [line.split() for line in listed.stdout.splitlines()]
    return [int(pid) for pid, ppid, state in rows if int(ppid) == parent and state[0] != "Z"]


def attends(pid: int) -> bool:
    """Return whether a process is one that plays, and knows what Ctrl-C means to it."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    (ignored,) = re.findall("^SigIgn:\\s*([0-9a-f]+)", status, re.MULTILINE)
    (caught,) = re.findall("^SigCgt:\\s*([0-9a-f]+)", status, re.MULTILINE)
    interrupt, alarm = 1 << (signal.SIGINT - 1), 1 << (signal.SIGALRM - 1)
    return bool(int(ignored, 16) & interrupt and int(caught, 16) & alarm)


def all_end(playing: list[int]) -> None:
    """Wait until these processes are gone."""

    async def gone() -> bool:
        return not set(playing) & set(running())

    trio.run(eventually, "no process outlives the league", gone)


def test_the_death_of_a_process_ends_the_league_with_one_sentence() -> None:
    with endless_league() as (process, playing):
        os.kill(playing[0], signal.SIGKILL)
        out, err = process.communicate(timeout=within_s)
        assert (process.returncode, json.loads(out)) == (1, [])
        assert err == "a process that played games has died; stopped after 0 of 6 games\n"
        all_end(playing)


def test_a_league_without_a_game_prints_no_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(fixture: Fixture) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(league, "play_fixture", interrupted)
    assert main(["--configs", "square8_2p", *quick]) == 130
    assert capsys.readouterr() == ("", "stopped after 0 of 2 games\n")


def test_what_was_played_before_a_process_died_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def play(fixture: Fixture) -> Result:
        if fixture.seed[-1] == 3:
            raise BrokenProcessPool
        return Result(fixture.pairing, True, 10, 0.5)

    monkeypatch.setattr(league, "play_fixture", play)
    assert main(["--configs", "square8_2p", "--json", "--players", "random,greedy"]) == 1
    out, err = capsys.readouterr()
    assert [line["games"] for line in json.loads(out)] == [3]
    assert err == "a process that played games has died; stopped after 3 of 18 games\n"


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_stopping_does_not_wait_for_the_games_under_way(stop: signal.Signals) -> None:
    with endless_league() as (process, playing):
        process.send_signal(stop)
        out, err = process.communicate(timeout=within_s)
        assert (process.returncode, json.loads(out)) == (130, [])
        assert err == "stopped after 0 of 6 games\n"
        all_end(playing)


def test_processes_do_not_outlive_a_league_that_was_killed() -> None:
    with endless_league() as (process, playing):
        process.kill()
        process.wait(within_s)
        all_end(playing)


def test_a_reader_that_has_gone_ends_it_quietly() -> None:
    with subprocess.Popen(
        [*league_command, "--configs", "square8_2p", *quick],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=root,
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
        assert process.wait(within_s) == 3


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_results_that_cannot_be_written_are_told_with_status_3(form: list[str]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*league_command, "--configs", "square8_2p", *quick, *form],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            cwd=root,
        )
    told = "ringrift.players.league: cannot write the output: No space left on device\n"
    assert (done.returncode, done.stderr) == (3, told)


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_help_that_cannot_be_written_is_told_with_status_3(unbuffered: str) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*league_command, "--help"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            cwd=root,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
        )
    told = "ringrift.players.league: cannot write the output: No space left on device\n"
    assert (done.returncode, done.stderr) == (3, told)


@pytest.mark.parametrize("error", [OSError("of a game"), BrokenPipeError("of a game")])
def test_an_error_of_a_game_is_not_taken_for_one_of_the_output(
    error: OSError, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Fixture) -> NoReturn:
        raise error

    monkeypatch.setattr(league, "play_fixture", fail)
    with pytest.raises(OSError, match="of a game"):
        main(["--configs", "square8_2p", *quick])


def without(descriptor: int, *more: str) -> subprocess.CompletedProcess[str]:
    """Hold a league that was started without one of its standard streams."""
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {descriptor}>&-', "sh", *league_command, *quick, *more],
        capture_output=True,
        text=True,
        timeout=within_s,
        check=False,
        cwd=root,
    )


def test_without_a_stdout_no_game_is_played() -> None:
    done = without(1, "--games", "100000")
    told = "ringrift.players.league: cannot write the output: stdout is closed\n"
    assert (done.returncode, done.stderr) == (3, told)


def test_without_a_stderr_the_results_are_printed_all_the_same() -> None:
    done = without(2, "--configs", "square8_2p")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "greedy against random")


def test_results_for_a_program_are_set_out_as_by_every_other_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(league, "play_fixture", played(True))
    assert main(["--configs", "square8_2p", *quick, "--json"]) == 0
    out = capsys.readouterr().out
    assert out == json.dumps(json.loads(out), indent=2) + "\n"


def test_a_process_whose_parent_died_before_it_looked_ends_itself() -> None:
    orphan = "import signal; from ringrift.players.league import _attend; _attend(0)"
    done = subprocess.run(
        [sys.executable, "-c", f"{orphan}; signal.pause()"],
        stderr=subprocess.PIPE,
        timeout=within_s,
        check=False,
        cwd=root,
    )
    assert (done.returncode, done.stderr) == (1, b"")


def test_processes_play_the_same_games() -> None:
    command = [*league_command, "--configs", "hex8_2p,hex8_3p"]

    def lines(*more: str) -> list[dict[str, object]]:
        out = subprocess.run(
            [*command, *quick, "--json", *more], capture_output=True, check=True, cwd=root
        )
        found: list[dict[str, object]] = json.loads(out.stdout)
        return [{**line, "cpu_s_per_game": None} for line in found]

    assert lines() == lines("--processes", "2")
