"""What command lines share."""

import argparse
import re
import sys
from collections.abc import Callable
from typing import Any

from ringrift.printable import quoted


class Parser(argparse.ArgumentParser):
    """One whose help raises `OSError` where it cannot be written; argparse's own passes over it."""

    def _print_message(self, message: str, file: Any = None) -> None:
        if file is not None and file is sys.stdout:
            file.write(message)
            file.flush()
        else:
            super()._print_message(message, file)


def integer(low: int, high: int) -> Callable[[str], int]:
    """Return a parser for argparse: of decimal numbers from `low` to `high`, both included."""

    def parse(text: str) -> int:
        if not re.fullmatch("-?[0-9]{1,20}", text) or not low <= int(text) <= high:
            expected = f"expected a number from {low} to {high}"
            raise argparse.ArgumentTypeError(f"{quoted(text)}; {expected}")
        return int(text)

    return parse
