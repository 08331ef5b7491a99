"""What somebody may have meant who wrote a name that is none."""

import difflib
from collections.abc import Collection

_likeness_min = 0.6
"""Below this the guess would seldom be right, and every name that there is is told instead."""


def nearest(name: str, known: Collection[str], prefix: str = "") -> str:
    """Return how a sentence about an unknown name ends: with the nearest known one, or with all.

    What all names begin with, `prefix`, brings none of them nearer.
    """
    bare = [each.removeprefix(prefix) for each in known]
    for near in difflib.get_close_matches(name.removeprefix(prefix), bare, 1, _likeness_min):
        return f"; did you mean {prefix}{near}?"
    return f"; there are {', '.join(known)}"
