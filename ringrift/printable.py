"""Text as it is shown: that of others made safe, since a peer's name must not steer the operator's
terminal; and numbers of things."""

import itertools
import re

quoted_max = 80
message_max = 600

_character = re.compile(r"\\(?:x..|u.{4}|U.{8}|.)|.", re.DOTALL)
"""One of what was escaped, however many it is shown as."""


def printable(text: str) -> str:
    r"""Return `text` with every control, format or unassigned character as `\n`, `\x1b`, `\u202e`.

    What remains moves no cursor, starts no line and can be encoded.
    """
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode("ascii")
        for each in text
    )


def quoted(text: str) -> str:
    """Return a text as a message repeats it: in quotes, and shortened where it is long."""
    whole = repr(text)
    return whole if len(whole) <= quoted_max else _ends(whole, 52, 25)


def shortened(message: str) -> str:
    """Return a message without the middle of what no sentence of ours is as long as."""
    return message if len(message) <= message_max else _ends(message, 450, 147)


def _ends(text: str, first: int, last: int) -> str:
    """Return so much of a text's beginning and end, or a little less: no escape is cut in two."""
    edges = [0, *itertools.accumulate(map(len, _character.findall(text)))]
    head = max(edge for edge in edges if edge <= first)
    tail = min(edge for edge in edges if edge >= len(text) - last)
    return f"{text[:head]}...{text[tail:]}"


def counted(count: int, noun: str) -> str:
    """Return `1 game`, or `1,234 games`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
