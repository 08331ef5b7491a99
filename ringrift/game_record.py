"""The record kind `game`: one finished game, in a form that replays to its result.

Format 1. The envelope holds config, start time and producer; the body is the map `_Body` below, in
which moves are columns of bytes (`ringrift.rules.columns`). Games are played by the default
`RuleSet`.
"""

import dataclasses
import itertools
import re

import msgspec

from p2p.envelope import Record, RecordRefused, make_record, parse_record
from p2p.identity.ids import NodeId
from p2p.kinds import Kind
from ringrift.rules import (
    Config,
    IllegalMove,
    Move,
    Outcome,
    Reason,
    State,
    apply,
    engine_version,
    initial_state,
    outcome,
)
from ringrift.rules.columns import Columns, check_columns, decode_moves, encode_moves
from ringrift.rules.errors import NotationError, wrong
from ringrift.rules.geometry import board
from ringrift.rules.json_fields import read_int, read_word

kind_name = "game"
format_version = 1

seed_bytes_max = 32
engine_max = 65_535
_player_name = re.compile(r"[a-z][a-z0-9_]{0,31}")


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


class _Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    engine: int
    players: list[str]
    seed: bytes
    moves: Columns
    winner: int
    ranking: bytes
    """Each seat's rank."""
    reason: str


def encode_game(game: Game) -> bytes:
    """Return the record of a game. Raises `RecordRefused` if a reader would."""
    try:
        columns = encode_moves(board(game.config.board), game.moves)
    except NotationError as error:
        raise _refused(error) from None
    body = _Body(
        engine=game.engine,
        players=list(game.players),
        seed=game.seed,
        moves=columns,
        winner=game.outcome.winner,
        ranking=bytes(game.outcome.ranking),
        reason=game.outcome.reason.value,
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
        moves=tuple(decode_moves(board(config.board), body.moves)),
        outcome=Outcome(body.winner, Reason(body.reason), tuple(body.ranking)),
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
    for number, move in enumerate(game.moves, 1):
        try:
            state = apply(state, move)
        except IllegalMove as error:
            raise ReplayFailed(f"move {number}: {error}") from None
    if outcome(state) != game.outcome:
        found, said = _in_words(outcome(state)), _in_words(game.outcome)
        raise ReplayFailed(f"the moves lead to {found}; the record says {said}")
    return state


def _in_words(result: Outcome | None) -> str:
    if result is None:
        return "no end"
    ranks = ", ".join(map(str, result.ranking))
    return f"player {result.winner} winning by {result.reason} with the ranks {ranks}"


def _read(record: Record) -> tuple[Config, _Body]:
    """Return a record's config and body, checked. Raises `RecordRefused`."""
    if (record.kind, record.format) != (kind_name, format_version):
        raise RecordRefused(
            f"{record.kind} format {record.format}; expected {kind_name} format {format_version}"
        )
    try:
        config = Config.parse(record.config)
        # Bytes are bytes here: by default msgspec also takes them as text in base64.
        body = msgspec.convert(record.body, type=_Body, builtin_types=(bytes,))
        _check_origin(config, body)
        _check_result(config, body)
        check_columns(board(config.board), body.moves)
    except ValueError as error:  # also those of msgspec
        raise _refused(error) from None
    return config, body


def _refused(error: ValueError) -> RecordRefused:
    return RecordRefused(f"{error!s:.200}")


def _check_origin(config: Config, body: _Body) -> None:
    read_int(body.engine, "engine", 1, engine_max)
    if len(body.players) != config.players:
        expected = f"{config.players}, one for each seat of {config.name}"
        raise wrong("the number of players", len(body.players), expected)
    for index, player in enumerate(body.players):
        if not _player_name.fullmatch(player):
            expected = "1 to 32 lower-case letters, digits and underscores, a letter first"
            raise wrong(f"players[{index}]", player, expected)
    if not 1 <= len(body.seed) <= seed_bytes_max:
        raise wrong("the length of seed", len(body.seed), f"1 to {seed_bytes_max} bytes")


def _check_result(config: Config, body: _Body) -> None:
    if body.ranking not in _rankings_by_players[config.players]:
        ranks = list(body.ranking[: config.players + 1])
        expected = f"a rank for each of {config.players} players, with one winner"
        raise wrong("ranking", ranks, expected)
    first = 1 + body.ranking.index(1)
    if body.winner != first:
        raise wrong("winner", body.winner, f"{first}, the first in the ranking")
    read_word(body.reason, "reason", Reason)


def _rankings(players: int) -> frozenset[bytes]:
    """Return every ranking with one winner in which equals share the best rank that is left."""
    return frozenset(
        bytes(ranks)
        for ranks in itertools.product(range(1, players + 1), repeat=players)
        if ranks.count(1) == 1
        and all(rank == 1 + sum(other < rank for other in ranks) for rank in ranks)
    )


_rankings_by_players = {players: _rankings(players) for players in (2, 3, 4)}
