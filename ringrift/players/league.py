"""`python -m ringrift.players.league`: which player beats which, and by how much.

Every two players meet in every config. Each seat of a game is taken by one or the other, so that
more than two seats make two teams that do not know of each other; the game's one winner decides.
All the seatings that `seatings` lists take turns. Each comes with the opposite one, so that equal
players would win one half of the games, however many seats there are and whatever a seat is worth.
A game's moves are those of `ringrift.selfplay` with the same config, players and seed.
"""

import argparse
import contextlib
import dataclasses
import itertools
import json
import math
import multiprocessing
import re
import signal
import sys
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

from p2p.identity.ids import NodeId
from ringrift.players import UnknownPlayer, make_player, player_names
from ringrift.players.uct import budget_default, budget_max
from ringrift.rules import Config, configs
from ringrift.selfplay import play

_games_default = {"square8": 18, "square19": 6, "hex8": 18, "hexagonal": 6}
"""For each pair and config. Multiples of the number of seatings, so that none comes more often."""
_z = 1.959964
"""Within so many standard deviations lie 95 % of a normal distribution."""
_scopes = [*(config.name for config in configs), *_games_default, "all"]
_games_max, _processes_max, _seed_max = 100_000, 256, 2**32 - 1
_interrupted = 130


@dataclasses.dataclass(frozen=True, slots=True)
class Pairing:
    """Two players in one config; results are the first's."""

    config: Config
    first: str
    second: str


@dataclasses.dataclass(frozen=True, slots=True)
class Fixture:
    """A game to play: who takes which seat, seat 1 first, and the seed."""

    pairing: Pairing
    seats: tuple[str, ...]
    seed: bytes


@dataclasses.dataclass(frozen=True, slots=True)
class Result:
    """A game played."""

    pairing: Pairing
    won: bool
    """Whether the winner is of the pairing's first kind."""
    moves: int
    cpu_s: float


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    """What two players have done to each other in a config, on a board, or in all."""

    first: str
    second: str
    scope: str
    """A config, a board, or `all`."""
    games: int
    won: int
    """By the first player, as are the rate and the interval that it lies in with 95 %."""
    rate: float
    low: float
    high: float
    moves_per_game: float
    cpu_s_per_game: float


def wilson(won: int, games: int) -> tuple[float, float]:
    """Return the 95 % interval of a rate of which `won` of `games` was seen.

    Wilson's score interval ("Probable Inference, the Law of Succession, and Statistical Inference",
    1927), which holds for few games and for rates near 0 and 1 too.
    """
    rate, spread = won / games, _z * _z / games
    middle = (rate + spread / 2) / (1 + spread)
    half = math.sqrt(rate * (1 - rate) * spread + spread * spread / 4) / (1 + spread)
    return middle - half, middle + half


def seatings(players: int) -> tuple[tuple[bool, ...], ...]:
    """Return which seats the first of two players takes, in each seating.

    They are shared out evenly or, if their number is odd, with one more for either: 2 seatings of
    2 players, 6 of 3, and 6 of 4. A seating and its opposite follow one another.
    """
    found: dict[tuple[bool, ...], None] = {}
    for chosen in itertools.combinations(range(players), players // 2):
        seating = tuple(seat in chosen for seat in range(players))
        found[seating] = None
        found[tuple(not first for first in seating)] = None
    return tuple(found)


def fixtures(pairings: Sequence[Pairing], games: int | None, seed: int) -> Iterator[Fixture]:
    """Yield all games to play, the first of every pairing before the second of any."""
    wanted = {pairing: games or _games_default[pairing.config.board] for pairing in pairings}
    for number in range(max(wanted.values())):
        for pairing in pairings:
            if number < wanted[pairing]:
                order = seatings(pairing.config.players)
                seating = order[number % len(order)]
                seats = tuple(pairing.first if first else pairing.second for first in seating)
                yield Fixture(pairing, seats, seed.to_bytes(4, "big") + number.to_bytes(4, "big"))


def play_fixture(fixture: Fixture) -> Result:
    """Play a game."""
    started_s = time.process_time()
    game = play(fixture.pairing.config, fixture.seats, fixture.seed, 0, NodeId(bytes(16)))
    cpu_s = time.process_time() - started_s
    winner = fixture.seats[game.outcome.winner - 1]
    return Result(fixture.pairing, winner == fixture.pairing.first, len(game.moves), cpu_s)


def table(results: Iterable[Result]) -> list[Line]:
    """Sum results up: for each pair of players by config, then by board, then in all."""
    sums: dict[tuple[str, str], dict[str, list[Result]]] = {}
    for result in results:
        pairing = result.pairing
        by_scope = sums.setdefault((pairing.first, pairing.second), {})
        for scope in (pairing.config.name, pairing.config.board, "all"):
            by_scope.setdefault(scope, []).append(result)
    return [
        _line(*pair, scope, sums[pair][scope])
        for pair in sums
        for scope in _scopes
        if scope in sums[pair]
    ]


def _line(first: str, second: str, scope: str, results: Sequence[Result]) -> Line:
    games, won = len(results), sum(result.won for result in results)
    low, high = wilson(won, games)
    return Line(
        first=first,
        second=second,
        scope=scope,
        games=games,
        won=won,
        rate=won / games,
        low=low,
        high=high,
        moves_per_game=sum(result.moves for result in results) / games,
        cpu_s_per_game=sum(result.cpu_s for result in results) / games,
    )


def _draw(lines: Sequence[Line]) -> str:
    """Return lines as text, a paragraph for each pair."""
    paragraphs = []
    for (first, second), group in itertools.groupby(lines, lambda line: (line.first, line.second)):
        head = f"{first} against {second}"
        rows = [f"{head:32} games    won   rate   95 % interval  moves/game  CPU s/game"]
        for line in group:
            rate = f"{line.rate:6.1%}  {line.low:6.1%} - {line.high:6.1%}"
            cost = f"{line.moves_per_game:10.0f}  {line.cpu_s_per_game:10.2f}"
            rows.append(f"  {line.scope:30} {line.games:5}  {line.won:5}  {rate}  {cost}")
        paragraphs.append("\n".join(rows))
    return "\n\n".join(paragraphs)


def _played(games: Sequence[Fixture], processes: int) -> Generator[Result, None, None]:
    """Play games, several at a time if asked, and yield each as it ends."""
    if processes == 1:
        yield from map(play_fixture, games)
        return
    # Forked processes would share the parent's state; and Ctrl-C is for the parent alone.
    ignore = (signal.SIGINT, signal.SIG_IGN)
    with multiprocessing.get_context("spawn").Pool(processes, signal.signal, ignore) as pool:
        yield from pool.imap_unordered(play_fixture, games)


def _integer(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch("[0-9]{1,10}", text) or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text!r:.80}; expected a number, {low} to {high}")
        return int(text)

    return parse


def _configs(text: str) -> tuple[Config, ...]:
    if text == "all":
        return configs
    try:
        return tuple(dict.fromkeys(Config.parse(name) for name in text.split(",")))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _players(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    try:
        for name in names:
            make_player(name)
    except UnknownPlayer as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return names


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="ringrift.players.league",
        description="Let every two players meet in every config, and print who won how often, with "
        "95 % intervals. Equal players would win 50 %, with three and four seats too.",
        epilog="Example: python -m ringrift.players.league --configs hex8_2p,hex8_3p "
        "--players greedy,uct_100,uct_400 --games 60",
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
    defaults = ", ".join(f"{games} on {board}" for board, games in _games_default.items())
    add(
        "--games",
        type=_integer(1, _games_max),
        metavar="N",
        help=f"for each pair and config (default: {defaults}); a multiple of 6 gives every seating "
        "its turn equally often",
    )
    add(
        "--budget",
        type=_integer(1, budget_max),
        metavar="N",
        help=f"of the player uct (default: {budget_default}); results name it uct_N",
    )
    add("--seed", type=_integer(0, _seed_max), default=0, metavar="N", help="default: 0")
    add("--processes", type=_integer(1, _processes_max), default=1, metavar="N", help="default: 1")
    add("--json", action="store_true", help="print data for a program to read")
    arguments = parser.parse_args(words)
    if arguments.budget:
        searcher = f"uct_{arguments.budget}"
        arguments.players = tuple(searcher if name == "uct" else name for name in arguments.players)
    if len(set(arguments.players)) < max(2, len(arguments.players)):
        named = ",".join(arguments.players)
        parser.error(f"--players is {named!r:.80}; expected two or more, each once")
    return arguments


def _play_all(games: Sequence[Fixture], processes: int) -> tuple[list[Result], bool]:
    """Return the results, and whether all games were played: Ctrl-C keeps what there is."""
    results: list[Result] = []
    shows = sys.stderr.isatty()
    try:
        with contextlib.closing(_played(games, processes)) as played:
            for result in played:
                results.append(result)
                if shows:
                    print(f"\r{len(results)} of {len(games)} games", end="", file=sys.stderr)
    except KeyboardInterrupt:
        return results, False
    finally:
        if shows:
            print(file=sys.stderr)
    return results, True


def main(words: Sequence[str] | None = None) -> int:
    """Hold a league and return its exit status."""
    arguments = _arguments(words)
    pairings = [
        Pairing(config, first, second)
        for second, first in itertools.combinations(arguments.players, 2)
        for config in arguments.configs
    ]
    games = list(fixtures(pairings, arguments.games, arguments.seed))
    results, complete = _play_all(games, arguments.processes)
    order = {pairing: place for place, pairing in enumerate(pairings)}
    lines = table(sorted(results, key=lambda result: order[result.pairing]))
    print(
        json.dumps([dataclasses.asdict(line) for line in lines]) if arguments.json else _draw(lines)
    )
    if not complete:
        print(f"stopped after {len(results)} of {len(games)} games", file=sys.stderr)
        return _interrupted
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` is no fault
    sys.exit(main())
