"""Games as records: what is written replays, and nothing that is read can do harm."""

import dataclasses
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2p.codec import parse_canonical
from p2p.envelope import Record, RecordRefused, make_record, parse_record
from p2p.identity.ids import NodeId
from p2p.kinds import Kinds
from ringrift.game_record import (
    GAME,
    Game,
    ReplayFailed,
    decode_game,
    encode_game,
    replay,
)
from ringrift.rules import (
    Config,
    Move,
    MoveType,
    Outcome,
    Reason,
    apply,
    configs,
    initial_state,
    legal_moves,
    outcome,
)
from ringrift.rules.geometry import board
from ringrift.rules.moves import moves_max

producer = NodeId(bytes(range(16)))
seeds = st.integers(0, 2**32 - 1)


def game_of(config: Config, moves: list[Move], result: Outcome) -> Game:
    """Return a game of random players."""
    return Game(config, ("random",) * config.players, b"\7", tuple(moves), result, 1_000, producer)


def resigned(config: Config, x: int, y: int) -> Game:
    """Return a short game: two rings are placed and moved, and player 2 resigns."""
    cell = board(config.board).cell
    moves = [
        Move(MoveType.PLACE_RING, to=cell(x, y), extra=2),
        Move(MoveType.MOVE_STACK, cell(x, y), to=cell(x - 2, y)),
        Move(MoveType.NO_LINE_ACTION),
        Move(MoveType.NO_TERRITORY_ACTION),
        Move(MoveType.RESIGN),
    ]
    return game_of(config, moves, Outcome(1, Reason.RESIGNATION, (1, 2)))


def random_game(config: Config, seed: int, moves_before_leaving: int = moves_max) -> Game:
    """Play a game at random; on large boards somebody gets up from the table in between."""
    rng = random.Random(seed)
    state = initial_state(config)
    moves: list[Move] = []
    while (result := outcome(state)) is None:
        leaves = len(moves) >= moves_before_leaving
        moves.append(Move(MoveType.TIMEOUT) if leaves else rng.choice(legal_moves(state)))
        state = apply(state, moves[-1])
    return game_of(config, moves, result)


def record_of(body: object, config: str = "square8_2p", format: int = 1) -> Record:
    """Return a record of kind `game` with any body."""
    return parse_record(make_record("game", format, config, 1_000, producer, body))


def body_of(game: Game) -> dict[str, Any]:
    """Return the body of a game's record, to be tampered with."""
    body: dict[str, Any] = parse_canonical(encode_game(game))[5]
    return body


def check(record: Record) -> None:
    """Judge a record as a node does that receives it."""
    Kinds([GAME]).check(record)


small = resigned(Config("square8", 2), 3, 4)
wide = resigned(Config("hexagonal", 2), 0, 0)


# Golden bytes: stored records must be readable for ever


players_and_result = (
    b"\xa7players\x92\xa6random\xa6random"
    b"\xa7ranking\xc4\x02\x01\x02"
    b"\xa6reason\xabresignation"
    b"\xa4seed\xc4\x01\x07"
    b"\xa6winner\x01"
)


def test_the_bytes_of_a_small_game_never_change() -> None:
    assert encode_game(small) == (
        b"\x96\xa4game\x01\xaasquare8_2p\xcd\x03\xe8"
        b"\xc4\x10\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"
        b"\x87\xa6engine\x01"
        b"\xa5moves\x85"
        b"\xa5extra\xc4\x01\x02"
        b"\xa4from\xc4\x01\x1c"
        b"\xa6target\xc4\x00"
        b"\xa2to\xc4\x02\x1c\x0c"
        b"\xa4type\xc4\x05\x01\x05\x0f\x12\x14" + players_and_result
    )
    name = "dac8c6f80e3e282e709262772cb777b3818c1d81928f1513ad51c6e7165bbc04"
    assert parse_record(encode_game(small)).id.hex() == name


def test_the_bytes_of_a_game_on_a_large_board_never_change() -> None:
    assert encode_game(wide) == (
        b"\x96\xa4game\x01\xachexagonal_2p\xcd\x03\xe8"
        b"\xc4\x10\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"
        b"\x87\xa6engine\x01"
        b"\xa5moves\x85"
        b"\xa5extra\xc4\x01\x02"
        b"\xa4from\xc4\x02\x00\xea"
        b"\xa6target\xc4\x00"
        b"\xa2to\xc4\x04\x00\xea\x00\xb9"
        b"\xa4type\xc4\x05\x01\x05\x0f\x12\x14" + players_and_result
    )


# What is written is read back, and replays


@given(st.sampled_from([c for c in configs if c.board in ("square8", "hex8")]), seeds)
@settings(max_examples=10, deadline=None)
def test_a_game_is_read_back_and_replays_to_its_result(config: Config, seed: int) -> None:
    game = random_game(config, seed)
    record = parse_record(encode_game(game))
    check(record)
    assert decode_game(record) == game
    assert outcome(replay(game)) == game.outcome


@pytest.mark.parametrize("config", configs, ids=lambda config: config.name)
def test_the_format_serves_every_config(config: Config) -> None:
    game = random_game(config, 1, moves_before_leaving=150)
    assert decode_game(parse_record(encode_game(game))) == game
    replay(game)


def test_a_whole_game_on_the_small_board_takes_less_than_a_kilobyte() -> None:
    sizes = [len(encode_game(random_game(Config("square8", 2), seed))) for seed in range(20)]
    assert max(sizes) < 1024


def test_a_record_says_where_it_belongs() -> None:
    record = parse_record(encode_game(small))
    assert (record.kind, record.format, record.config) == ("game", 1, "square8_2p")
    assert (record.time_ms, record.producer) == (1_000, producer)


# What does not replay is told from what does


def test_an_illegal_move_is_named_by_its_number() -> None:
    moves = [*small.moves[:3], small.moves[0], *small.moves[4:]]
    with pytest.raises(ReplayFailed, match="move 4: place_ring to d5 x2 is not legal"):
        replay(dataclasses.replace(small, moves=tuple(moves)))


_ends = (
    r"the moves lead to (no end|player \d winning by \w+ with the ranks \d, \d); "
    r"the record says player \d winning by \w+ with the ranks \d, \d$"
)


@pytest.mark.parametrize(
    "game",
    [
        dataclasses.replace(small, outcome=Outcome(2, Reason.RESIGNATION, (2, 1))),
        dataclasses.replace(small, outcome=Outcome(1, Reason.TIMEOUT, (1, 2))),
        dataclasses.replace(small, moves=small.moves[:-1]),
    ],
)
def test_a_result_that_the_moves_do_not_lead_to_is_named(game: Game) -> None:
    with pytest.raises(ReplayFailed, match=_ends):
        replay(game)


def test_a_game_of_another_engine_is_not_replayed() -> None:
    with pytest.raises(ReplayFailed, match="played by engine version 2; this is 1"):
        replay(dataclasses.replace(small, engine=2))


def test_nothing_is_written_that_a_reader_would_refuse() -> None:
    with pytest.raises(RecordRefused, match="ranking"):
        encode_game(dataclasses.replace(small, outcome=Outcome(1, Reason.RESIGNATION, (1, 1))))
    with pytest.raises(RecordRefused, match="the number of players is 3; expected 2"):
        encode_game(dataclasses.replace(small, players=("random",) * 3))


# What is no game is refused, with the reason


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("engine", 0, "engine is 0; expected a number from 1 to 65535"),
        ("engine", True, r"Expected `int`, got `bool` - at `\$.engine`"),
        ("engine", "1", r"Expected `int`, got `str` - at `\$.engine`"),
        ("players", ["random"], "the number of players is 1; expected 2, one for each seat"),
        ("players", ["random", "Random"], r"players\[1\] is 'Random'; expected 1 to 32 lower-case"),
        ("players", ["random\n", "random"], r"players\[0\] is 'random\\n'; expected 1 to 32"),
        ("players", ["x" * 33, "random"], r"players\[0\] is 'x+'; expected 1 to 32"),
        ("seed", b"", "the length of seed is 0; expected 1 to 32 bytes"),
        ("seed", bytes(33), "the length of seed is 33; expected 1 to 32 bytes"),
        ("seed", "BwcH", r"Expected `bytes`, got `str` - at `\$.seed`"),
        ("winner", 0, "winner is 0; expected 1, the first in the ranking"),
        ("winner", 2, "winner is 2; expected 1, the first in the ranking"),
        ("ranking", b"\1", r"ranking is \[1\]; expected a rank for each of 2 players"),
        ("ranking", b"\1\1", r"ranking is \[1, 1\]; .*, with one winner"),
        ("ranking", b"\1\3", r"ranking is \[1, 3\]; expected"),
        ("reason", "boredom", "reason is 'boredom'; expected one of ring_elimination, "),
        ("moves", [], r"Expected `object`, got `array` - at `\$.moves`"),
        ("more", 1, "unknown field `more`"),
        ("type", b"", "the length of column type is 0; expected 1 to 65536"),
        ("type", "AQUPEhQ=", r"Expected `bytes`, got `str` - at `\$.moves.type`"),
        ("from", b"", "the length of column from is 0; expected 1 bytes"),
        ("extra", b"\5", "a number in column extra is 5; expected 0 to 4"),
    ],
)
def test_a_body_that_is_no_game_is_refused(field: str, value: object, message: str) -> None:
    body = body_of(small)
    columns = body["moves"]
    (columns if field in columns else body)[field] = value
    for judge in (check, decode_game):
        with pytest.raises(RecordRefused, match=message):
            judge(record_of(body))


def test_a_column_too_many_is_refused() -> None:
    body = body_of(small)
    body["moves"]["more"] = b""
    with pytest.raises(RecordRefused, match=r"unknown field `more` - at `\$\.moves`"):
        check(record_of(body))


@pytest.mark.parametrize("name", ["", "square8", "square8_5p", "chess"])
def test_an_unknown_config_is_refused(name: str) -> None:
    with pytest.raises(RecordRefused, match=r"no config .* expected one of square8_2p, "):
        check(record_of(body_of(small), name))


def test_a_newer_format_is_kept_unjudged_but_not_decoded() -> None:
    record = record_of({"anything": 1}, format=2)
    check(record)
    with pytest.raises(RecordRefused, match="game format 2; expected game format 1"):
        decode_game(record)


def test_the_reason_for_a_refusal_is_short() -> None:
    body = body_of(small) | {"reason": "x" * 100_000}
    with pytest.raises(RecordRefused) as caught:
        check(record_of(body))
    assert len(str(caught.value)) <= 200


# Fuzz

leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.binary(max_size=40)
    | st.sampled_from(Reason).map(str)
)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4)
    ),
    max_leaves=12,
)


def survives(record: Record) -> None:
    """Judge, decode and replay a record; it may only be refused, by the right names."""
    try:
        check(record)
        assert record.format == 1
        game = decode_game(record)
    except RecordRefused:
        return
    try:
        assert encode_game(game) == record.data
        replay(game)
    except ReplayFailed:
        return


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_any_bytes_are_refused_or_read(data: bytes) -> None:
    try:
        record = parse_record(data)
    except RecordRefused:
        return
    survives(record)


@given(values)
@settings(deadline=None)
def test_any_body_is_refused_or_read(body: object) -> None:
    survives(record_of(body))


@given(
    st.sampled_from(["engine", "players", "seed", "winner", "ranking", "reason", "moves"]),
    values,
    st.booleans(),
)
@settings(deadline=None)
def test_a_game_with_one_field_replaced_is_refused_or_read(
    field: str, value: object, left_out: bool
) -> None:
    body = body_of(small)
    body[field] = value
    if left_out:
        del body[field]
    survives(record_of(body))


@given(seeds, st.data())
@settings(max_examples=50, deadline=None)
def test_a_game_with_altered_columns_is_refused_or_read(seed: int, data: st.DataObject) -> None:
    config = data.draw(st.sampled_from([Config("square8", 2), Config("hexagonal", 3)]))
    body = body_of(random_game(config, seed % 8, moves_before_leaving=40))
    for name, column in body["moves"].items():
        altered = bytearray(column)
        for index in data.draw(st.lists(st.integers(0, max(len(column) - 1, 0)), max_size=2)):
            if column:
                altered[index] = data.draw(st.integers(0, 255))
        body["moves"][name] = bytes(altered)
    survives(record_of(body, config.name))
