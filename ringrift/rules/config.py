"""What a game is played with: board and number of players, the rules' switches, and the numbers
that follow from them (sections 1, 4 and 18 of the rules)."""

import dataclasses
import enum
import functools
from typing import TypeGuard

from ringrift.rules.errors import NotationError, shown
from ringrift.rules.geometry import Board, board, board_names
from ringrift.rules.zobrist import ZobristTable, zobrist

players_max = 4
_number_max = 1000

_rings = {"square8": 18, "square19": 72, "hex8": 18, "hexagonal": 96}
_short_line_boards = ("square8", "hex8")


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _wrong(name: str, value: object, expected: str) -> ValueError:
    return ValueError(f"{name} is {shown(value)}; expected {expected}")


@dataclasses.dataclass(frozen=True, slots=True)
class Config:
    """A board and a number of players, such as `square8_2p`. There are twelve."""

    board: str
    players: int

    def __post_init__(self) -> None:
        """Raise `ValueError` unless this is one of the twelve."""
        if not isinstance(self.board, str) or self.board not in board_names:
            raise _wrong("board", self.board, f"one of {', '.join(board_names)}")
        if not _is_whole(self.players) or not 2 <= self.players <= players_max:
            raise _wrong("players", self.players, f"2 to {players_max}")

    @classmethod
    def parse(cls, name: str) -> "Config":
        """Return the config of this name. Raises `NotationError` naming the twelve otherwise."""
        if not isinstance(name, str) or name not in _by_name:
            raise NotationError(f"no config {shown(name)}; expected one of {', '.join(_by_name)}")
        return _by_name[name]

    @property
    def name(self) -> str:
        """The config's name in records and on the command line."""
        return f"{self.board}_{self.players}p"

    @property
    def rings(self) -> int:
        """Rings that each player starts with."""
        return _rings[self.board]


_by_name = {
    config.name: config
    for config in (Config(b, n) for b in board_names for n in range(2, players_max + 1))
}
configs = tuple(_by_name.values())
"""All twelve, in a fixed order."""


class EndTest(enum.Enum):
    """When elimination, territory, sole owner and standstill are looked for (AMB-07)."""

    EACH_MOVE = "each_move"
    TURN_END = "turn_end"


@dataclasses.dataclass(frozen=True, slots=True)
class RuleSet:
    """The switches that the rules leave to the host. Records are played by the defaults."""

    end_test: EndTest = EndTest.EACH_MOVE
    sole_owner_wins: bool = True
    """Whether the only player left with rings wins at once (AMB-08)."""
    swap: bool = False
    """Whether the second of two players may swap sides on their first turn (section 13)."""
    lps_rounds: int = 3
    """Rounds without another player's real action after which the last one standing wins."""
    line_length: int | None = None
    """In place of the config's own: older fixtures have another."""
    elimination_threshold: int | None = None
    """In place of the config's own: older fixtures have another (AMB-21)."""

    def __post_init__(self) -> None:
        """Raise `ValueError` naming a field that makes no game."""
        if not isinstance(self.end_test, EndTest):
            raise _wrong("end_test", self.end_test, "an EndTest")
        for name, value in (("sole_owner_wins", self.sole_owner_wins), ("swap", self.swap)):
            if not isinstance(value, bool):
                raise _wrong(name, value, "True or False")
        for name, number, least in (
            ("lps_rounds", self.lps_rounds, 1),
            ("line_length", self.line_length, 2),
            ("elimination_threshold", self.elimination_threshold, 1),
        ):
            own = number is None and name != "lps_rounds"
            if not own and not (_is_whole(number) and least <= number <= _number_max):
                raise _wrong(name, number, f"a number from {least} to {_number_max}")


@dataclasses.dataclass(frozen=True, slots=True)
class Variant:
    """A config under a rule set, with every number and table looked up."""

    config: Config
    rules: RuleSet
    board: Board = dataclasses.field(compare=False)
    zobrist: ZobristTable = dataclasses.field(compare=False, repr=False)
    seats: tuple[int, ...] = dataclasses.field(compare=False)
    rings: int = dataclasses.field(compare=False)
    line_length: int = dataclasses.field(compare=False)
    elimination_threshold: int = dataclasses.field(compare=False)
    territory_minimum: int = dataclasses.field(compare=False)
    ends_within_turns: bool = dataclasses.field(compare=False)


@functools.lru_cache(maxsize=256)
def variant(config: Config, rules: RuleSet) -> Variant:
    """Return the variant of this config and rule set."""
    short = config.board in _short_line_boards and config.players > 2
    geometry = board(config.board)
    return Variant(
        config=config,
        rules=rules,
        board=geometry,
        zobrist=zobrist(config.board),
        seats=tuple(range(1, config.players + 1)),
        rings=config.rings,
        line_length=rules.line_length or (3 if short else 4),
        elimination_threshold=rules.elimination_threshold
        or config.rings * (config.players + 1) // 3,
        territory_minimum=len(geometry.cells) // config.players + 1,
        ends_within_turns=rules.end_test is EndTest.EACH_MOVE,
    )
