"""Drawings of positions: exact ones of the four boards, and what tells a reader whose is what."""

import itertools
import math

import pytest
from rich.color import Color, ColorSystem
from rich.text import Text

from ringrift.game_view.drawing import (
    Frame,
    Part,
    Signs,
    ascii_signs,
    colours,
    colours_of_16,
    draw,
    ink,
    marks,
    pitch_narrow,
    pitch_wide,
    signs_for,
    unicode_signs,
)
from ringrift.rules import Config, Move, MoveType, Phase, State, apply, configs, initial_state
from ringrift.rules.moves import RecoveryMode
from ringrift.rules.notation import parse_cell
from tests.rules.boards import move, position, square8_2p

on_square8 = position(
    """
    .     a    b    c     d
    A     B    C    D
    1     22   3331 42222
    1111111111
    222222222222221
    .
    3333333331
    """,
    Config("square8", 4),
)

on_hex8 = position(
    """
        .  a  b  .  11
       .  .  A  .  .  .
      .  .  .  .  .  .  .
     2  .  .  .  .  .  .  .
    B  .  .  .  122 .  .  .  a
     .  .  .  .  .  .  .  b
      .  .  .  .  .  .  .
       .  .  .  .  .  .
        22 .  .  .  A
    """,
    Config("hex8", 2),
)


def lines(state: State, signs: Signs, pitch: int, marked: dict[int, str] | None = None) -> str:
    return "\n".join(line.plain for line in draw(state, signs, pitch, marked))


def test_a_square_board_drawn_wide() -> None:
    assert lines(on_square8, unicode_signs, pitch_wide) == (
        "1   ·     ○     △     □     ◇     ·     ·     ·\n"
        "2 ▒▒●▒▒ ▒▒▲▒▒ ▒▒■▒▒ ▒▒◆▒▒   ·     ·     ·     ·\n"
        "3 ●1/1  ▲2/2  ■4/3  ◆5/1    ·     ·     ·     ·\n"
        "4 ●10/a   ·     ·     ·     ·     ·     ·     ·\n"
        "5 ▲15/e   ·     ·     ·     ·     ·     ·     ·\n"
        "6   ·     ·     ·     ·     ·     ·     ·     ·\n"
        "7 ■10/9   ·     ·     ·     ·     ·     ·     ·\n"
        "8   ·     ·     ·     ·     ·     ·     ·     ·\n"
        "    a     b     c     d     e     f     g     h"
    )


def test_a_square_board_drawn_narrow_in_ascii() -> None:
    assert lines(on_square8, ascii_signs, pitch_narrow) == (
        "1  .   a   b   c   d   .   .   .\n"
        "2 #A# #B# #C# #D#  .   .   .   .\n"
        "3 A11 B22 C43 D51  .   .   .   .\n"
        "4 Aaa  .   .   .   .   .   .   .\n"
        "5 Bfe  .   .   .   .   .   .   .\n"
        "6  .   .   .   .   .   .   .   .\n"
        "7 Ca9  .   .   .   .   .   .   .\n"
        "8  .   .   .   .   .   .   .   .\n"
        "   a   b   c   d   e   f   g   h"
    )


def test_a_hexagon_drawn_wide() -> None:
    assert lines(on_hex8, unicode_signs, pitch_wide) == (
        "            1   ·     ○     △     ·   ●2/2\n"
        "         2   ·     ·   ▒▒●▒▒   ·     ·     ·\n"
        "      3   ·     ·     ·     ·     ·     ·     ·\n"
        "   4 ▲1/1    ·     ·     ·     ·     ·     ·     ·\n"
        "5 ▒▒▲▒▒   ·     ·     ·   ●3/1    ·     ·     ·     ○\n"
        "   6   ·     ·     ·     ·     ·     ·     ·     △     i\n"
        "      7   ·     ·     ·     ·     ·     ·     ·     h\n"
        "         8   ·     ·     ·     ·     ·     ·     g\n"
        "            9 ▲2/2    ·     ·     ·   ▒▒●▒▒   f\n"
        "                   a     b     c     d     e"
    )


def test_a_hexagon_drawn_narrow_in_ascii() -> None:
    assert lines(on_hex8, ascii_signs, pitch_narrow) == (
        "        1  .   a   b   .  A22\n"
        "      2  .   .  #A#  .   .   .\n"
        "    3  .   .   .   .   .   .   .\n"
        "  4 B11  .   .   .   .   .   .   .\n"
        "5 #B#  .   .   .  A31  .   .   .   a\n"
        "  6  .   .   .   .   .   .   .   b   i\n"
        "    7  .   .   .   .   .   .   .   h\n"
        "      8  .   .   .   .   .   .   g\n"
        "        9 B22  .   .   .  #A#  f\n"
        "             a   b   c   d   e"
    )


def test_the_large_square_board_fits_80_columns() -> None:
    drawn = lines(position("11 . a", Config("square19", 2)), ascii_signs, pitch_narrow).split("\n")
    rows = [f"{row:>2}  {'   '.join('.' * 19)}" for row in range(1, 20)]
    rows[0] = f" 1 A22  .   a   {'   '.join('.' * 16)}"
    letters = "   ".join("abcdefghijklmnopqrs")
    assert drawn == [*rows, f"    {letters}"]
    assert max(map(len, drawn)) <= 80


def test_the_large_hexagon() -> None:
    drawn = lines(initial_state(Config("hexagonal", 2)), ascii_signs, pitch_narrow).split("\n")
    letters = "nopqrstuvwxy"
    rows = []
    for row in range(1, 26):
        indent = 2 * abs(13 - row)
        cells = "   ".join("." * (25 - abs(13 - row)))
        letter = "" if row <= 13 else f"   {letters[25 - row]}"
        rows.append(f"{'':{indent}}{row:>2}  {cells}{letter}")
    assert drawn == [*rows, f"{'':30}{'   '.join('abcdefghijklm')}"]


def test_a_height_that_has_no_letter_is_a_plus() -> None:
    state = position(f"{'1' * 35} {'1' * 36} {'1' * 100}", Config("square19", 2))
    assert lines(state, ascii_signs, pitch_narrow).startswith(" 1 Azz A++ A++ ")
    assert lines(state, ascii_signs, pitch_wide).startswith(" 1 A35/z A36/+ A+/+ ")


def part_of(state: State, part: Part) -> str:
    drawn = draw(state, ascii_signs, pitch_narrow, part=part)
    return "\n".join(line.plain for line in drawn)


def test_a_part_of_a_square_board_has_the_labels_of_what_is_shown() -> None:
    state = position("{}\n{}\n. . . a b c d\n. . . 11 22 2222222222".format(*[". " * 19] * 2),
                     Config("square19", 4))  # fmt: skip
    assert part_of(state, Part(8, 2, 16, 2)) == (
        " 3  .   a   b   c\n"
        " 4  .  A22 B22 Baa\n"
        "    c   d   e   f"
    )  # fmt: skip


def test_a_part_of_a_hexagon_has_the_labels_of_what_is_shown() -> None:
    assert part_of(on_hex8, Part(8, 1, 16, 5)) == (
        "  2  .  #A#  .\n"
        "3  .   .   .   .\n"
        "  4  .   .   .   g\n"
        "5  .   .  A31  .\n"
        "  6  .   .   .   f\n"
        "       c   d   e"
    )


@pytest.mark.parametrize("config", [c for c in configs if c.players == 2], ids=lambda c: c.name)
@pytest.mark.parametrize("pitch", [pitch_narrow, pitch_wide])
def test_every_cell_of_every_part_can_be_named(config: Config, pitch: int) -> None:
    geometry = initial_state(config).variant.board
    frame = Frame(geometry, pitch)
    top, columns = frame.whole.rows // 2 - 2, 5 * pitch
    for left in (
        0,
        pitch // 2,
        frame.whole.columns // 2 - columns // 2,
        frame.whole.columns - columns,
    ):
        part = Part(left, top, columns, 4)
        cells = [cell for cell in geometry.cells if frame.shows(part, cell)]
        labels = dict(frame.labels(cells))
        rows = {row: label for (_, row), label in labels.items() if label.isdigit()}
        assert 0 < len(cells) <= 20
        for cell in cells:
            name, (column, row) = geometry.cell_name(cell), frame.place(cell)
            assert rows[row] == name[1:]
            while row <= top + 4 and labels.get((column + pitch // 2, row)) != name[0]:
                row, column = row + 1, column + (pitch // 2 if geometry.is_hex else 0)
            assert row <= top + 4  # the letter stands where the column leads
            assert left <= column + pitch // 2 <= left + part.columns


def test_nothing_but_ascii_is_drawn_with_the_signs_of_ascii() -> None:
    assert lines(on_square8, ascii_signs, pitch_wide).isascii()


@pytest.mark.parametrize("signs", [unicode_signs, ascii_signs])
def test_whose_a_cell_is_shows_without_colours(signs: Signs) -> None:
    for row in ("a b c d", "A B C D", "1 2 3 4"):
        words = lines(position(row, Config("square8", 4)), signs, pitch_wide).split()[1:5]
        assert len(set(words)) == 4
    drawn = lines(position("1 a A .", square8_2p), signs, pitch_wide).split()[1:5]
    assert len(set(drawn)) == 4


def numbers_of(palette: tuple[str, ...], system: ColorSystem) -> set[int | None]:
    return {Color.parse(colour).downgrade(system).number for colour in palette}


def test_owners_have_four_colours_on_every_terminal_that_has_any() -> None:
    assert len(numbers_of(colours, ColorSystem.EIGHT_BIT)) == 4
    assert len(numbers_of(colours_of_16, ColorSystem.STANDARD)) == 4


def linear(colour: str) -> list[float]:
    """Return a colour's red, green and blue light, from 0 to 1, by the definition of sRGB."""
    shares = [part / 255 for part in Color.parse(colour).get_truecolor()]
    return [s / 12.92 if s <= 0.03928 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]


def weighed(weights: tuple[float, ...], light: list[float]) -> float:
    return sum(weight * each for weight, each in zip(weights, light, strict=True))


def contrast(one: str, other: str) -> float:
    """Return the contrast of WCAG 2."""
    low, high = sorted(weighed((0.2126, 0.7152, 0.0722), linear(each)) for each in (one, other))
    return (high + 0.05) / (low + 0.05)


def shown_in_256(colour: str) -> str:
    return Color.parse(colour).downgrade(ColorSystem.EIGHT_BIT).get_truecolor().hex


@pytest.mark.parametrize("colour", colours)
def test_colours_show_on_dark_and_light_grounds_and_ink_shows_on_them(colour: str) -> None:
    assert shown_in_256(colour) == colour
    for ground in ("#000000", "#1e1e1e", "#ffffff"):
        assert contrast(colour, ground) >= 3  # WCAG 1.4.11
    assert contrast(colour, ink) >= 4.5  # WCAG 1.4.3


sights = {
    "protanopia": ((0.152, 1.053, -0.205), (0.115, 0.786, 0.099), (-0.004, -0.048, 1.052)),
    "deuteranopia": ((0.367, 0.861, -0.228), (0.280, 0.673, 0.047), (-0.012, 0.043, 0.969)),
    "tritanopia": ((1.256, -0.077, -0.179), (-0.078, 0.931, 0.148), (0.005, 0.691, 0.304)),
}
"""What is seen of red, green and blue light: Machado, Oliveira and Fernandes 2009, severity 1."""

to_xyz = {
    (0.4124, 0.3576, 0.1805): 0.9505,
    (0.2126, 0.7152, 0.0722): 1.0,
    (0.0193, 0.1192, 0.9505): 1.089,
}
"""The weights of X, Y and Z, each with what white has of it."""


def lab(colour: str, sight: str) -> tuple[float, float, float]:
    """Return what somebody sees, in CIELAB."""
    light = [min(1, max(0, weighed(row, linear(colour)))) for row in sights[sight]]
    parts = [weighed(row, light) / most for row, most in to_xyz.items()]
    x, y, z = (part ** (1 / 3) if part > 0.008856 else 7.787 * part + 16 / 116 for part in parts)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


@pytest.mark.parametrize("sight", sights)
def test_colours_differ_for_colour_blind_readers_as_the_palette_made_for_them_does(
    sight: str,
) -> None:
    def least(palette: tuple[str, ...]) -> float:
        return min(
            math.dist(lab(a, sight), lab(b, sight)) for a, b in itertools.combinations(palette, 2)
        )

    okabe_ito = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
    assert least(colours) >= least(okabe_ito) > 10


def style_at(line: Text, place: int) -> str:
    return " ".join(str(span.style) for span in line.spans if span.start <= place < span.end)


def test_each_form_has_its_owners_colour() -> None:
    for seat, (marker, collapsed, stack) in enumerate(zip("abcd", "ABCD", "1234", strict=True)):
        (line, *_) = draw(
            position(f"{marker} {collapsed} {stack}", Config("square8", 4)), ascii_signs, pitch_wide
        )
        assert style_at(line, 4) == f"bold {colours[seat]}"
        assert style_at(line, 8) == colours[seat]
        assert style_at(line, 14) == f"bold {ink} on {colours[seat]}"


@pytest.mark.parametrize(
    ("encoding", "variables", "signs"),
    [
        ("utf-8", {"LANG": "en_GB.UTF-8"}, unicode_signs),
        ("utf-8", {"LANG": "C", "LC_CTYPE": "C.utf8"}, unicode_signs),
        ("utf-8", {"LC_ALL": "", "LANG": "C.UTF-8"}, unicode_signs),
        ("utf-8", {}, unicode_signs),
        ("utf-8", {"LC_ALL": "C", "LANG": "C.UTF-8"}, ascii_signs),
        ("iso8859-1", {"LANG": "C.UTF-8"}, ascii_signs),
        ("ascii", {}, ascii_signs),
    ],
)
def test_unicode_is_for_encodings_and_locales_that_have_it(
    encoding: str, variables: dict[str, str], signs: Signs
) -> None:
    assert signs_for(encoding, variables, "truecolor") == signs
    assert signs_for(encoding, variables, "256").colours == colours
    assert signs_for(encoding, variables, "standard").colours == colours_of_16
    assert signs_for(encoding, variables, None) == signs


# Marks


def marked(state: State, played: Move) -> dict[str, str]:
    """Return the marks of a move by the names of cells."""
    found = marks(state, played, apply(state, played))
    board = state.variant.board
    names = {parse_cell(board, f"{c}{r}"): f"{c}{r}" for c in "abcdefgh" for r in range(1, 9)}
    return {names[cell]: mark for cell, mark in sorted(found.items())}


def test_a_placement_marks_its_cell() -> None:
    state = position("1 . 2", phase=Phase.RING_PLACEMENT, hand=(3, 3))
    assert marked(state, move(state, MoveType.PLACE_RING, (5, 5), extra=1)) == {"f6": ">"}


def test_a_step_marks_both_ends_and_what_it_crossed() -> None:
    state = position("111 b a . .\n. .")
    step = move(state, MoveType.MOVE_STACK, (3, 0), start=(0, 0))
    assert marked(state, step) == {"a1": "-", "b1": "*", "c1": "*", "d1": ">"}


def test_a_capture_marks_the_stack_that_lost_a_ring() -> None:
    state = position("11 2 . .")
    capture = move(state, MoveType.OVERTAKING_CAPTURE, (2, 0), start=(0, 0), target=(1, 0))
    assert marked(state, capture) == {"a1": "-", "b1": "x", "c1": ">"}


def test_an_elimination_marks_the_stack_that_pays() -> None:
    state = position("11 2", phase=Phase.FORCED_ELIMINATION, hand=(1, 1))
    assert marked(state, move(state, MoveType.FORCED_ELIMINATION, (0, 0))) == {"a1": "x"}


def test_a_line_marks_all_that_collapses() -> None:
    state = position("a a a a . 1 2", phase=Phase.LINE_PROCESSING)
    line = move(state, MoveType.PROCESS_LINE, (3, 0), start=(0, 0))
    assert marked(state, line) == {"a1": "*", "b1": "*", "c1": "*", "d1": "*"}


def test_a_recovery_marks_the_stack_that_pays_if_one_does() -> None:
    drawing = "a a a . .\n. . . a .\n21 . . . ."
    state = position(drawing)
    ends = {"start": (3, 1), "to": (3, 0)}
    paid = move(state, MoveType.RECOVERY_SLIDE, target=(0, 2), extra=RecoveryMode.LINE_ALL, **ends)
    assert marked(state, paid) == {
        "a1": "*", "a3": "x", "b1": "*", "c1": "*", "d1": ">", "d2": "-",
    }  # fmt: skip
    longer = position("a a a . a\n. . . a .\n21 . . . .")
    free = move(
        longer, MoveType.RECOVERY_SLIDE, target=(1, 0), extra=RecoveryMode.LINE_PART, **ends
    )
    assert marked(longer, free) == {"b1": "*", "c1": "*", "d1": ">", "d2": "-", "e1": "*"}


def test_marks_stand_right_before_what_the_cell_holds() -> None:
    cells = {"a1": "-", "b1": "x", "c1": ">", "d1": "*"}
    state = position("11 a A .")
    board = state.variant.board
    found = {parse_cell(board, name): mark for name, mark in cells.items()}
    wide, narrow = (
        lines(state, ascii_signs, pitch, found).split("\n")[0]
        for pitch in (pitch_wide, pitch_narrow)
    )
    assert wide == "1-A2/2   xa  >##A##  *.     .     .     .     ."
    assert narrow == "1-A22 xa >#A# *.   .   .   .   ."


def test_an_impossible_mark_changes_no_other_column() -> None:
    plain = lines(on_square8, ascii_signs, pitch_wide)
    cells = on_square8.variant.board.cells
    every = lines(on_square8, ascii_signs, pitch_wide, dict.fromkeys(cells, "*"))
    differing = {(a, b) for a, b in itertools.zip_longest(plain, every) if a != b}
    assert differing == {(" ", "*")}
