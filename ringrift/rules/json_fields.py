"""Reading checked values out of parsed JSON, and cells out of it and into it.

Readers take the name of the field for the message of the `NotationError` that they raise.
"""

import re
from collections.abc import Iterable, Mapping

from ringrift.rules.errors import OutsideTheGame, wrong
from ringrift.rules.geometry import Board, bits

Json = Mapping[str, object]


def get(source: Json, *names: str) -> object:
    """Return the first field that is present and not null, also if spelt in snake_case."""
    for name in names:
        for spelling in (name, re.sub("([A-Z])", r"_\1", name).lower()):
            if source.get(spelling) is not None:
                return source[spelling]
    return None


def read_map(value: object, name: str) -> Json:
    """Return an object as it is."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise wrong(name, value, "an object")
    return value


def read_list(value: object, name: str) -> list[object]:
    """Return an array as it is."""
    if not isinstance(value, list):
        raise wrong(name, value, "an array")
    return value


def read_int(value: object, name: str, low: int, high: int) -> int:
    """Return a whole number from `low` to `high`."""
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise wrong(name, value, f"a number from {low} to {high}")
    return value


def read_word(value: object, name: str, known: Iterable[str]) -> str:
    """Return one of the known words."""
    words = list(known)
    if value not in words:
        raise wrong(name, value, f"one of {', '.join(words)}")
    return str(value)


def read_flag(value: object, name: str) -> bool:
    """Return a truth value."""
    if not isinstance(value, bool):
        raise wrong(name, value, "true or false")
    return value


def position(board: Board, cell: int) -> dict[str, int]:
    """Write a cell as an object."""
    x, y = board.xy(cell)
    return {"x": x, "y": y, "z": -x - y} if board.is_hex else {"x": x, "y": y}


def key(board: Board, cell: int) -> str:
    """Write a cell as the key of a map."""
    return ",".join(str(number) for number in position(board, cell).values())


def read_cell(board: Board, value: object, name: str) -> int:
    """Read a cell from an object. Raises `OutsideTheGame` if the board has none there."""
    fields = read_map(value, name)
    return _checked_cell(board, [fields.get("x"), fields.get("y"), fields.get("z")], name)


def read_key(board: Board, text: object, name: str) -> int:
    """Read a cell from the key of a map. Raises as `read_cell`."""
    numbers = text.split(",") if isinstance(text, str) else []
    if not 2 <= len(numbers) <= 3 or not all(re.fullmatch("-?[0-9]{1,3}", n) for n in numbers):
        raise wrong(name, text, "a cell as 'x,y' or 'x,y,z'")
    return _checked_cell(board, [int(number) for number in numbers], name)


def _checked_cell(board: Board, numbers: list[object], name: str) -> int:
    x = read_int(numbers[0], f"{name}.x", -99, 99)
    y = read_int(numbers[1], f"{name}.y", -99, 99)
    z = numbers[2] if len(numbers) == 3 else None
    if board.is_hex and z not in (None, -x - y):
        raise wrong(f"{name}.z", z, f"{-x - y}, for x + y + z = 0")
    try:
        return board.cell(x, y)
    except ValueError as error:
        raise OutsideTheGame(f"{name}: {error}") from None


def read_cells(board: Board, value: object, name: str) -> list[int]:
    """Read an array of cells and return them ascending."""
    return sorted({read_cell(board, item, name) for item in read_list(value, name)})


def positions(board: Board, mask: int) -> list[dict[str, int]]:
    """Write the cells of a mask as objects, ascending."""
    return [position(board, cell) for cell in bits(mask)]
