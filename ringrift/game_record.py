"""The record kind `game`: one finished game, in a form that replays to its result.

Format 1. The envelope holds config, start time and producer; the body is the map `_Body` below.
Moves are stored column by column: `type` has one byte for every move, and `from`, `target`, `to`
and `extra` have an entry for those moves alone whose type uses the field (`fields_of` in
`ringrift.rules.moves`).
A cell is its index among the board's cells in ascending order of (x, y): one byte, or two,
big-endian, on boards of more than 256 cells. `extra` is one byte. Games are played by the default
`RuleSet`.
"""

import dataclasses
import functools
import itertools
import struct
from collections.abc import Iterator, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from p2p.envelope import Record, RecordRefused, make_record, parse_record
from p2p.identity.ids import NodeId
from p2p.kinds import Kind
from ringrift.rules import (
    Config,
    IllegalMove,
    Move,
    MoveType,
    Outcome,
    Reason,
    State,
    apply,
    engine_version,
    initial_state,
    outcome,
)
from ringrift.rules.geometry import board
from ringrift.rules.moves import fields_of, no_cell

kind_name = "game"
format_version = 1

moves_max = 65_536
"""No legal game comes near. In every round of turns the sum of markers, collapsed cells and
eliminated rings grows, or cells collapse, and on the largest board neither can pass about 1,300.
"""

seed_bytes_max = 32


class ReplayFailed(ValueError):
    """A game whose moves do not lead, by the rules, to the result that it claims."""


@dataclasses.dataclass(frozen=True, slots=True)
class Game:
    """A finished game."""

    config: Config
    players: tuple[str, ...]
    """The kind of player in each seat, seat 1 first."""
    seed: bytes
    """What the players' choices were drawn from: 1 to 32 bytes."""
    moves: tuple[Move, ...]
    outcome: Outcome
    time_ms: int
    """When it began, by the mesh's clock, in milliseconds since 1970-01-01 UTC."""
    producer: NodeId
    engine: int = engine_version


class _Columns(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    type: Annotated[bytes, Meta(min_length=1, max_length=moves_max)]
    origin: bytes = msgspec.field(name="from")
    target: bytes
    to: bytes
    extra: bytes


class _Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    engine: Annotated[int, Meta(ge=1, le=65535)]
    players: list[Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,31}\Z")]]
    seed: Annotated[bytes, Meta(min_length=1, max_length=seed_bytes_max)]
    moves: _Columns
    winner: int
    ranking: bytes
    """Each seat's rank."""
    reason: Reason


def encode_game(game: Game) -> bytes:
    """Return the record of a game. Raises `RecordRefused` if a reader would."""
    body = _Body(
        engine=game.engine,
        players=list(game.players),
        seed=game.seed,
        moves=_encode_moves(game.config, game.moves),
        winner=game.outcome.winner,
        ranking=bytes(game.outcome.ranking),
        reason=game.outcome.reason,
    )
    data = make_record(
        kind_name,
        format_version,
        game.config.name,
        game.time_ms,
        game.producer,
        msgspec.to_builtins(body, builtin_types=(bytes,)),
    )
    check_game(parse_record(data))
    return data


def decode_game(record: Record) -> Game:
    """Return the game of a record. Raises `RecordRefused` naming what is wrong with it."""
    config, body = _read(record)
    return Game(
        config=config,
        players=tuple(body.players),
        seed=body.seed,
        moves=tuple(_decode_moves(config, body.moves)),
        outcome=Outcome(body.winner, body.reason, tuple(body.ranking)),
        time_ms=record.time_ms,
        producer=record.producer,
        engine=body.engine,
    )


def check_game(record: Record) -> None:
    """Raise `RecordRefused` unless the record has the shape of a game.

    Quick, as it runs for every record received: whether the moves are legal is for `replay`.
    """
    _read(record)


GAME = Kind(kind_name, format_version, check_game)


def replay(game: Game) -> State:
    """Play a game again and return its last state. Raises `ReplayFailed` where it cannot be."""
    if game.engine != engine_version:
        raise ReplayFailed(f"played by engine version {game.engine}; this is {engine_version}")
    state = initial_state(game.config)
    for number, move in enumerate(game.moves):
        try:
            state = apply(state, move)
        except IllegalMove as error:
            raise ReplayFailed(f"move {number}: {error}") from None
    if outcome(state) != game.outcome:
        raise ReplayFailed(f"the moves lead to {outcome(state)}; the record says {game.outcome}")
    return state


def _read(record: Record) -> tuple[Config, _Body]:
    """Return a record's config and body, checked. Raises `RecordRefused`."""
    if (record.kind, record.format) != (kind_name, format_version):
        raise RecordRefused(
            f"{record.kind} format {record.format}; expected {kind_name} format {format_version}"
        )
    try:
        config = Config.parse(record.config)
        body = msgspec.convert(record.body, type=_Body)
    except ValueError as error:  # msgspec's own is one
        raise RecordRefused(f"{error!s:.200}") from None
    if len(body.players) != config.players:
        raise RecordRefused(f"{len(body.players)} players in a game of {config.name}")
    _check_result(config, body)
    _check_moves(config, body.moves)
    return config, body


# The result


def _rankings(players: int) -> frozenset[bytes]:
    """Return every ranking with one winner in which equals share the best rank that is left."""
    return frozenset(
        bytes(ranks)
        for ranks in itertools.product(range(1, players + 1), repeat=players)
        if ranks.count(1) == 1
        and all(rank == 1 + sum(other < rank for other in ranks) for rank in ranks)
    )


_rankings_by_players = {players: _rankings(players) for players in (2, 3, 4)}


def _check_result(config: Config, body: _Body) -> None:
    if body.ranking not in _rankings_by_players[config.players]:
        ranks = list(body.ranking[: config.players + 1])
        raise RecordRefused(f"ranking {ranks} is none of {config.players} players")
    if not 1 <= body.winner <= config.players or body.ranking[body.winner - 1] != 1:
        raise RecordRefused(f"winner {body.winner} is not first in the ranking")


# The moves

_cell_columns = {"from": "origin", "target": "target", "to": "to"}
"""The columns of cells by their names in records, and the fields of moves that they hold."""

_codes = bytes(MoveType)
_codes_without = {
    field: bytes(kind for kind, fields in fields_of.items() if field not in fields)
    for field in ("origin", "target", "to", "extra")
}
_octets = bytes(range(256))
_extras = _octets[:5]


@functools.cache
def _cell_numbers(board_name: str) -> dict[int, int]:
    """Return the number in records of each cell of a board."""
    return {cell: number for number, cell in enumerate(board(board_name).cells)}


def _cell_bytes(cells: int) -> int:
    """Return the size of a cell's number on a board of so many."""
    return 1 if cells <= len(_octets) else 2


def _encode_moves(config: Config, moves: tuple[Move, ...]) -> _Columns:
    numbers = _cell_numbers(config.board)
    size = _cell_bytes(len(numbers))
    origin, target, to = (
        b"".join(
            numbers[getattr(move, field)].to_bytes(size, "big")
            for move in moves
            if field in fields_of[move.type]
        )
        for field in _cell_columns.values()
    )
    return _Columns(
        type=bytes(move.type for move in moves),
        origin=origin,
        target=target,
        to=to,
        extra=bytes(move.extra for move in moves if "extra" in fields_of[move.type]),
    )


def _check_moves(config: Config, columns: _Columns) -> None:
    """Check the columns' lengths and values, without a look at single moves."""
    if unknown := columns.type.translate(None, _codes):
        raise RecordRefused(f"no move has type {unknown[0]}")
    cells = len(board(config.board).cells)
    size = _cell_bytes(cells)
    for name, field in _cell_columns.items():
        column: bytes = getattr(columns, field)
        entries = _entries(columns, field)
        if len(column) != size * entries:
            raise RecordRefused(f"the column {name} has {len(column)} bytes for {entries} cells")
        if size == 1:
            beyond = bool(column.translate(None, _octets[:cells]))
        else:
            beyond = max(_numbers(column, size), default=0) >= cells
        if beyond:
            raise RecordRefused(f"the column {name} names a cell that {config.board} lacks")
    if len(columns.extra) != _entries(columns, "extra") or columns.extra.translate(None, _extras):
        raise RecordRefused("the column extra has the wrong length, or a number above 4")


def _entries(columns: _Columns, field: str) -> int:
    """Return how many moves use a field."""
    return len(columns.type.translate(None, _codes_without[field]))


def _numbers(column: bytes, size: int) -> Sequence[int]:
    """Return the cells' numbers in a column."""
    return column if size == 1 else struct.unpack(f">{len(column) // size}H", column)


def _decode_moves(config: Config, columns: _Columns) -> Iterator[Move]:
    cells = board(config.board).cells
    size = _cell_bytes(len(cells))
    origins, targets, tos = (
        (cells[number] for number in _numbers(getattr(columns, field), size))
        for field in _cell_columns.values()
    )
    extras = iter(columns.extra)
    for kind in map(MoveType, columns.type):
        fields = fields_of[kind]
        yield Move(
            kind,
            next(origins) if "origin" in fields else no_cell,
            next(targets) if "target" in fields else no_cell,
            next(tos) if "to" in fields else no_cell,
            next(extras) if "extra" in fields else 0,
        )
