"""`members`: everyone in the mesh, as this node sees them."""

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from ringrift.commands.common import ask_agent, print_json
from ringrift.commands.drawing import ago, draw, duration, plain, table
from ringrift.exits import Exit
from ringrift.printable import printable

_state_colours = {"alive": "green", "suspect": "yellow", "dead": "red"}

Member = Mapping[str, Any]
"""One of `mesh.members` of `status --json`."""

_Columns = dict[str, Callable[[Member], RenderableType]]
"""What to tell of a member, by heading."""

_columns: _Columns = {
    "MEMBER": lambda member: plain(member["name"]),
    "ID": lambda member: plain(member["id"][:12]),
    "STATE": lambda member: plain(member["state"], _state_colours.get(member["state"], "")),
    "HEARD": lambda member: ago(member["last_heard_s"]),
    "KEEPS": lambda member: "durable" if member["durable"] else "ephemeral",
    "CLOCK": lambda member: _clock(member["clock_offset_ms"]),
    "EXCHANGE": lambda member: plain(_exchange(member["latest_exchange"])),
    "VERSION": lambda member: plain(member["version"]),
    "ADDRESSES": lambda member: plain(" ".join(member["addresses"])),
}

_of_others = {"CLOCK", "EXCHANGE"}
"""What no node has with itself."""

_wide = 10_000


def _only(*names: str) -> _Columns:
    return {name: _columns[name] for name in names}


_first_address: _Columns = {"ADDRESSES": lambda member: plain(_first_of(member["addresses"]))}

_in_brief: Sequence[_Columns] = (
    _only("MEMBER", "ID", "STATE", "HEARD", "VERSION", "ADDRESSES"),
    _only("MEMBER", "ID", "STATE", "HEARD", "ADDRESSES"),
    _only("MEMBER", "ID", "STATE", "HEARD") | _first_address,
    _only("MEMBER", "STATE", "HEARD") | _first_address,
    _only("MEMBER", "ID", "STATE", "HEARD"),
)
"""What `status` tells, from the widest table to the narrowest."""

_name_chars_min = 16
"""Names are folded to that before a narrower table is drawn."""


def members(options: argparse.Namespace) -> int:
    """Print the members; the exit status says whether a durable one is not there."""
    found: dict[str, Any] = ask_agent(options, "GET", "/v1/status")
    told: list[Member] = found["mesh"]["members"]
    if options.json:
        print_json(told)
    else:
        draw(_Fitting(found["node"]["id"], told))
    missed = any(each["durable"] and each["state"] in ("suspect", "dead") for each in told)
    return Exit.DEGRADED if missed else Exit.HEALTHY


def _member_table(me: str, told: Iterable[Member], columns: _Columns) -> Table:
    """Draw a line for each member; `me` is the id of this node. Only names are folded."""
    drawn = table(list(columns), ["MEMBER"])
    for member in told:
        drawn.add_row(*(_cell(me, member, column, columns) for column in columns))
    return drawn


class Members:
    """A line for each member, with as much as the terminal is wide enough for."""

    def __init__(self, me: str, told: Sequence[Member]) -> None:
        """`me` is the id of this node."""
        self._me = me
        self._told = told

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        names = max((len(printable(member["name"])) for member in self._told), default=0)
        room = options.max_width + max(0, names - _name_chars_min)
        tables = [_member_table(self._me, self._told, columns) for columns in _in_brief]
        yield next((each for each in tables if _width(console, each) <= room), tables[-1])


def _width(console: Console, drawn: Table) -> int:
    """Return how wide a table is where nothing is folded."""
    return Measurement.get(console, console.options.update(width=_wide), drawn).maximum


def _cell(me: str, member: Member, column: str, columns: _Columns = _columns) -> RenderableType:
    if member["id"] != me:
        return columns[column](member)
    if column == "HEARD":
        return "this node"
    return "-" if column in _of_others else columns[column](member)


def _first_of(addresses: Sequence[str]) -> str:
    more = len(addresses) - 1
    return f"{addresses[0]} +{more}" if more > 0 else " ".join(addresses)


class _Fitting:
    """All that is known of the members: a line for each, or a paragraph where that is too wide."""

    def __init__(self, me: str, told: Sequence[Member]) -> None:
        self._me = me
        self._told = told

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        whole = _member_table(self._me, self._told, _columns)
        if _width(console, whole) <= options.max_width:
            yield whole
            return
        for number, member in enumerate(self._told):
            if number:
                yield ""
            yield self._paragraph(member)

    def _paragraph(self, member: Member) -> Table:
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(no_wrap=True, style="dim")
        grid.add_column(overflow="fold")
        for column in _columns:
            grid.add_row(Text(column.lower()), _cell(self._me, member, column))
        return grid


def _clock(offset_ms: float | None) -> str:
    if offset_ms is None:
        return "unknown"
    apart = (
        f"{abs(offset_ms):,.0f} ms" if abs(offset_ms) < 10_000 else duration(abs(offset_ms) / 1000)
    )
    return f"{apart} {'ahead' if offset_ms > 0 else 'behind'}"


def _exchange(latest: Mapping[str, Any] | None) -> str:
    if latest is None:
        return "none yet"
    if latest["failure"]:
        return f"{ago(latest['ago_s'])}, failed: {latest['failure']}"
    return f"{ago(latest['ago_s'])}: {latest['given']:,} given, {latest['taken']:,} taken"
