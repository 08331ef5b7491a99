"""What is said of positions and moves that cannot be read, whichever way they are written."""

import reprlib

_shown_max = 80


class NotationError(ValueError):
    """No position, move or cell; the message names the field, its value and what was expected."""


class OutsideTheGame(NotationError):
    """Well-formed, but of a cell, board or number of players that the game does not have."""


class _Shown(reprlib.Repr):
    """What a message shows of a value, however large or deep it is."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 4
        self.maxstring = self.maxother = self.maxlong = _shown_max

    def repr_int(self, x: int, level: int) -> str:
        """Write a number, unless it has more digits than Python would write."""
        bits = x.bit_length()
        return super().repr_int(x, level) if bits <= 4 * _shown_max else f"a number of {bits} bits"


_values = _Shown()


def shown(value: object) -> str:
    """Return a value as messages show it: on one line, and cut where it is long."""
    return _values.repr(value)[:_shown_max]


def wrong(name: str, value: object, expected: str) -> NotationError:
    """Return the error that a field has the wrong value; the caller raises it."""
    return NotationError(f"{name} is {shown(value)}; expected {expected}")
