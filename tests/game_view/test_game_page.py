"""The page around a position: what it says, and that it fits the window."""

import dataclasses
import itertools
import operator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringrift.game_view.drawing import (
    Frame,
    Part,
    Signs,
    arrived,
    ascii_signs,
    departed,
    pitch_narrow,
    unicode_signs,
)
from ringrift.game_view.keys import Corner, View, press
from ringrift.game_view.page import (
    Window,
    board_rows_min,
    columns_min,
    fitting_page,
    page,
    room,
)
from ringrift.game_view.positions import Positions, positions
from ringrift.game_view.room import Room, latest_marks
from ringrift.rules import Config, Move, MoveType, Outcome, Reason
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
        "                      hand  eliminated   territory",
        "> A player 1  random    15     0 of 18     0 of 33",
        "  B player 2  greedy    18     0 of 18     0 of 33",
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
        "                      hand  eliminated   territory  rank",
        "  A player 1  random    15     0 of 18     0 of 33     1",
        "  B player 2  greedy    18     0 of 18     0 of 33     2",
    ]


def test_the_players_are_a_table_however_much_they_have() -> None:
    found = games["hexagonal_3p"]
    state = found.states[-1].copy()
    cells = len(state.variant.board.cells)
    for seat in state.variant.seats:
        state.territory[seat] = (1 << cells) - 1 if seat == 1 else 0
        state.eliminated[seat] = 288 if seat == 2 else 0
    most = dataclasses.replace(found, states=(*found.states[:-1], state))
    heading, *rows = plain(most, most.last)[-6:-2]
    assert f" {cells} of " in rows[0]
    assert {len(row) for row in rows} == {len(heading)}


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
    shown += [line.plain for line in fitting_page(strange, View(3), ascii_signs, Window(80, 40))]
    assert all(line.isprintable() for line in shown)


def fitted(
    found: Positions,
    columns: int,
    rows: int,
    corner: Corner | None = None,
    number: int | None = None,
) -> list[str]:
    number = found.last // 2 if number is None else number
    view = View(number, corner, by_hand=corner is not None)
    lines = fitting_page(found, view, unicode_signs, Window(columns, rows))
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
    assert drawn[-1].startswith("← → move  ↑ ↓ turn") or drawn[0].startswith("q quits"[:columns])


@pytest.mark.parametrize("signs", [ascii_signs, unicode_signs])
@pytest.mark.parametrize("name", games)
def test_how_to_quit_is_told_in_every_window_that_is_large_enough(name: str, signs: Signs) -> None:
    found = games[name]
    for columns in range(columns_min, 81):
        for rows in (24, 40):
            window = Window(columns, rows)
            keys = fitting_page(found, View(1), signs, window)[-1].plain
            whole = room(found, View(1), window).is_enough
            scroll = 0 if whole or "scroll" in keys else len("  h j k l scroll")
            assert keys.endswith("  ? help  q quit")
            assert ("Home End" in keys) or columns < len(keys) + len("  Home End") + scroll
            assert columns < len(keys) + scroll or not scroll


def test_where_there_is_less_room_the_page_says_less() -> None:
    found = games["square8_4p"]
    by_rows = {rows: fitted(found, 80, rows) for rows in range(10, 40)}
    board = page(found, found.last // 2, unicode_signs, 80)[4].plain.rstrip()
    legend = "the move: - from  > to  x lost rings  * else changed"
    spaced = [rows for rows, lines in by_rows.items() if board in lines and lines[6] == ""]
    gaps = [rows for rows, lines in by_rows.items() if lines[4:5] == [""]]
    legends = [rows for rows, lines in by_rows.items() if legend in lines]
    wholes = [rows for rows, lines in by_rows.items() if "scroll" not in lines[-1]]
    small = [rows for rows, lines in by_rows.items() if lines[0].startswith("q quits")]
    fixed = 4 + 5 + 1  # lines above the board, lines of the players, the keys
    assert small == list(range(10, fixed + board_rows_min))
    assert min(set(wholes) - set(small)) == fixed + 9
    assert min(legends) == fixed + 9 + 2
    assert min(gaps) == fixed + 9 + 2 + 2
    assert min(spaced) == fixed + 17 + 2 + 2
    assert f"{fixed + board_rows_min} rows" in by_rows[10][0]
    notes = [rows for rows, lines in by_rows.items() if any("a-z: 10 to 35" in x for x in lines)]
    assert notes == legends


def board_of(found: Positions, view: View) -> list[str]:
    """Return the lines of the part of a board that 80 by 24 characters have room for."""
    drawn = fitting_page(found, view, ascii_signs, small)
    assert "h j k l scroll" in drawn[-1].plain
    return [line.plain for line in drawn[4 : -2 - found.game.config.players]]


def test_a_board_is_pushed_aside_to_its_edges() -> None:
    found = games["square19_2p"]
    corners = [
        fitted(found, columns_min, 24, corner=(x, y))[4:-4]
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
    view = View(
        next(
            number
            for number in range(found.last)
            if all(map(operator.lt, (0, 0), (at := room(found, View(number), small)).corner))
            and all(map(operator.lt, at.corner, at.last))
        )
    )
    there, back = keys.encode()[:1], keys.encode()[1:]
    pictures = [board_of(found, view)]
    for key in [there] * 12 + [back]:
        shown = room(found, view, small)
        after = press(found, view, key, shown.corner, shown.last)
        assert after is not None
        view = after
        pictures.append(board_of(found, view))
    *moved, came_back = (a != b for a, b in itertools.pairwise(pictures))
    assert moved == sorted(moved, reverse=True)  # and then it stays
    assert moved[0]
    assert not moved[-1]
    assert came_back


# Stepping through a game in a window that its board does not fit

large = {name: positions(random_record(name)) for name in ("square19_4p", "hexagonal_2p")} | games
steps = (b"\x1b[C", b"\x1b[D", b"\x1b[B", b"\x1b[A", b"\x1b[H", b"\x1b[F")
pushes = (b"h", b"j", b"k", b"l")
windows = st.builds(Window, st.integers(columns_min, 110), st.integers(14, 36))


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_a_step_shows_where_the_move_ends_and_moves_the_board_no_further_than_that(
    data: st.DataObject,
) -> None:
    found = large[data.draw(st.sampled_from(sorted(large)))]
    window = data.draw(windows)
    view = View(data.draw(st.integers(0, found.last)))
    check_sight(found, view.number, room(found, view, window))
    for key in data.draw(st.lists(st.sampled_from(steps + pushes), max_size=8)):
        before = room(found, view, window)
        after = press(found, view, key, before.corner, before.last)
        assert after is not None
        view, shown = after, room(found, after, window)
        if not view.by_hand:
            check_sight(found, view.number, shown)
            check_thrift(found, view.number, before, shown)


def latest(found: Positions, number: int) -> dict[int, str]:
    """Return the marks of the latest move that has any."""
    every = (dict(latest_marks(found, n)) for n in range(number, 0, -1))
    return next(filter(None, every), {})


def check_sight(found: Positions, number: int, shown: Room) -> None:
    """Check that a part shows the end of the latest move, and its origin if both fit."""
    frame, part, marked = frame_of(found, shown), shown.part, latest(found, number)
    in_sight = {cell for cell in marked if frame.shows(part, cell)}
    assert in_sight or not marked
    for end in (cell for cell, mark in marked.items() if mark == arrived):
        assert end in in_sight
        column, row = frame.place(end)
        for cell in (cell for cell, mark in marked.items() if mark == departed):
            across, down = (
                abs(a - b) for a, b in zip(frame.place(cell), (column, row), strict=True)
            )
            fit = across + shown.pitch <= part.columns and down < part.rows
            assert (cell in in_sight) == fit


def check_thrift(found: Positions, number: int, before: Room, shown: Room) -> None:
    """Check that less of a move of the board would show less of the latest move of the game."""
    frame, marked = frame_of(found, shown), latest(found, number)
    in_sight = {cell for cell in marked if frame.shows(shown.part, cell)}
    for axis in (0, 1):
        moved = before.corner[axis] - shown.corner[axis]
        if moved:
            less = list(shown.corner)
            less[axis] += 1 if moved > 0 else -1
            part = Part(less[0], less[1], shown.part.columns, shown.part.rows)
            assert not all(frame.shows(part, cell) for cell in in_sight)


def frame_of(found: Positions, shown: Room) -> Frame:
    return Frame(found.states[0].variant.board, shown.pitch)


@pytest.mark.parametrize(
    ("name", "window"), [("square19_4p", small), ("hexagonal_3p", Window(60, 20))]
)
def test_the_end_of_every_move_of_a_game_is_drawn(name: str, window: Window) -> None:
    found, view = large[name], View(0)
    ends = 0
    for number in range(1, 161):
        shown = room(found, view, window)
        after = press(found, view, b" ", shown.corner, shown.last)
        assert after is not None
        view = after
        if arrived in latest_marks(found, number).values():
            ends += 1
            drawn = [line.plain for line in fitting_page(found, view, ascii_signs, window)]
            board = drawn[4 : -2 - found.game.config.players]
            assert any(arrived in line for line in board)
    assert ends > 40


def test_a_board_of_which_no_move_is_told_yet_is_shown_from_its_middle() -> None:
    for found in large.values():
        shown = room(found, View(0), small)
        for at, last in zip(shown.corner, shown.last, strict=True):
            assert abs(2 * at - last) <= shown.pitch


# The help


@pytest.mark.parametrize("signs", [ascii_signs, unicode_signs])
@pytest.mark.parametrize("columns", [1, 30, columns_min, 80, 200])
@pytest.mark.parametrize("rows", [1, 5, 12, 17, 24])
def test_the_help_fits_every_window_and_tells_all_where_a_board_has_room(
    rows: int, columns: int, signs: Signs
) -> None:
    drawn = fitting_page(games["square8_4p"], View(7, helps=True), signs, Window(columns, rows))
    assert len(drawn) <= rows
    assert all(len(line) <= columns for line in drawn)
    told = " ".join(line.plain for line in drawn)
    is_table = len(drawn) == 17 and drawn[-1].plain.startswith("h j k l")
    assert drawn[0].plain.startswith("-" if is_table else "q")
    if columns >= columns_min and rows >= 12:
        words = ["-", ">", "x", "*", "a-z", "hand", "eliminated", "territory", "j", "?", "q"]
        assert set(told.replace(":", "").split()) >= {*signs.markers, *words}


def test_the_help_is_told_of_where_there_is_no_room_for_a_board() -> None:
    assert fitted(games["square8_4p"], 50, 10)[0].startswith("q quits, ? helps; needs ")


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
    (line,) = (x.plain for x in fitting_page(tall, View(2), ascii_signs, Window(60, 24))[3:4])
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
    assert drawn[-1].endswith("scroll  ? help  q quit")
