"""How the verbs draw: with colours and folded to fit on a terminal, plain lines everywhere else."""

import sys
from collections.abc import Collection, Iterator, Sequence

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from ringrift.printable import counted, printable

_units = (("d", 86_400, "h", 3_600), ("h", 3_600, "min", 60), ("min", 60, "s", 1))
_sizes = (("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30))
_bytes_counted_max = 9_999

width_piped = 10_000
"""For a program that reads the lines, nothing is folded or cut."""


def draw(drawn: RenderableType) -> None:
    """Draw on stdout."""
    console = Console(highlight=False)
    if console.is_terminal:
        console.print(drawn)
    else:
        sys.stdout.writelines(lines(drawn))


def lines(drawn: RenderableType) -> Iterator[str]:
    """Yield the lines for a pipe or a file, without the spaces that fill a table's last column."""
    console = Console(highlight=False, width=width_piped)
    with console.capture() as captured:
        console.print(drawn)
    for line in captured.get().removesuffix("\n").split("\n"):
        yield f"{line.rstrip()}\n"


def plain(value: str, style: str = "") -> Text:
    """Show text of a peer as it is: rich would take a plain string for markup and emoji codes."""
    return Text(printable(value), style)


def table(columns: Sequence[str], folded: Collection[str] = ()) -> Table:
    """Begin a table; a narrow terminal folds the columns `folded` and no other."""
    made = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column in columns:
        made.add_column(column, no_wrap=column not in folded, overflow="fold")
    return made


def ago(seconds: float | None) -> str:
    """Say how long ago something was; unknown is said as such."""
    return "never" if seconds is None else f"{duration(seconds)} ago"


def duration(seconds: float) -> str:
    """Say a time in two units at most."""
    whole = int(seconds)
    for unit, size, smaller, smaller_size in _units:
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // smaller_size} {smaller}"
    return f"{whole} s"


def size(count_bytes: int) -> str:
    """Say a number of bytes, in a larger unit where it is long."""
    if count_bytes <= _bytes_counted_max:
        return counted(count_bytes, "byte")
    fitting = ((name, unit) for name, unit in _sizes if round(count_bytes / unit, 1) < 1024)
    name, unit = next(fitting, _sizes[-1])
    return f"{count_bytes / unit:,.1f} {name}"
