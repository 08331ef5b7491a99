"""The page around a position: what it says, and that it fits the window."""

import dataclasses
import itertools

import pytest

from ringrift.game_view.drawing import Signs, ascii_signs, pitch_narrow, unicode_signs
from ringrift.game_view.keys import View, press
from ringrift.game_view.page import (
    Window,
    board_rows_min,
    columns_min,
    fitting_page,
    page,
    reach,
)
from ringrift.game_view.positions import Positions, positions
from ringrift.rules import Config, Move, MoveType, Outcome, Reason
from ringrift.rules.moves import no_cell
from ringrift.rules.notation import parse_move
from ringrift.rules.state import cap_height
from tests.game_view.games import damaged, random_record, record_of

width = 10_000
small = Window(80, 24)


def resigned() -> Positions:
    """Return a short game: player 1 places a ring and moves it, and player 2 resigns."""
    config = Config("square8", 2)
    state = positions(random_record("square8_2p")).states[0]
    words = ("Pa1x3", "a1-a4", "L0", "T0", "resign")
    moves = [parse_move(state.variant.board, word) for word in words]
    assert moves[-1] == Move(MoveType.RESIGN)
    return positions(record_of(config, moves, Outcome(1, Reason.RESIGNATION, (1, 2))))


def plain(found: Positions, number: int, columns: int = width) -> list[str]:
    return [line.plain.rstrip() for line in page(found, number, ascii_signs, columns)]


def test_a_page_tells_all_about_a_position() -> None:
    found = resigned()
    assert plain(found, 2) == [
        f"square8_2p  {found.id.hex()[:12]}  2026-09-21 14:13 UTC  by 000102030405",
        "move 2 of 5  turn 1  A player 1: a1-a4  move stack",
        "now  A player 1: line processing",
        "rings  >a4 A3/3 111",
        "",
        "1  -a     .     .     .     .     .     .     .",
        "2   .     .     .     .     .     .     .     .",
        "3   .     .     .     .     .     .     .     .",
        "4>A3/3    .     .     .     .     .     .     .",
        "5   .     .     .     .     .     .     .     .",
        "6   .     .     .     .     .     .     .     .",
        "7   .     .     .     .     .     .     .     .",
        "8   .     .     .     .     .     .     .     .",
        "    a     b     c     d     e     f     g     h",
        "",
        "                      hand  eliminated  territory",
        "> A player 1  random    15     0 of 18    0 of 33",
        "  B player 2  greedy    18     0 of 18    0 of 33",
        "a marker  A5/2 stack of 5 rings, cap 2 (a-z: 10 to 35)  ##A## territory",
        "the move: - from  > to  x lost rings  * else changed",
    ]


def test_the_first_page_and_the_last() -> None:
    found = resigned()
    first, last = plain(found, 0), plain(found, 5)
    assert first[1:3] == ["the start, before 5 moves", "now  A player 1: ring placement"]
    assert last[1:3] == [
        "move 5 of 5  turn 2  B player 2: resign  resign",
        "over  A player 1 wins by resignation",
    ]
    assert last[-5:-2] == [
        "                      hand  eliminated  territory  rank",
        "  A player 1  random    15     0 of 18    0 of 33     1",
        "  B player 2  greedy    18     0 of 18    0 of 33     2",
    ]


def test_a_move_is_told_with_the_turn_and_the_player_that_it_ended() -> None:
    assert plain(resigned(), 4)[1:3] == [
        "move 4 of 5  turn 1  A player 1: T0  no territory action",
        "now  B player 2: ring placement",
    ]


def test_a_page_is_drawn_narrow_where_a_wide_one_does_not_fit() -> None:
    found = resigned()
    assert plain(found, 0, 49) == plain(found, 0)
    narrow = plain(found, 0, 48)
    assert narrow[4] == "1  .   .   .   .   .   .   .   ."
    assert "A52 stack of 5 rings" in narrow[-2]
    assert "  #A# territory" in narrow[-2]


def test_names_out_of_a_record_cannot_steer_the_terminal() -> None:
    found = resigned()
    game = dataclasses.replace(found.game, players=("\x1b[2J", "a\nb"))
    strange = dataclasses.replace(found, game=game, fault="\x1b]0;x\x07")
    shown = plain(strange, 3)
    shown += [line.plain for line in fitting_page(strange, 3, ascii_signs, Window(80, 40))]
    assert all(line.isprintable() for line in shown)


def fitted(
    found: Positions,
    columns: int,
    rows: int,
    scroll: tuple[int, int] = (0, 0),
    number: int | None = None,
) -> list[str]:
    number = found.last // 2 if number is None else number
    lines = fitting_page(found, number, unicode_signs, Window(columns, rows), scroll)
    assert len(lines) <= rows
    assert all(line.cell_len <= columns for line in lines)
    return [line.plain.rstrip() for line in lines]


games = {
    name: positions(random_record(name)) for name in ("square8_4p", "square19_2p", "hexagonal_3p")
}


@pytest.mark.parametrize("name", games)
@pytest.mark.parametrize("columns", [1, 20, columns_min, 80, 103, 200])
@pytest.mark.parametrize("rows", [1, 12, 24, 40, 80])
def test_a_page_fits_every_window(name: str, columns: int, rows: int) -> None:
    drawn = fitted(games[name], columns, rows)
    assert drawn[-1].startswith("← → move  ↑ ↓ turn") or drawn[0].startswith("needs"[:columns])


@pytest.mark.parametrize("signs", [ascii_signs, unicode_signs])
@pytest.mark.parametrize("name", games)
def test_how_to_quit_is_told_in_every_window_that_is_large_enough(name: str, signs: Signs) -> None:
    found = games[name]
    for columns in range(columns_min, 81):
        for rows in (24, 40):
            keys = fitting_page(found, 1, signs, Window(columns, rows))[-1].plain
            assert keys.endswith("  q quit")
            assert ("Home End" in keys) or columns < len(keys) + len("  Home End")


def test_where_there_is_less_room_the_page_says_less() -> None:
    found = games["square8_4p"]
    by_rows = {rows: fitted(found, 80, rows) for rows in range(10, 40)}
    board = page(found, found.last // 2, unicode_signs, 80)[4].plain.rstrip()
    legend = "the move: - from  > to  x lost rings  * else changed"
    spaced = [rows for rows, lines in by_rows.items() if board in lines and lines[6] == ""]
    gaps = [rows for rows, lines in by_rows.items() if lines[4:5] == [""]]
    legends = [rows for rows, lines in by_rows.items() if legend in lines]
    wholes = [rows for rows, lines in by_rows.items() if "scroll" not in lines[-1]]
    small = [rows for rows, lines in by_rows.items() if lines[0].startswith("needs")]
    fixed = 4 + 5 + 1  # lines above the board, lines of the players, the keys
    assert small == list(range(10, fixed + board_rows_min))
    assert min(set(wholes) - set(small)) == fixed + 9
    assert min(legends) == fixed + 9 + 2
    assert min(gaps) == fixed + 9 + 2 + 2
    assert min(spaced) == fixed + 17 + 2 + 2
    assert f"{fixed + board_rows_min} rows" in by_rows[10][0]
    notes = [rows for rows, lines in by_rows.items() if any("a-z: 10 to 35" in x for x in lines)]
    assert notes == list(range(fixed + board_rows_min, 40))


def board_of(found: Positions, number: int, scroll: tuple[int, int] = (0, 0)) -> list[str]:
    """Return the lines of the part of a board that 80 by 24 characters have room for."""
    drawn = fitting_page(found, number, ascii_signs, small, scroll)
    assert "h j k l scroll" in drawn[-1].plain
    return [line.plain for line in drawn[4 : -2 - found.game.config.players]]


def test_a_part_of_a_board_is_that_around_the_latest_change() -> None:
    found = games["hexagonal_3p"]
    no_marks = str.maketrans("->x*", "    ")
    before: list[str] = []
    for number in range(found.last // 2, found.last // 2 + 12):
        lines = board_of(found, number)
        drawn = [line.translate(no_marks).rstrip() for line in lines]
        if found.game.moves[number - 1].to != no_cell:
            assert any(set(line) & set("->*") for line in lines)
        elif before:  # nothing was changed, and nothing moves
            assert drawn == before
        before = drawn


def test_a_board_is_pushed_aside_to_its_edges() -> None:
    found = games["square19_2p"]
    corners = [
        fitted(found, columns_min, 24, scroll=(x, y))[4:-4]
        for x, y in itertools.product((-200, 200), repeat=2)
    ]
    for (first, last), corner in zip([(1, 15), (5, 19)] * 2, corners, strict=True):
        assert corner[0].startswith(f"{first:>2} ")
        assert corner[-2].startswith(f"{last} ")
    letters = [corner[-1].split() for corner in corners]
    assert letters == [list("abcdefghijklm")] * 2 + [list("ghijklmnopqrs")] * 2


def test_a_part_of_a_square_board_has_as_many_columns_as_there_is_room_for() -> None:
    found = games["square19_2p"]
    for number in range(0, found.last, 7):
        letters = fitted(found, columns_min, 24, number=number)[-5].split()
        assert len(letters) == (columns_min - 3) // pitch_narrow


@pytest.mark.parametrize("keys", ["lh", "hl", "jk", "kj"])
def test_no_scroll_key_is_dead_before_the_edge_is_shown(keys: str) -> None:
    found = games["hexagonal_3p"]
    number = next(
        number
        for number in range(found.last)
        if all(least < 0 < most for least, most in reach(found, number, small))
    )
    there, back = keys.encode()[:1], keys.encode()[1:]
    view, pictures = View(number), [board_of(found, number)]
    for key in [there] * 12 + [back]:
        after = press(found, view, key, reach(found, number, small))
        assert after is not None
        view = after
        pictures.append(board_of(found, number, view.scroll))
    *moved, came_back = (a != b for a, b in itertools.pairwise(pictures))
    assert moved == sorted(moved, reverse=True)  # and then it stays
    assert moved[0]
    assert not moved[-1]
    assert came_back


def test_the_rings_of_every_stack_that_a_move_marked_are_told() -> None:
    found = games["square8_4p"]
    captures = 0
    for number, move in enumerate(found.game.moves, 1):
        told = fitted(found, 80, 40, number=number)[3]
        after = found.states[number].stacks
        captures += move.type is MoveType.OVERTAKING_CAPTURE and move.target in after
        for cell in {move.origin, move.target, move.to} & after.keys():
            rings = after[cell]
            stack = f"{len(rings)}/{cap_height(rings)} {''.join(map(str, rings))}"
            name = found.states[0].variant.board.cell_name(cell)
            sign = unicode_signs.stacks[rings[0] - 1]
            if move.type is not MoveType.NO_LINE_ACTION:
                assert f"{name} {sign}{stack}" in told
        if move.to in after and move.type in (MoveType.OVERTAKING_CAPTURE, MoveType.MOVE_STACK):
            assert told.startswith("rings  >")
    assert captures


def test_rings_that_have_no_room_are_said_to_go_on() -> None:
    found = resigned()
    state = found.states[2].copy()
    (cell,) = state.stacks
    state.stacks[cell] = bytes([1]) * 60
    tall = dataclasses.replace(found, states=(*found.states[:2], state, *found.states[3:]))
    (line,) = (x.plain for x in fitting_page(tall, 2, ascii_signs, Window(60, 24))[3:4])
    assert line == f"rings  >a4 A60/60 {'1' * 39}..."


def test_a_fault_is_told_in_the_window() -> None:
    found = positions(damaged("square8_2p", kept=30))
    drawn = fitted(found, 60, 40)
    told = " ".join(drawn[4 : drawn.index("", 4)])
    assert told == f"This record does not replay: {found.fault}"


def test_a_fault_takes_its_lines_from_a_board_that_does_not_fit() -> None:
    found = positions(damaged("square19_2p", kept=30))
    drawn = fitted(found, 60, 24)
    assert drawn[4].startswith("This record does not replay: ")
    assert drawn[-1].endswith("scroll  q quit")
