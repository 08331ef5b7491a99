"""The games of a league: who meets whom, and who takes which seat.

Each seat of a game is taken by one of two players, so that more than two seats make two teams that
do not know of each other; the game's one winner decides. All the seatings that `seatings` lists
take turns. Each comes with the opposite one, so that equal players would win one half of the games,
however many seats there are and whatever a seat is worth.
"""

import dataclasses
import itertools
import time
from collections.abc import Iterator, Sequence

from ringrift.players.match import play
from ringrift.rules import Config

games_default = {"square8": 18, "square19": 6, "hex8": 18, "hexagonal": 6}
"""For each pair and config. Multiples of the number of seatings, so that none comes more often."""


@dataclasses.dataclass(frozen=True, slots=True)
class Pairing:
    """Two players in one config; results are the first's."""

    config: Config
    first: str
    second: str

    def games(self, wanted: int | None) -> int:
        """Return how many games the two play: as many as wanted, or their board's default."""
        return wanted or games_default[self.config.board]


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


def fixtures(pairings: Sequence[Pairing], wanted: int | None, seed: int) -> Iterator[Fixture]:
    """Yield all games to play, the first of every pairing before the second of any."""
    for number in range(max(pairing.games(wanted) for pairing in pairings)):
        for pairing in pairings:
            if number < pairing.games(wanted):
                order = seatings(pairing.config.players)
                seating = order[number % len(order)]
                seats = tuple(pairing.first if first else pairing.second for first in seating)
                yield Fixture(pairing, seats, seed.to_bytes(4, "big") + number.to_bytes(4, "big"))


def play_fixture(fixture: Fixture) -> Result:
    """Play a game."""
    started_s = time.process_time()
    moves, outcome = play(fixture.pairing.config, fixture.seats, fixture.seed)
    cpu_s = time.process_time() - started_s
    winner = fixture.seats[outcome.winner - 1]
    return Result(fixture.pairing, winner == fixture.pairing.first, len(moves), cpu_s)
