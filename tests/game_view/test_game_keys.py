"""Keys: how they are cut out of what a terminal sends, and where each leads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringrift.game_view.keys import Corner, Keyboard, View, press
from ringrift.game_view.positions import positions
from tests.game_view.games import random_record

found = positions(random_record("square8_2p"))
last, second = found.last, found.turns[1]
here, furthest = (8, 6), (100, 100)
left, right, up, down = b"\x1b[D", b"\x1b[C", b"\x1b[A", b"\x1b[B"


@pytest.mark.parametrize(
    ("key", "start", "end"),
    [
        (right, 0, 1),
        (b"\x1bOC", 0, 1),
        (b" ", 0, 1),
        (right, last, last),
        (left, 5, 4),
        (b"\x1bOD", 5, 4),
        (left, 0, 0),
        (down, 0, second),
        (b"\x1bOB", 0, second),
        (b"\x1b[6~", 0, second),
        (down, last, last),
        (up, second + 1, second),
        (up, second, 0),
        (b"\x1bOA", second, 0),
        (b"\x1b[5~", second, 0),
        (up, 0, 0),
        *((home, 7, 0) for home in (b"\x1b[H", b"\x1bOH", b"\x1b[1~", b"\x1b[7~")),
        *((end, 7, last) for end in (b"\x1b[F", b"\x1bOF", b"\x1b[4~", b"\x1b[8~")),
        (b"x", 7, 7),
        (b"\x1b", 7, 7),
        (b"\x1b[17~", 7, 7),
    ],
)
def test_a_key_leads_to_a_position(key: bytes, start: int, end: int) -> None:
    after = press(found, View(start), key, here, furthest)
    assert after is not None
    assert after.number == end
    assert after == View(start) or after == View(end, here)


@pytest.mark.parametrize("key", [b"q", b"Q", b"\x04"])
def test_a_key_ends_it(key: bytes) -> None:
    assert press(found, View(3), key, here, furthest) is None


def pressed(view: View, keys: bytes, corner: Corner, last: Corner = furthest) -> View:
    for key in keys:
        after = press(found, view, bytes([key]), corner, last)
        assert after is not None
        assert after.corner is not None
        view, corner = after, after.corner
    return view


def test_keys_push_the_board_aside_until_the_next_step() -> None:
    view = pressed(View(3), b"llhjjk", here)
    assert view == View(3, (12, 8), by_hand=True)
    assert press(found, view, right, (12, 8), furthest) == View(4, (12, 8))


def test_a_board_is_pushed_no_further_than_its_edges_and_comes_back_at_once() -> None:
    last = (19, 7)
    for keys, edge, back, after in (
        (b"l", (19, 6), b"h", (15, 6)),
        (b"h", (0, 6), b"l", (4, 6)),
        (b"j", (8, 7), b"k", (8, 5)),
        (b"k", (8, 0), b"j", (8, 2)),
    ):
        view = pressed(View(3), keys * 60, here, last)
        assert view == View(3, edge, by_hand=True)
        assert pressed(view, back, edge, last) == View(3, after, by_hand=True)


@pytest.mark.parametrize("key", [b"?", b" ", b"x", b"h", b"\x1b", right])
def test_any_key_leads_back_from_the_help_to_what_was_shown(key: bytes) -> None:
    view = View(3, (4, 2), by_hand=True)
    helping = press(found, view, b"?", (4, 2), furthest)
    assert helping == View(3, (4, 2), by_hand=True, helps=True)
    assert press(found, helping, key, (4, 2), furthest) == view
    assert press(found, helping, b"q", (4, 2), furthest) is None


@pytest.mark.parametrize(
    ("typed", "keys"),
    [
        (b"", []),
        (b"qx", [b"q", b"x"]),
        (left + right + b"q", [left, right, b"q"]),
        (b"\x1bOA\x1b[5~\x1b[1;2Cq", [b"\x1bOA", b"\x1b[5~", b"\x1b[1;2C", b"q"]),
        (b"\x1b" + left, [b"\x1b", left]),
        (b"\x1bq", [b"q"]),
    ],
)
def test_what_is_typed_is_cut_into_keys(typed: bytes, keys: list[bytes]) -> None:
    assert list(Keyboard().feed(typed)) == keys


def test_what_nothing_follows_is_a_key_by_itself() -> None:
    keyboard = Keyboard()
    assert list(keyboard.feed(b"x\x1b")) == [b"x"]
    assert (keyboard.waits, keyboard.end(), keyboard.waits) == (True, b"\x1b", False)
    assert list(keyboard.feed(left)) == [left]


@given(st.data())
def test_it_does_not_matter_where_a_terminal_pauses(data: st.DataObject) -> None:
    known = [left, right, b"\x1bOA", b"\x1b[5~", b"\x1b[1;2C", b"q", b" "]
    keys = data.draw(st.lists(st.sampled_from(known)))
    typed = b"".join(keys)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(typed)))))
    keyboard = Keyboard()
    pieces = [typed[a:b] for a, b in zip([0, *cuts], [*cuts, len(typed)], strict=True)]
    assert [key for piece in pieces for key in keyboard.feed(piece)] == keys


@given(st.lists(st.binary(max_size=20)))
def test_rubbish_is_survived_and_what_waits_is_short(chunks: list[bytes]) -> None:
    keyboard = Keyboard()
    for chunk in chunks:
        list(keyboard.feed(chunk))
        assert len(keyboard._begun) <= 11
    assert list(keyboard.feed(b"~~q"))[-1] == b"q"


def test_a_sequence_that_does_not_end_is_given_up() -> None:
    keyboard = Keyboard()
    list(keyboard.feed(b"\x1b[" + b"1" * 1000))
    assert list(keyboard.feed(b"q")) == [b"q"]
