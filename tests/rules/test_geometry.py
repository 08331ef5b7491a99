"""Boards and numbers are those of the rules' tables, and shifts are steps."""

import re
from typing import Any, cast

import pytest

from ringrift.rules import Config, RuleSet, configs
from ringrift.rules.config import variant
from ringrift.rules.errors import NotationError
from ringrift.rules.geometry import Board, bits, board, board_names

square_steps = {(x, y) for x in (-1, 0, 1) for y in (-1, 0, 1)} - {(0, 0)}
hex_steps = {(1, 0), (1, -1), (0, -1), (-1, 0), (-1, 1), (0, 1)}


@pytest.mark.parametrize(
    ("name", "cells"), [("square8", 64), ("square19", 361), ("hex8", 61), ("hexagonal", 469)]
)
def test_a_board_has_the_cells_of_the_table(name: str, cells: int) -> None:
    assert len(set(board(name).cells)) == cells


@pytest.mark.parametrize(
    ("config", "rings", "line", "elimination", "territory"),
    [
        ("square8_2p", 18, 4, 18, 33),
        ("square8_3p", 18, 3, 24, 22),
        ("square8_4p", 18, 3, 30, 17),
        ("square19_2p", 72, 4, 72, 181),
        ("square19_3p", 72, 4, 96, 121),
        ("square19_4p", 72, 4, 120, 91),
        ("hex8_2p", 18, 4, 18, 31),
        ("hex8_3p", 18, 3, 24, 21),
        ("hex8_4p", 18, 3, 30, 16),
        ("hexagonal_2p", 96, 4, 96, 235),
        ("hexagonal_3p", 96, 4, 128, 157),
        ("hexagonal_4p", 96, 4, 160, 118),
    ],
)
def test_a_config_has_the_numbers_of_the_tables(
    config: str, rings: int, line: int, elimination: int, territory: int
) -> None:
    numbers = variant(Config.parse(config), RuleSet())
    assert numbers.config.name == config
    assert (numbers.rings, numbers.line_length) == (rings, line)
    assert (numbers.elimination_threshold, numbers.territory_minimum) == (elimination, territory)


def test_there_are_twelve_configs() -> None:
    assert len(configs) == len(set(configs)) == 12


@pytest.mark.parametrize("name", ["square8_5p", "square8_1p", "square9_2p", "square8", "", "2p"])
def test_an_unknown_config_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(NotationError, match=r"no config '.*square8_2p, .*hexagonal_4p"):
        Config.parse(name)


@pytest.mark.parametrize("players", [1, 5, 2.0, "2", True, None])
def test_a_config_cannot_be_made_for_players_that_do_not_exist(players: Any) -> None:
    with pytest.raises(ValueError, match=f"players is {players!r}; expected 2 to 4"):
        Config("square8", players)


def test_a_config_cannot_be_made_for_a_board_that_does_not_exist() -> None:
    with pytest.raises(ValueError, match="board is 'square9'; expected one of square8, square19"):
        Config("square9", 2)


def test_a_config_cannot_be_parsed_from_what_is_no_text() -> None:
    with pytest.raises(NotationError, match=r"no config \['square8_2p'\]; expected one of"):
        Config.parse(cast("str", ["square8_2p"]))


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("end_test", "each_move", "an EndTest"),
        ("sole_owner_wins", 1, "True or False"),
        ("swap", "no", "True or False"),
        ("lps_rounds", 0, "a number from 1 to 1000"),
        ("lps_rounds", 1001, "a number from 1 to 1000"),
        ("lps_rounds", "3", "a number from 1 to 1000"),
        ("lps_rounds", None, "a number from 1 to 1000"),
        ("line_length", 1, "a number from 2 to 1000"),
        ("line_length", 3.5, "a number from 2 to 1000"),
        ("elimination_threshold", 0, "a number from 1 to 1000"),
        ("elimination_threshold", True, "a number from 1 to 1000"),
    ],
)
def test_a_rule_set_refuses_what_makes_no_game(field: str, value: object, expected: str) -> None:
    fields: dict[str, Any] = {field: value}
    with pytest.raises(ValueError, match=re.escape(f"{field} is {value!r}; expected {expected}")):
        RuleSet(**fields)


@pytest.mark.parametrize("name", board_names)
def test_a_shift_along_an_axis_is_a_step_or_leaves_the_board(name: str) -> None:
    geometry = board(name)
    steps = hex_steps if geometry.is_hex else square_steps
    for cell in geometry.cells:
        x, y = geometry.xy(cell)
        there = {
            geometry.xy(cell + shift)
            for axis in geometry.axes
            for shift in (axis, -axis)
            if cell + shift >= 0 and geometry.all >> cell + shift & 1
        }
        assert there == {(x + dx, y + dy) for dx, dy in steps if _on(geometry, x + dx, y + dy)}


@pytest.mark.parametrize("name", board_names)
def test_territory_connects_by_rook_steps_on_squares_and_by_all_six_on_hexes(name: str) -> None:
    geometry = board(name)
    middle = geometry.cell(0, 0) if geometry.is_hex else geometry.cell(3, 3)
    near = bits(geometry.neighbours(1 << middle, geometry.borders))
    x, y = geometry.xy(middle)
    steps = hex_steps if geometry.is_hex else {(0, 1), (1, 0), (0, -1), (-1, 0)}
    assert {geometry.xy(cell) for cell in near} == {(x + dx, y + dy) for dx, dy in steps}


@pytest.mark.parametrize("name", board_names)
def test_rays_walk_straight_to_the_edge(name: str) -> None:
    geometry = board(name)
    steps = hex_steps if geometry.is_hex else square_steps
    for cell in geometry.cells:
        walks = []
        for dx, dy in steps:
            x, y = geometry.xy(cell)
            walk = []
            while _on(geometry, x := x + dx, y := y + dy):
                walk.append(geometry.cell(x, y))
            if walk:
                walks.append(walk)
        assert sorted(list(ray.distance) for ray in geometry.rays[cell]) == sorted(walks)
        for ray in geometry.rays[cell]:
            walk = list(ray.distance)
            assert list(bits(ray.mask)) == sorted(walk)
            assert list(ray.distance.values()) == list(range(1, len(walk) + 1))
            assert ray.nearest(ray.mask) == walk[0]
            assert [list(bits(geometry.between[cell][to])) for to in walk] == [
                sorted(walk[:steps_taken]) for steps_taken in range(len(walk))
            ]


def _on(geometry: Board, x: int, y: int) -> bool:
    if geometry.is_hex:
        return max(abs(x), abs(y), abs(x + y)) <= geometry.radius
    side = geometry.height - 1
    return 0 <= x < side and 0 <= y < side


@pytest.mark.parametrize(("x", "y"), [(8, 0), (0, 8), (-1, 0), (0, -1), (99, 99)])
def test_there_is_no_cell_beyond_the_edge(x: int, y: int) -> None:
    with pytest.raises(ValueError, match="not on square8"):
        board("square8").cell(x, y)


def test_there_is_no_board_of_another_name() -> None:
    with pytest.raises(ValueError, match=r"no board 'square9'.*square8"):
        board("square9")
