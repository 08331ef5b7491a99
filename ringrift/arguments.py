"""What command lines with numbers in them share."""

import argparse
import re
from collections.abc import Callable


def integer(low: int, high: int) -> Callable[[str], int]:
    """Return a parser for argparse: of decimal numbers from `low` to `high`, both included."""

    def parse(text: str) -> int:
        if not re.fullmatch("-?[0-9]{1,20}", text) or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text!r:.80}; expected a number, {low} to {high}")
        return int(text)

    return parse
