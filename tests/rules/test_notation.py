"""Cells, moves, games and positions as text: all are read back, and what is wrong is named."""

import pathlib
import random
import re
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringrift.rules import (
    Config,
    EndTest,
    Move,
    MoveType,
    Phase,
    RuleSet,
    State,
    apply,
    configs,
    initial_state,
    legal_moves,
)
from ringrift.rules.errors import NotationError
from ringrift.rules.geometry import board, board_names
from ringrift.rules.moves import RecoveryMode, fields_of, moves_max, no_cell
from ringrift.rules.notation import (
    cell_text,
    game_text,
    move_text,
    parse_cell,
    parse_game,
    parse_move,
)
from ringrift.rules.position_text import (
    parse_position,
    position_characters_max,
    position_text,
)
from ringrift.rules.state import rings_max
from tests.rules.boards import looks_like, options, position

documentation = (pathlib.Path(__file__).resolve().parents[2] / "docs" / "notation.md").read_text()
seeds = st.integers(0, 2**32 - 1)
square8, square19, hex8, hexagonal = map(board, board_names)
at = square8.cell


def reached(config: Config, seed: int, moves: int, rules: RuleSet | None = None) -> State:
    """Return a position of a random game."""
    rng = random.Random(seed)
    state = initial_state(config, rules or RuleSet())
    for _ in range(moves):
        if legal := legal_moves(state):
            state = apply(state, rng.choice(legal))
    return state


def any_move(config: Config, rng: random.Random) -> Move:
    """Return a move of any type with any fields that its type can have."""
    kind = rng.choice(list(MoveType))
    cells = board(config.board).cells
    values = {field: rng.choice(cells) for field in fields_of[kind] if field != "extra"}
    low, high = extras.get(kind, (0, 0))
    return Move(kind, **values, extra=rng.randint(low, high))


extras = {
    MoveType.PLACE_RING: (1, 3),
    MoveType.CHOOSE_LINE_OPTION: (1, 2),
    MoveType.CHOOSE_TERRITORY_OPTION: (0, 4),
    MoveType.RECOVERY_SLIDE: (1, 4),
}


# Cells


@pytest.mark.parametrize("name", board_names)
def test_every_cell_has_a_name_of_its_own(name: str) -> None:
    geometry = board(name)
    texts = [cell_text(geometry, cell) for cell in geometry.cells]
    assert [parse_cell(geometry, text) for text in texts] == list(geometry.cells)
    assert [parse_cell(geometry, text.upper()) for text in texts] == list(geometry.cells)


@pytest.mark.parametrize(
    ("name", "xy", "text"),
    [
        ("square8", (0, 0), "a1"),
        ("square8", (3, 4), "d5"),
        ("square19", (18, 9), "s10"),
        ("hex8", (0, 0), "e5"),
        ("hex8", (-4, 4), "a9"),
        ("hex8", (4, -4), "i1"),
        ("hexagonal", (0, 0), "m13"),
        ("hexagonal", (12, 0), "y13"),
    ],
)
def test_a_letter_is_the_column_and_a_number_the_row(
    name: str, xy: tuple[int, int], text: str
) -> None:
    assert cell_text(board(name), board(name).cell(*xy)) == text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *[
            ("square8", text)
            for text in ("", "d", "4", "i1", "a9", "a10", "a0", "a01", "a1\n", "dd")
        ],
        *[("square8", text) for text in ("4d", "a-1", "a100", "\N{KELVIN SIGN}1", "a\u0661")],
        *[("hex8", text) for text in ("a1", "a4", "i6", "e10")],
        ("square19", "\N{KELVIN SIGN}1"),
        ("hexagonal", "z13"),
    ],
)
def test_what_is_no_cell_is_refused(name: str, text: str) -> None:
    with pytest.raises(NotationError, match=f"to is .*; expected a cell of {name}, such as a"):
        parse_cell(board(name), text, "to")


def test_a_number_that_is_no_cell_has_no_name() -> None:
    for cell in (no_cell, 8, 10_000):
        with pytest.raises(NotationError, match=f"cell is {cell}; expected a cell of square8"):
            cell_text(square8, cell)


# Moves


written = [
    ("Pd4", Move(MoveType.PLACE_RING, to=at(3, 3), extra=1)),
    ("Pd4x3", Move(MoveType.PLACE_RING, to=at(3, 3), extra=3)),
    ("-", Move(MoveType.SKIP_PLACEMENT)),
    ("P0", Move(MoveType.NO_PLACEMENT_ACTION)),
    ("S", Move(MoveType.SWAP_SIDES)),
    ("d4-d7", Move(MoveType.MOVE_STACK, at(3, 3), to=at(3, 6))),
    ("d4xd5-d7", Move(MoveType.OVERTAKING_CAPTURE, at(3, 3), at(3, 4), at(3, 6))),
    ("R1a1-b2:h8", Move(MoveType.RECOVERY_SLIDE, 0, at(7, 7), at(1, 1), RecoveryMode.LINE_ALL)),
    ("R2a1-b2:b3", Move(MoveType.RECOVERY_SLIDE, 0, at(1, 2), at(1, 1), RecoveryMode.LINE_PART)),
    ("Ra1-b2:h8", Move(MoveType.RECOVERY_SLIDE, 0, at(7, 7), at(1, 1), RecoveryMode.FALLBACK)),
    ("Ra1xb2:h8", Move(MoveType.RECOVERY_SLIDE, 0, at(7, 7), at(1, 1), RecoveryMode.STACK_STRIKE)),
    ("R-", Move(MoveType.SKIP_RECOVERY)),
    ("M0", Move(MoveType.NO_MOVEMENT_ACTION)),
    ("C-", Move(MoveType.SKIP_CAPTURE)),
    ("d4xd5-d7+", Move(MoveType.CONTINUE_CAPTURE_SEGMENT, at(3, 3), at(3, 4), at(3, 6))),
    ("La1-d1", Move(MoveType.PROCESS_LINE, 0, to=at(3, 0))),
    ("O1a1-e1", Move(MoveType.CHOOSE_LINE_OPTION, 0, 0, at(4, 0), 1)),
    ("O2a1-e1", Move(MoveType.CHOOSE_LINE_OPTION, 0, 0, at(4, 0), 2)),
    ("O2a1-e1:b1", Move(MoveType.CHOOSE_LINE_OPTION, 0, at(1, 0), at(4, 0), 2)),
    ("Ed4", Move(MoveType.ELIMINATE_RINGS_FROM_STACK, to=at(3, 3))),
    ("L0", Move(MoveType.NO_LINE_ACTION)),
    ("Ta1", Move(MoveType.CHOOSE_TERRITORY_OPTION, to=0)),
    ("Ta1w2", Move(MoveType.CHOOSE_TERRITORY_OPTION, to=0, extra=2)),
    ("T-", Move(MoveType.SKIP_TERRITORY_PROCESSING)),
    ("T0", Move(MoveType.NO_TERRITORY_ACTION)),
    ("Fd4", Move(MoveType.FORCED_ELIMINATION, to=at(3, 3))),
    ("resign", Move(MoveType.RESIGN)),
    ("timeout", Move(MoveType.TIMEOUT)),
]


def test_the_examples_cover_every_type_of_move() -> None:
    assert {move.type for _, move in written} == set(MoveType)


@pytest.mark.parametrize(("text", "move"), written, ids=[text for text, _ in written])
def test_each_type_of_move_has_its_form_in_either_case(text: str, move: Move) -> None:
    assert move_text(square8, move) == text
    for spelling in (text, text.upper(), text.lower()):
        assert parse_move(square8, spelling) == move


def test_what_may_be_left_out_may_be_written() -> None:
    assert parse_move(square8, "Pd4x1") == parse_move(square8, "Pd4")
    assert parse_move(square8, "O2a1-e1:a1") == parse_move(square8, "O2a1-e1")


@pytest.mark.parametrize(
    "text", ["p1-p4", "r1-r4", "l3-l9", "o1xo2-o4", "Rr13xr14:p2", "R1r1-r2:r3", "Pp4", "Ts5w1"]
)
def test_columns_named_like_signs_are_no_trouble(text: str) -> None:
    for spelling in (text, text.lower()):
        assert move_text(square19, parse_move(square19, spelling)) == text
    assert move_text(hexagonal, parse_move(hexagonal, "x5xx6-x9")) == "x5xx6-x9"


@given(st.sampled_from(configs), seeds)
@settings(deadline=None)
def test_any_move_is_read_back(config: Config, seed: int) -> None:
    geometry, rng = board(config.board), random.Random(seed)
    for _ in range(10):
        move = any_move(config, rng)
        text = move_text(geometry, move)
        assert parse_move(geometry, text) == move
        assert parse_move(geometry, text.swapcase()) == move
        assert len(text) <= 16
        assert text.split() == [text]


@given(st.sampled_from(configs), seeds, st.integers(0, 120))
@settings(max_examples=60, deadline=None)
def test_legal_moves_have_different_texts(config: Config, seed: int, moves: int) -> None:
    state = reached(config, seed, moves)
    geometry, legal = state.variant.board, legal_moves(state)
    texts = [move_text(geometry, move).lower() for move in legal]
    assert len(set(texts)) == len(legal)
    assert [parse_move(geometry, text) for text in texts] == list(legal)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "move is ''; expected a move such as Pd4"),
        ("d4", "move is 'd4'; expected a move such as Pd4"),
        ("Pd4 ", "move is 'Pd4 '; expected"),
        ("Pd4\n", r"move is 'Pd4\\n'; expected"),
        ("d4-d7++", "expected a move such as"),
        ("P0x2", "expected a move such as"),
        ("Rd4-d5", "expected a move such as"),
        ("Pd\u0664", "expected a move such as"),
        ("d4-d9", "move 'd4-d9': to is 'd9'; expected a cell of square8"),
        ("i4-d9", "move 'i4-d9': from is 'i4'; expected a cell of square8"),
        ("d4xd0-d7", "move 'd4xd0-d7': target is 'd0'; expected a cell of square8"),
        ("Pd4x4", "move 'Pd4x4': number is 4; expected one of 1, 2, 3"),
        ("O3a1-e1", "number is 3; expected one of 1, 2"),
        ("Ta1w5", "number is 5; expected one of 1, 2, 3, 4"),
        ("Pd4" + "4" * 100_000, "move is 'Pd444.*; expected a move such as"),
    ],
)
def test_what_is_no_move_is_named(text: str, message: str) -> None:
    with pytest.raises(NotationError, match=message) as caught:
        parse_move(square8, text)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    "move",
    [
        Move(MoveType.PLACE_RING, to=0),
        Move(MoveType.PLACE_RING, to=0, extra=4),
        Move(MoveType.PLACE_RING, extra=1),
        Move(MoveType.PLACE_RING, 0, to=0, extra=1),
        Move(MoveType.MOVE_STACK, 0, to=1, extra=1),
        Move(MoveType.MOVE_STACK, 0, 1, 2),
        Move(MoveType.RECOVERY_SLIDE, 0, 1, 2, 0),
        Move(MoveType.RESIGN, to=0),
        Move(MoveType.FORCED_ELIMINATION, to=8),
    ],
)
def test_a_move_that_none_can_be_has_no_text(move: Move) -> None:
    with pytest.raises(NotationError, match=r"(move|cell) is .*; expected a (move|cell)"):
        move_text(square8, move)


# Games


@given(st.sampled_from(configs), seeds)
@settings(max_examples=20, deadline=None)
def test_a_game_is_read_back(config: Config, seed: int) -> None:
    rng = random.Random(seed)
    moves = [any_move(config, rng) for _ in range(rng.randint(0, 30))]
    assert parse_game(game_text(config, moves)) == (config, moves)


def test_a_game_can_be_typed() -> None:
    config, moves = parse_game("square8_2p\n  pd4x2 D4-D7\tl0 t0\n Pa1 resign\n")
    assert game_text(config, moves) == "square8_2p Pd4x2 d4-d7 L0 T0 Pa1 resign"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no config ''; expected one of square8_2p, "),
        ("chess Pd4", "no config 'chess'; expected one of square8_2p, "),
        ("square8_2p Pd4 d4-z7", "move 1 'd4-z7': to is 'z7'; expected a cell of square8"),
        ("square8_2p Pd4 L0 e4", "move 2 is 'e4'; expected a move such as"),
        ("square8_2p" + " -" * (moves_max + 1), "65537 moves; expected up to 65536"),
        ("square8_2p" + " " * 2_000_000, "a text of 2000010 characters; expected up to"),
    ],
)
def test_what_is_no_game_is_named(text: str, message: str) -> None:
    with pytest.raises(NotationError, match=message):
        parse_game(text)


# Positions


@given(st.sampled_from(configs), seeds, st.integers(0, 200))
@settings(max_examples=60, deadline=None)
def test_a_position_is_read_back(config: Config, seed: int, moves: int) -> None:
    state = reached(config, seed, moves)
    text = position_text(state)
    again = parse_position(text)
    assert again == state
    assert hash(again) == hash(state)
    assert legal_moves(again) == legal_moves(state)
    assert position_text(again) == text
    assert "\n" not in text
    assert len(text) < 2_000


@pytest.mark.parametrize("board_name", ["square8", "hex8"])
@pytest.mark.parametrize("players", [2, 3, 4])
def test_every_position_of_a_game_is_read_back(board_name: str, players: int) -> None:
    config, rng = Config(board_name, players), random.Random(players)
    state = initial_state(config)
    while legal := legal_moves(state):
        state = apply(state, rng.choice(legal))
        assert parse_position(position_text(state)) == state
    assert state.phase is Phase.GAME_OVER


def test_the_rule_set_is_given_not_written() -> None:
    rules = RuleSet(end_test=EndTest.TURN_END, swap=True, elimination_threshold=5)
    state = reached(Config("square8", 2), 1, 30, rules)
    assert parse_position(position_text(state), rules) == state
    assert parse_position(position_text(state)) != state


def test_a_swap_is_kept() -> None:
    rules = RuleSet(swap=True)
    state = parse_position("square8_2p 8/2[11] 2 ring_placement turn=2", rules)
    (swap,) = options(state, MoveType.SWAP_SIDES)
    after = apply(state, swap)
    assert "flags=swapped" in position_text(after).split()
    assert parse_position(position_text(after), rules) == after


def test_a_board_alone_can_be_typed() -> None:
    state = parse_position("square8_2p 2[112]a/1B/b 2 movement")
    assert looks_like(state, ". . 112 a\n. B\nb")
    assert (state.player, state.phase, state.turn) == (2, Phase.MOVEMENT, 1)
    assert state.on_board == [0, 2, 1]
    assert state.hand == [0, 16, 17]
    drawn = position(". . 112 a\n. B\nb", player=2, hand=(16, 17))
    assert state == drawn


def test_a_hand_is_empty_where_more_than_the_supply_is_on_the_board() -> None:
    assert parse_position(f"square8_2p [{'1' * 19}2] 1 movement").hand == [0, 0, 17]


def test_hex_rows_have_their_own_lengths() -> None:
    state = parse_position("hex8_3p 4a/6/7/8/A7[3] 3 movement")
    assert state.markers[1] == 1 << hex8.cell(4, -4)
    assert state.territory[1] == 1 << hex8.cell(-4, 0)
    assert state.stacks == {hex8.cell(4, 0): b"\3"}
    assert position_text(state).split()[1] == "4a/6/7/8/A7[3]/8/7/6/5"


def test_the_position_of_the_documentation_is_what_it_says() -> None:
    text = "square8_2p 8/2[112]a4/8/4A3/8/8/8/8 1 movement hand=14,17 eliminated=0,1"
    state = parse_position(text)
    assert state.stacks == {parse_cell(square8, "c2"): b"\1\1\2"}
    assert state.markers[1] == 1 << parse_cell(square8, "d2")
    assert state.territory[1] == 1 << parse_cell(square8, "e4")
    assert position_text(state) == text


def test_named_fields_come_in_any_order() -> None:
    head = "square8_2p 8/2[11]1[21] 1 chain_capture"
    fields = "hand=1,2 eliminated=3,4 turn=7 mover=c2 flags=changed streaks=1,-2 lost=0,5 last=1"
    state = parse_position(f"{head} {fields}")
    assert state == parse_position(f"{head} {' '.join(reversed(fields.split()))}")
    assert (state.hand, state.eliminated, state.turn) == ([0, 1, 2], [0, 3, 4], 7)
    assert (state.mover, state.changed, state.recovered) == (at(2, 1), True, False)
    assert (state.streak, state.lost_turn, state.last_actor) == ([0, 1, -2], [0, 0, 5], 1)
    assert position_text(state).split()[4:] == fields.split()


start = "square8_2p 8 1 movement"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "position is ''; expected config, board, player and phase"),
        ("square8_2p 8 1", "position is 'square8_2p 8 1'; expected config, board, player and"),
        ("square9_2p 8 1 movement", "no config 'square9_2p'; expected one of square8_2p"),
        ("square8_2p 9 1 movement", "row 1 is '9'; expected up to 8 cells"),
        ("square8_2p 8/7aa 1 movement", "row 2 is '7aa'; expected up to 8 cells"),
        ("square8_2p 8/a0a 1 movement", "row 2 is '0a'; expected numbers of empty cells, a to d"),
        ("square8_2p [12 1 movement", r"row 1 is '\[12'; expected numbers of empty cells"),
        ("square8_2p [] 1 movement", r"row 1 is '\[\]'; expected numbers of empty cells"),
        ("square8_2p [15] 1 movement", r"row 1 is '\[15\]'; expected numbers of empty cells"),
        ("square8_2p [13] 1 movement", "row 1: a ring's owner is 3; expected a number from 1 to 2"),
        ("square8_2p c 1 movement", "row 1: the owner of c is 3; expected a number from 1 to 2"),
        ("square8_3p 2D 1 movement", "row 1: the owner of D is 4; expected a number from 1 to 3"),
        (
            f"square8_2p [{'1' * (rings_max + 1)}] 1 movement",
            "row 1: the height of a stack is 1001; expected a number from 1 to 1000",
        ),
        ("square8_2p " + "/" * 8 + " 1 movement", "the number of rows is 9; expected up to 8"),
        ("square8_2p 8 3 movement", "player is 3; expected a number from 1 to 2"),
        ("square8_2p 8 x movement", "player is 'x'; expected a number from 1 to 2"),
        ("square8_2p 8 1 lunch", "phase is 'lunch'; expected one of ring_placement, "),
        ("square8_2p 8 1 game_over", "phase is 'game_over'; expected game_over exactly where"),
        (f"{start} result=timeout,1,2", "phase is 'movement'; expected game_over exactly where"),
        (f"{start} hand", "a field is 'hand'; expected name=value, with one of hand, elim"),
        (f"{start} hat=1", "a field is 'hat=1'; expected name=value, with one of hand, elim"),
        (f"{start} turn=2 turn=2", "turn is '2'; expected to be given once"),
        (f"{start} hand=1", "hand is '1'; expected 2 numbers, divided by commas"),
        (f"{start} hand=1,-1", "hand is -1; expected a number from 0 to 1000"),
        (f"{start} hand=1,\u0661", "hand is '\u0661'; expected a number from 0 to 1000"),
        (f"{start} eliminated=1,1001", "eliminated is 1001; expected a number from 0 to 1000"),
        (f"{start} turn=-1", "turn is -1; expected a number from 0 to 1010000"),
        (
            f"{start} turn={'9' * 5000}",
            r"turn is '9+\.\.\.9+'; expected a number from 0 to 1010000",
        ),
        (f"{start} mover=z1", "mover is 'z1'; expected a cell of square8"),
        (f"{start} mover=a1", "mover is 'a1'; expected a stack of player 1"),
        (f"{start} owed=all", "owed is 'all'; expected one of nothing, line, territory"),
        (f"{start} flags=", "flags is ''; expected one of recovered, changed, swapped"),
        (f"{start} flags=changed,x", "flags is 'x'; expected one of recovered, changed, swapped"),
        (f"{start} streaks=1,2,3", "streaks is '1,2,3'; expected 2 numbers, divided by commas"),
        (f"{start} lost=0,-1", "lost is -1; expected a number from 0 to 1010000"),
        (f"{start} last=3", "last is 3; expected a number from 0 to 2"),
        (f"{start} result=timeout", "result is ''; expected 2 numbers"),
        (f"{start} result=timeout,1,1", r"result is \[1, 1\]; expected a rank for each player"),
        (f"{start} result=boredom,1,2", "result is 'boredom'; expected one of ring_elimination"),
        (
            start + " " * position_characters_max,
            "the length of the position is 16407; expected up to 16384 characters",
        ),
    ],
)
def test_what_is_wrong_with_a_position_is_named(text: str, message: str) -> None:
    with pytest.raises(NotationError, match=message):
        parse_position(text)


# The documentation


def examples(start: str, end: str) -> list[str]:
    """Return the indented lines between two headings of the documentation."""
    section = documentation.partition(start)[2].partition(end)[0]
    return [line.strip() for line in section.splitlines() if line.startswith("    ")]


def test_the_documented_moves_are_all_there_are() -> None:
    section = documentation.partition("## Moves")[2].partition("## Games")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    texts = [text for row in rows for text in re.findall("`([^`]+)`", row.split("|")[1])]
    found = [parse_move(square8, text) for text in texts]
    assert {move.type for move in found} == set(MoveType)
    assert [move_text(square8, move) for move in found] == texts


def test_the_documented_games_and_positions_can_be_read() -> None:
    (game,) = examples("## Games", "## Positions")
    state = initial_state(parse_game(game)[0])
    for move in parse_game(game)[1]:
        state = apply(state, move)
    assert state.phase is Phase.GAME_OVER
    for line in [*examples("## Positions", "**Board.**"), *examples("To type", "In Python")]:
        assert legal_moves(parse_position(line))


@pytest.mark.parametrize(
    "name", ["hand", "eliminated", "turn", "mover", "owed", "flags", "streaks", "lost", "last"]
)
def test_the_documented_fields_can_be_read(name: str) -> None:
    (field,) = re.findall(rf"^\| `({name}=[^`]*)`", documentation, re.MULTILINE)
    phase = "line_processing" if name == "owed" else "movement"
    line = f"square8_2p 8/2[112]a4 1 {phase} {field}"
    assert field.replace("changed,recovered", "recovered,changed") in position_text(
        parse_position(line)
    )


# Fuzz

letters = st.text(string.ascii_letters + string.digits + "-+:/=[],_ x", max_size=40) | st.text()


@given(letters)
@settings(deadline=None)
def test_any_text_is_refused_or_read(text: str) -> None:
    for geometry in (square8, hexagonal):
        try:
            move = parse_move(geometry, text)
        except NotationError:
            continue
        assert parse_move(geometry, move_text(geometry, move)) == move


pieces = ["1", "3", "8", "a", "b", "D", "[12]", "[1]", "[44]", "/", "/"]
named = [
    *("hand=1,2", "hand=0,0,0", "eliminated=1,2", "turn=2", "mover=a1", "mover=e5", "owed=line"),
    *("owed=territory", "flags=recovered", "streaks=3,-3", "lost=0,1", "last=2"),
    "result=timeout,1,2",
]


@given(
    st.sampled_from(configs),
    st.lists(st.sampled_from(pieces)),
    st.integers(1, 3),
    st.sampled_from(Phase),
    st.lists(st.sampled_from(named), max_size=4),
)
@settings(max_examples=200, deadline=None)
def test_any_typed_position_is_refused_or_read_and_can_be_played(
    config: Config, board: list[str], player: int, phase: Phase, fields: list[str]
) -> None:
    text = " ".join([config.name, "".join(["/", *board]), str(player), phase.value, *fields])
    try:
        state = parse_position(text)
    except NotationError:
        return
    assert parse_position(position_text(state)) == state
    for move in legal_moves(state):
        apply(state, move)


@given(letters)
@settings(deadline=None)
def test_any_word_in_a_position_is_refused_or_read(word: str) -> None:
    for text in (
        word,
        f"{word} 8 1 movement",
        f"square8_2p {word} 1 movement",
        f"square8_2p 8 {word} movement",
        f"square8_2p 8 1 {word}",
        f"square8_2p 8 1 movement {word}",
        *[f"square8_2p 8 1 movement {name}={word}" for name in ("hand", "mover", "result")],
    ):
        try:
            state = parse_position(text)
        except NotationError:
            continue
        assert parse_position(position_text(state)) == state
