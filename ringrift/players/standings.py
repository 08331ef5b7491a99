"""The standings of a league: who won how often, and what that says of the true rate."""

import dataclasses
import math
from collections.abc import Iterator, Sequence

from ringrift.players.fixtures import Pairing, Result, games_default
from ringrift.rules import configs

_z = 1.959964
"""Within so many standard deviations lie 95 % of a normal distribution."""
_scopes = [*(config.name for config in configs), *games_default, "all"]


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


@dataclasses.dataclass(slots=True)
class _Sum:
    games: int = 0
    won: int = 0
    moves: int = 0
    cpu_s: float = 0.0
    parts: set[str] = dataclasses.field(default_factory=set)
    """The config itself, the configs of the board, or the boards of all."""

    def add(self, result: Result, part: str) -> None:
        self.parts.add(part)
        self.games += 1
        self.won += result.won
        self.moves += result.moves
        self.cpu_s += result.cpu_s


class Standings:
    """Sums of results, by pair of players and scope; pairs in the order of the pairings."""

    def __init__(self, pairings: Sequence[Pairing]) -> None:
        self.games = 0
        """All that were added."""
        self._sums = {
            (pairing.first, pairing.second, scope): _Sum()
            for pairing in pairings
            for scope in _scopes
        }

    def add(self, result: Result) -> None:
        """Count a game of one of the pairings: in its config, on its board, and in all."""
        self.games += 1
        pairing, config = result.pairing, result.pairing.config
        of = {config.name: config.name, config.board: config.name, "all": config.board}
        for scope, part in of.items():
            self._sums[pairing.first, pairing.second, scope].add(result, part)

    def lines(self) -> Iterator[Line]:
        """Yield, for each pair, what was played: by config, then by board, then in all.

        A board of which one config was played, or all of one board, would only say that again.
        """
        for (first, second, scope), total in self._sums.items():
            if len(total.parts) > 1 or scope in total.parts:
                yield _line(first, second, scope, total)


def wilson(won: int, games: int) -> tuple[float, float]:
    """Return the 95 % interval of a rate of which `won` of `games` was seen.

    Wilson's score interval ("Probable Inference, the Law of Succession, and Statistical Inference",
    1927), which holds for few games and for rates near 0 and 1 too.
    """
    rate, spread = won / games, _z * _z / games
    middle = (rate + spread / 2) / (1 + spread)
    half = math.sqrt(rate * (1 - rate) * spread + spread * spread / 4) / (1 + spread)
    return middle - half, middle + half


def _line(first: str, second: str, scope: str, total: _Sum) -> Line:
    low, high = wilson(total.won, total.games)
    return Line(
        first=first,
        second=second,
        scope=scope,
        games=total.games,
        won=total.won,
        rate=total.won / total.games,
        low=low,
        high=high,
        moves_per_game=total.moves / total.games,
        cpu_s_per_game=total.cpu_s / total.games,
    )
