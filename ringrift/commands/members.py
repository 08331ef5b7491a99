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

_state_colours = {"alive": "green", "suspect": "yellow", "dead": "red"}

Member = Mapping[str, Any]
"""One of `mesh.members` of `status --json`."""

_columns: Mapping[str, Callable[[Member], RenderableType]] = {
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
"""What can be told of a member, by heading."""

_of_others = {"CLOCK", "EXCHANGE"}
"""What no node has with itself."""

_folded = {"MEMBER", "EXCHANGE", "ADDRESSES"}
"""Columns that a narrow terminal folds, so that no member's long name hides another's state."""

_wide = 10_000

_in_brief = ("MEMBER", "ID", "STATE", "HEARD", "VERSION", "ADDRESSES")


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


def member_table(me: str, told: Iterable[Member], columns: Sequence[str] = _in_brief) -> Table:
    """Draw a line for each member; `me` is the id of this node."""
    drawn = table(columns, _folded)
    for member in told:
        drawn.add_row(*(_cell(me, member, column) for column in columns))
    return drawn


def _cell(me: str, member: Member, column: str) -> RenderableType:
    if member["id"] != me:
        return _columns[column](member)
    if column == "HEARD":
        return "this node"
    return "-" if column in _of_others else _columns[column](member)


class _Fitting:
    """All that is known of the members: a line for each, or a paragraph where that is too wide."""

    def __init__(self, me: str, told: Sequence[Member]) -> None:
        self._me = me
        self._told = told

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        whole = member_table(self._me, self._told, tuple(_columns))
        if (
            Measurement.get(console, options.update(width=_wide), whole).maximum
            <= options.max_width
        ):
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
