"""The page around a position: what it says, and that it fits the window."""

import dataclasses
import itertools

import pytest

from ringrift.game_view.drawing import ascii_signs, unicode_signs
from ringrift.game_view.page import Window, board_rows_min, columns_min, fitting_page, page
from ringrift.game_view.positions import Positions, positions
from ringrift.rules import Config, Move, MoveType, Outcome, Reason
from ringrift.rules.moves import no_cell
from ringrift.rules.notation import parse_move
from tests.game_view.games import damaged, random_record, record_of

width = 10_000


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
        "move 2 of 5  turn 1  A player 1: a1-a4  move stack  a4: 111",
        "now  A player 1: line processing",
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
        "a marker  A5/2 stack of 5 rings, cap 2 (+: over 9)  #A# territory  . empty",
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
    assert plain(found, 0, 47) == plain(found, 0)
    narrow = plain(found, 0, 46)
    assert narrow[4] == "1  .   .   .   .   .   .   .   ."
    assert "A52 stack of 5 rings" in narrow[-2]


def test_names_out_of_a_record_cannot_steer_the_terminal() -> None:
    found = resigned()
    game = dataclasses.replace(found.game, players=("\x1b[2J", "a\nb"))
    strange = dataclasses.replace(found, game=game, fault="\x1b]0;x\x07")
    shown = plain(strange, 3)
    shown += [line.plain for line in fitting_page(strange, 3, ascii_signs, Window(80, 40))]
    assert all(line.isprintable() for line in shown)


def fitted(found: Positions, columns: int, rows: int, **options: tuple[int, int]) -> list[str]:
    lines = fitting_page(found, found.last // 2, unicode_signs, Window(columns, rows), **options)
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


def test_where_there_is_less_room_the_page_says_less() -> None:
    found = games["square8_4p"]
    by_rows = {rows: fitted(found, 80, rows) for rows in range(10, 40)}
    board = page(found, found.last // 2, unicode_signs, 80)[4].plain.rstrip()
    legend = "the move: - from  > to  x lost rings  * else changed"
    spaced = [rows for rows, lines in by_rows.items() if board in lines and lines[5] == ""]
    gaps = [rows for rows, lines in by_rows.items() if lines[3:4] == [""]]
    legends = [rows for rows, lines in by_rows.items() if legend in lines]
    wholes = [rows for rows, lines in by_rows.items() if "scroll" not in lines[-1]]
    small = [rows for rows, lines in by_rows.items() if lines[0].startswith("needs")]
    fixed = 3 + 5 + 1  # lines above the board, lines of the players, the keys
    assert small == list(range(10, fixed + board_rows_min))
    assert min(set(wholes) - set(small)) == fixed + 9
    assert min(legends) == fixed + 9 + 2
    assert min(gaps) == fixed + 9 + 2 + 2
    assert min(spaced) == fixed + 17 + 2 + 2
    assert f"{fixed + board_rows_min} rows" in by_rows[10][0]


def test_a_part_of_a_board_is_that_around_the_latest_change() -> None:
    found = games["hexagonal_3p"]
    no_marks = str.maketrans("->x*", "    ")
    before: list[str] = []
    for number in range(found.last // 2, found.last // 2 + 12):
        lines = fitting_page(found, number, ascii_signs, Window(80, 24))
        assert "h j k l scroll" in lines[-1].plain
        drawn = [line.plain.translate(no_marks).rstrip() for line in lines[3:-5]]
        if found.game.moves[number - 1].to != no_cell:
            assert any(set(line.plain) & set("->x*") for line in lines[3:-5])
        elif before:  # nothing was changed, and nothing moves
            assert drawn == before
        before = drawn


def test_a_board_is_pushed_aside_to_its_edges() -> None:
    found = games["square19_2p"]
    corners = [
        fitted(found, columns_min, 24, scroll=(x, y))[3:-4]
        for x, y in itertools.product((-200, 200), repeat=2)
    ]
    top_left, bottom_left, top_right, bottom_right = corners
    assert top_left[0].startswith(" 1 ")
    assert bottom_left[-1].startswith("    a   b")
    assert top_left[0] != top_right[0]
    assert bottom_right[-1].endswith("r   s")


def test_a_fault_is_told_in_the_window() -> None:
    found = positions(damaged("square8_2p", kept=30))
    drawn = fitted(found, 60, 40)
    told = " ".join(drawn[3 : drawn.index("")])
    assert told == f"This record does not replay: {found.fault}"
