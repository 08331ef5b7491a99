"""A board looks the same from every side, and so do the rules: turning or reflecting a position
turns or reflects its legal moves and what they do. Squares have 8 symmetries and hexes 12."""

import functools
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringrift.rules import Config, Move, MoveType, State, apply, configs, legal_moves
from ringrift.rules.geometry import board, board_names
from ringrift.rules.json_move import read_move, write_move
from ringrift.rules.json_state import read_state, write_state
from tests.rules import reference
from tests.rules.reference.lines import run_through
from tests.rules.reference.state import with_marker, without_markers
from tests.rules.walks import opening, walk

XY = tuple[int, int]
Symmetry = Callable[[int, int], XY]

small_configs = [config for config in configs if config.board in ("square8", "hex8")]
large_configs = [config for config in configs if config not in small_configs]
seeds = st.integers(0, 2**32 - 1)


@functools.cache
def symmetries(name: str) -> list[Symmetry]:
    """Return every turn and reflection of a board, made by repeating one of each."""
    geometry = board(name)
    last = geometry.height - 2

    def turned(x: int, y: int) -> XY:
        return (-y, x + y) if geometry.is_hex else (y, last - x)

    def repeated(turns: int, reflected: bool, x: int, y: int) -> XY:
        x, y = (y, x) if reflected else (x, y)
        for _ in range(turns):
            x, y = turned(x, y)
        return x, y

    turns = range(6 if geometry.is_hex else 4)
    return [functools.partial(repeated, n, flip) for n in turns for flip in (False, True)]


@pytest.mark.parametrize("name", board_names)
def test_a_square_has_eight_symmetries_and_a_hexagon_twelve(name: str) -> None:
    geometry = board(name)
    places = [geometry.xy(cell) for cell in geometry.cells]
    images = {tuple(symmetry(x, y) for x, y in places) for symmetry in symmetries(name)}
    assert len(images) == (12 if geometry.is_hex else 8)
    assert all(set(image) == set(places) for image in images)


def image(value: Any, symmetry: Symmetry, is_hex: bool) -> Any:
    """Return JSON with every cell in it mapped, be it an object or a key."""

    def key(text: str) -> str:
        x, y = symmetry(*[int(number) for number in text.split(",")][:2])
        return f"{x},{y},{-x - y}" if is_hex else f"{x},{y}"

    if isinstance(value, list):
        return [image(item, symmetry, is_hex) for item in value]
    if isinstance(value, str):
        return key(value) if "," in value else value
    if not isinstance(value, dict):
        return value
    if {"x", "y"} <= value.keys():
        x, y = symmetry(value["x"], value["y"])
        return {"x": x, "y": y}
    return {
        key(name) if "," in name else name: image(item, symmetry, is_hex)
        for name, item in value.items()
    }


def mapped_state(state: State, symmetry: Symmetry) -> State:
    """Return the position turned or reflected."""
    is_hex = state.variant.board.is_hex
    return read_state(image(write_state(state), symmetry, is_hex), state.variant.rules)


def mapped_move(state: State, move: Move, symmetry: Symmetry, there: State) -> Move:
    """Return the same choice in the mapped position; JSON names it by all of its cells."""
    return read_move(there, image(write_move(state, move), symmetry, state.variant.board.is_hex))


def chooses_by_axis(state: State) -> bool:
    """Return whether a recovery slide makes two equal lines: there the order of axes decides.

    No symmetry keeps that order (AMB-24).
    """
    if all(option.type is not MoveType.RECOVERY_SLIDE for option in legal_moves(state)):
        return False
    slow = reference.read_state(write_state(state), state.variant.rules)
    for move in reference.legal_moves(slow):
        if move.mode == "line" and move.origin and move.to:
            slid = with_marker(without_markers(slow, {move.origin}), move.to, slow.player)
            runs = [run_through(slid, move.to, axis, slow.player) for axis in slow.grid.axes]
            lengths = sorted(len(run) for run in runs)
            if lengths[-1] == lengths[-2]:
                return True
    return False


def check(config: Config, seed: int, moves_max: int) -> None:
    """Play a game and map every position and its moves, each by a symmetry drawn anew."""
    rng = random.Random(seed)
    for before, chosen, after in walk(opening(config, rng), rng, moves_max):
        if chooses_by_axis(before):
            continue
        symmetry = rng.choice(symmetries(config.board))
        there = mapped_state(before, symmetry)
        images = {move: mapped_move(before, move, symmetry, there) for move in legal_moves(before)}
        assert set(images.values()) == set(legal_moves(there))
        assert len(images) == len(legal_moves(there))
        assert apply(there, images[chosen]) == mapped_state(after, symmetry)


@given(st.sampled_from(small_configs), seeds)
@settings(max_examples=40, deadline=None)
def test_a_mapped_position_has_the_mapped_moves_and_they_lead_to_mapped_positions(
    config: Config, seed: int
) -> None:
    check(config, seed, moves_max=25)


@given(st.sampled_from(large_configs), seeds)
@settings(max_examples=8, deadline=None)
def test_so_it_has_on_a_large_board(config: Config, seed: int) -> None:
    check(config, seed, moves_max=5)
