"""`status`: how this node and its mesh are doing, in a table or as JSON."""

import argparse
import sys
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ringrift.commands.common import ask_agent, print_json
from ringrift.exits import Exit
from ringrift.printable import printable

_colours = {"alive": "green", "playing": "green", "suspect": "yellow", "dead": "red"}
_units = (("d", 86_400, "h", 3_600), ("h", 3_600, "min", 60), ("min", 60, "s", 1))
_folded = {"MEMBER", "ADDRESSES"}
"""Columns that a narrow terminal folds, so that no member's long name hides another's state."""

_width_piped = 10_000
"""For a program that reads the lines, nothing is folded or cut."""


def status(options: argparse.Namespace) -> int:
    """Print the node's status; the exit status says whether anything is wrong."""
    found: dict[str, Any] = ask_agent(options, "GET", "/v1/status")
    if options.json:
        print_json(found)
    else:
        console = Console(highlight=False)
        if console.is_terminal:
            show(console, found)
        else:
            sys.stdout.writelines(_lines(found))
    return Exit.DEGRADED if found["problems"] else Exit.HEALTHY


def _lines(found: dict[str, Any]) -> Iterator[str]:
    """Yield the lines for a pipe or a file, without the spaces that fill a table's last column."""
    console = Console(highlight=False, width=_width_piped)
    with console.capture() as captured:
        show(console, found)
    for line in captured.get().removesuffix("\n").split("\n"):
        yield f"{line.rstrip()}\n"


def show(console: Console, found: dict[str, Any]) -> None:
    """Draw a status, as `status --json` gives it, on a console."""
    node, mesh, games = found["node"], found["mesh"], found["records"]["games"]
    console.print(
        Text.assemble(
            _text(node["name"], "bold"),
            f"  {node['id'][:12]}  mesh {mesh['id']}  up {duration(node['uptime_s'])}"
            f"  version {node['version']}  listening on {node['listen']}",
        )
    )
    console.print(_games_line(games))
    if found["paused"]:
        console.print(Text("paused: no further game is started on this box", style="yellow"))
    console.print()
    console.print(_members(node["id"], mesh["members"]))
    if found["jobs"]:
        console.print()
        console.print(_jobs(found["jobs"]))
    console.print()
    for problem in found["problems"]:
        console.print(Text.assemble(("problem  ", "bold red"), _text(problem)))
    if not found["problems"]:
        console.print(Text("healthy", style="green"))


def _games_line(games: dict[str, Any]) -> Text:
    line = Text.assemble((f"{games['stored']:,}", "bold"), " games held here, ")
    if games["safe"] is None:
        return line.append("how many are safe is not yet known")
    line.append(f"{games['safe']:,} of them safe on other boxes too")
    by_config = ", ".join(f"{config} {count:,}" for config, count in games["by_config"].items())
    return line.append(_text(f"  ({by_config})" if by_config else ""))


def _text(value: str, style: str = "") -> Text:
    """Show text of a peer as it is: rich would take a plain string for markup and emoji codes."""
    return Text(printable(value), style)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, no_wrap=column not in _folded, overflow="fold")
    return table


def _members(me: str, members: list[dict[str, Any]]) -> Table:
    table = _table("MEMBER", "ID", "STATE", "HEARD", "VERSION", "ADDRESSES")
    for member in members:
        state = _text(member["state"], _colours.get(member["state"], ""))
        heard = "this node" if member["id"] == me else ago(member["last_heard_s"])
        table.add_row(
            _text(member["name"]), _text(member["id"][:12]), state, heard,
            _text(member["version"]), _text(" ".join(member["addresses"])),
        )  # fmt: skip
    return table


def _jobs(jobs: list[dict[str, Any]]) -> Table:
    table = _table("JOB", "STATE", "CONFIG", "GAMES", "PID")
    for job in jobs:
        state = _text(job["state"], _colours.get(job["state"], "yellow"))
        table.add_row(
            _text(job["id"]), state, _text(job["config"] or "-"),
            f"{job['games']:,}", str(job["pid"] or "-"),
        )  # fmt: skip
    return table


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
