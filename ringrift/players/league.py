"""`python -m ringrift.players.league`: which player beats which, and by how much.

Every two players meet in every config, as `ringrift.players.fixtures` says. A game's moves are
those of `ringrift.selfplay` with the same config, players and seed.
"""

import argparse
import contextlib
import dataclasses
import itertools
import json
import multiprocessing
import os
import signal
import sys
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool

from ringrift.arguments import Parser, integer
from ringrift.players import UnknownPlayer, make_player, player_names
from ringrift.players.fixtures import (
    Fixture,
    Pairing,
    Result,
    fixtures,
    games_default,
    play_fixture,
)
from ringrift.players.standings import Line, Standings
from ringrift.players.uct import budget_default, budget_max
from ringrift.printable import quoted
from ringrift.rules import Config, configs
from ringrift.streams import give_up_stdout, need_stdout, speak_to_nobody

_games_max, _processes_max, _seed_max = 100_000, 256, 2**32 - 1
_program = "ringrift.players.league"
_failed, _unwritten, _interrupted = 1, 3, 130
_attention_s = 1.0
"""How often a process looks whether its parent is still there."""

_more = """\
Intervals are of 95 %. Equal players would win 50 %, with three and four seats too.

exit status: 0 if every game was played, 1 if a process that played has died, 2 if the command is
wrong, 3 if the results could not be written, 130 if it was stopped

example:
  python -m ringrift.players.league --configs hex8_2p,hex8_3p \\
    --players greedy,uct_100,uct_400 --games 60
"""


def _configs(text: str) -> tuple[Config, ...]:
    if text == "all":
        return configs
    try:
        named = tuple(Config.parse(name) for name in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}; or all, by itself") from None
    if len(set(named)) < len(named):
        raise argparse.ArgumentTypeError(f"{quoted(text)}; expected each config once")
    return named


def _players(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    try:
        for name in names:
            make_player(name)
    except UnknownPlayer as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return names


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog=_program,
        description="Let every two players meet in every config, and print who won how often.",
        epilog=_more,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--configs", type=_configs, default=configs, metavar="A,B", help="or all (default)")
    add(
        "--players",
        type=_players,
        default=("random", "greedy", "uct"),
        metavar="A,B",
        help=f"two or more of {', '.join(player_names)} and uct_N, for a budget of N; "
        "of a pair, the second named is reported (default: random,greedy,uct)",
    )
    defaults = ", ".join(f"{games} on {board}" for board, games in games_default.items())
    add(
        "--games",
        type=integer(1, _games_max),
        metavar="N",
        help=f"for each pair and config (default: {defaults}); a multiple of 6 gives every seating "
        "its turn equally often",
    )
    add(
        "--budget",
        type=integer(1, budget_max),
        metavar="N",
        help=f"of the player uct (default: {budget_default}); results name it uct_N",
    )
    add("--seed", type=integer(0, _seed_max), default=0, metavar="N", help="default: 0")
    add("--processes", type=integer(1, _processes_max), default=1, metavar="N", help="default: 1")
    add("--json", action="store_true", help="print data for a program to read")
    arguments = parser.parse_args(words)
    named = ",".join(arguments.players)
    if arguments.budget and "uct" not in arguments.players:
        parser.error(f"--budget is of uct; expected it among --players, which is {quoted(named)}")
    searcher = f"uct_{arguments.budget or budget_default}"
    distinct = tuple(searcher if name == "uct" else name for name in arguments.players)
    if len(set(distinct)) < max(2, len(distinct)):
        same = f"; uct is {searcher}" if "uct" in arguments.players else ""
        parser.error(f"--players is {quoted(named)}; expected two or more, each once{same}")
    if arguments.budget:
        arguments.players = distinct
    return arguments


def _attend(parent: int) -> None:
    """Make this process one of the pool: Ctrl-C is for its parent alone, whom it does not outlive.

    Without the second it would wait for games for ever after a parent that was killed. `parent` is
    told, not asked for here: it may have died already.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, lambda *_: None if os.getppid() == parent else os._exit(_failed))
    signal.setitimer(signal.ITIMER_REAL, _attention_s, _attention_s)


def _played(games: Iterator[Fixture], processes: int) -> Generator[Result, None, None]:
    """Play games, several at a time if asked, and yield each as it ends.

    Raises `BrokenProcessPool` when a process dies.
    """
    if processes == 1:
        yield from map(play_fixture, games)
        return
    spawn = multiprocessing.get_context("spawn")  # forked ones would share the parent's state
    with ProcessPoolExecutor(processes, spawn, _attend, (os.getpid(),)) as pool:
        try:
            # Twice as many, so that no process waits for the next game.
            first = itertools.islice(games, 2 * processes)
            open_games = {pool.submit(play_fixture, game) for game in first}
            while open_games:
                done, open_games = wait(open_games, return_when=FIRST_COMPLETED)
                for game in done:
                    yield game.result()
                following = itertools.islice(games, len(done))
                open_games |= {pool.submit(play_fixture, game) for game in following}
        finally:
            # Else the pool would wait for the games under way, which nobody does any more.
            for process in multiprocessing.active_children():
                process.terminate()


def _play_all(games: Iterator[Fixture], count: int, processes: int, standings: Standings) -> int:
    """Play and add up all the games, or those before something stops it; return the exit status."""
    shows = sys.stderr.isatty()
    why, status = "", 0
    try:
        with contextlib.closing(_played(games, processes)) as played:
            for result in played:
                standings.add(result)
                if shows:
                    print(f"\r{standings.games} of {count} games", end="", file=sys.stderr)
    except KeyboardInterrupt:
        why, status = "stopped", _interrupted
    except BrokenProcessPool:
        why, status = "a process that played games has died; stopped", _failed
    if shows:
        print(file=sys.stderr)
    if status:
        print(f"{why} after {standings.games} of {count} games", file=sys.stderr)
    return status


def _draw(lines: Iterable[Line]) -> str:
    """Return lines as text of at most 79 columns, a paragraph for each pair."""
    paragraphs = []
    for (first, second), group in itertools.groupby(lines, lambda line: (line.first, line.second)):
        rows = [
            f"{first} against {second}",
            f"{'':15}  games     won    rate    95 % interval  moves/game  CPU s/game",
        ]
        for line in group:
            rate = f"{line.rate:6.1%}  {line.low:6.1%} - {line.high:6.1%}"
            cost = f"{line.moves_per_game:10.0f}  {line.cpu_s_per_game:10.2f}"
            rows.append(f"  {line.scope:12} {line.games:7} {line.won:7}  {rate}  {cost}")
        paragraphs.append("\n".join(rows))
    return "\n\n".join(paragraphs)


def main(words: Sequence[str] | None = None) -> int:
    """Hold a league and return its exit status."""
    speak_to_nobody()
    try:
        arguments = _arguments(words)
        need_stdout()  # before hours of games
    except OSError as error:
        return _give_up(error)
    pairings = [
        Pairing(config, first, second)
        for second, first in itertools.combinations(arguments.players, 2)
        for config in arguments.configs
    ]
    games = fixtures(pairings, arguments.games, arguments.seed)
    count = sum(pairing.games(arguments.games) for pairing in pairings)
    standings = Standings(pairings)
    status = _play_all(games, count, arguments.processes, standings)
    lines = list(standings.lines())
    try:
        if arguments.json:
            print(json.dumps([dataclasses.asdict(line) for line in lines], indent=2), flush=True)
        elif lines:
            print(_draw(lines), flush=True)
    except OSError as error:
        return _give_up(error)
    return status


def _give_up(error: OSError) -> int:
    give_up_stdout(error, f"{_program}: cannot write the output")
    return _unwritten


if __name__ == "__main__":
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, signal.default_int_handler)  # in the background too
    sys.exit(main())
