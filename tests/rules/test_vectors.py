"""The engine agrees with the published data, as far as their README calls them an oracle."""

import dataclasses
import re
from typing import Any

import pytest

from ringrift.rules.conformance import Failed, Item, Passed, Skipped, judge
from ringrift.rules.geometry import board
from tests.rules import vectors
from tests.rules.test_symmetry import Symmetry, symmetries

pytestmark = pytest.mark.skipif(not vectors.found(), reason=vectors.absent)
on_boards = [item for item in vectors.every() if item.stratum != "fsm"]


def by_name(item: Item) -> str:
    """Return the id of a test of this item."""
    return f"{item.stratum}/{item.id}"


@pytest.mark.parametrize("item", vectors.every(), ids=by_name)
def test_an_item_holds_or_is_skipped_for_a_reason(item: Item) -> None:
    verdict = judge(item)
    assert not isinstance(verdict, Failed), verdict.difference
    if isinstance(verdict, Skipped):
        assert item.stratum not in ("transitions", "games")
        assert item.label not in ("A", "B")


def test_one_assertion_of_one_vector_is_set_aside() -> None:
    crossing = "multiplayer.line.4marker_line_in_2p"
    verdicts = {item.id: judge(item) for item in vectors.every() if item.stratum == "contract_v2"}
    if crossing not in verdicts:
        pytest.skip(f"{crossing} is not in {vectors.folder}")
    remarked = [
        name for name, verdict in verdicts.items() if isinstance(verdict, Passed) and verdict.notes
    ]
    assert remarked == [crossing]


def board_of(value: Any) -> str:
    """Return the name of the board that an item is played on."""
    name = value.get("boardType") or value["input"]["state"]["board"]["type"]
    assert isinstance(name, str)
    return name


def image(value: Any, symmetry: Symmetry, is_hex: bool) -> Any:
    """Return JSON with every cell in it mapped, be it an object, a key or part of a signature."""

    def key(found: re.Match[str]) -> str:
        numbers = [int(number) for number in found.group().split(",")]
        x, y = symmetry(*numbers[:2])
        return ",".join(map(str, (x, y, -x - y)[: len(numbers)]))

    def mapped(value: Any) -> Any:
        if isinstance(value, list):
            return [mapped(item) for item in value]
        if isinstance(value, str):
            return re.sub(r"-?\d+,-?\d+(,-?\d+)?", key, value)
        if not isinstance(value, dict):
            return value
        if {"x", "y"} <= value.keys():
            x, y = symmetry(value["x"], value["y"])
            return {"x": x, "y": y, "z": -x - y if is_hex and value.get("z") is not None else None}
        return {mapped(name): mapped(item) for name, item in value.items()}

    return mapped(value)


@pytest.mark.parametrize("item", on_boards, ids=by_name)
def test_an_item_comes_out_the_same_seen_from_another_side(item: Item) -> None:
    name = board_of(item.value)
    sides = symmetries(name)[1:]
    side = sides[sum(map(ord, item.id)) % len(sides)]
    seen = [image(value, side, board(name).is_hex) for value in (item.value, *item.earlier)]
    there = dataclasses.replace(item, value=seen[0], earlier=tuple(seen[1:]))
    assert judge(there) == judge(item)
