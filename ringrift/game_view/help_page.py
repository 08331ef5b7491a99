"""The page that tells what the signs of a game's page mean, and what the keys do."""

import textwrap
from collections.abc import Iterator

from rich.text import Text

from ringrift.game_view.drawing import (
    Signs,
    arrived,
    bereft,
    changed,
    departed,
    pitch_wide,
    shades,
)


def help_page(signs: Signs, pitch: int, columns: int, rows: int) -> list[Text]:
    """Return a line for each sign and key, or all in one paragraph where that has no room.

    In a window of very few characters the paragraph does not fit either; it begins with the keys.
    """
    told, keys = list(_signs_told(signs, pitch)), list(_keys_told(signs))
    width = max(len(sign) for sign, _ in told + keys)
    lines = [
        Text.assemble((f"{sign:<{width}}", "bold"), f"  {means}") for sign, means in told + keys
    ]
    if len(lines) <= rows and max(map(len, lines)) <= columns:
        return lines
    paragraph = "; ".join(f"{sign}: {means}" for sign, means in keys + told)
    return [Text(line) for line in textwrap.wrap(paragraph, columns, break_on_hyphens=False)]


def _signs_told(signs: Signs, pitch: int) -> Iterator[tuple[str, str]]:
    one, shade = signs.stacks[0], shades(signs, pitch)
    stroke = "/" if pitch == pitch_wide else ""
    yield departed, "the latest move left here"
    yield arrived, "it came here"
    yield bereft, "this stack lost rings to it"
    yield changed, "it changed this cell in another way"
    yield " ".join(signs.markers), "markers of players 1 to 4"
    yield f"{one}5{stroke}2", "5 rings, the upper 2 their owner's: cap 2"
    yield "a-z +", "in a stack: 10 to 35, and more"
    yield f"{shade}{one}{shade}", "territory of player 1"
    yield "hand", "rings to be placed"
    yield "eliminated", "rings, and how many win"
    yield "territory", "cells, and how many win"


def _keys_told(signs: Signs) -> Iterator[tuple[str, str]]:
    left, right, up, down = signs.keys.split()
    yield "q", "quit"
    yield "?", "this page; any key but q leads back"
    yield f"{left} {right}", "a move back, on; also Space for on"
    yield f"{up} {down}", "a turn back, on; also PgUp, PgDn"
    yield "Home End", "to the start, the end"
    yield "h j k l", "more of the left, bottom, top, right"
