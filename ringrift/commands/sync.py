"""`sync`: exchange records now, and tell what was found and moved."""

import argparse
import json
import sys
import urllib.parse
from collections.abc import Iterable, Iterator
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn

from ringrift.commands.common import print_json, say, stream_agent
from ringrift.exits import Exit
from ringrift.printable import counted, printable


def sync(options: argparse.Namespace) -> int:
    """Print a line for each member; the exit status says whether all are in sync."""
    fields = {"what": options.what} | ({"peer": options.peer} if options.peer else {})
    told = _lines(stream_agent(options, "POST", f"/v1/sync?{urllib.parse.urlencode(fields)}"))
    results: list[dict[str, Any]] = []
    with _Bars() as bars:
        for line in told:
            event = line.pop("event")
            if event == "progress":
                bars.show(line)
            elif event == "result":
                results.append(line)
                bars.end(line, None if options.json else sentence(line))
    complete = bool(results) and all(result["complete"] for result in results)
    if options.json:
        print_json({"complete": complete, "peers": results})
    elif not results:
        say("no other member is alive: there is nobody to sync with")
    return Exit.HEALTHY if complete else Exit.DEGRADED


def _lines(chunks: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield json.loads(line)


def sentence(result: dict[str, Any]) -> str:
    """Say in one line what became of the exchange with one member."""
    name = printable(result["name"])
    if not result["complete"]:
        return f"not in sync with {name}: {printable(result['reason'])}"
    cost = counted(result["message_bytes"], "byte")
    if not result["taken"] + result["given"] + result["refused"]:
        return f"in sync with {name}: {_kept(result)}{cost}"
    used = [
        counted(result["filters"], "filter"),
        counted(result["false_positives"], "false positive"),
        counted(result["exact_lists"], "list"),
    ]
    return (
        f"in sync with {name}: {_moved(result)}; {cost} of messages "
        f"({', '.join(used)}) in {result['seconds']:.1f} s"
    )


def _moved(told: dict[str, Any]) -> str:
    refused = told.get("refused", 0)
    return f"{counted(told['taken'], 'record')} taken, {told['given']:,} given" + (
        f", {refused:,} refused" if refused else ""
    )


def _kept(result: dict[str, Any]) -> str:
    games = result["games_on_both"]
    return "" if games is None else f"{counted(games, 'game')} on both, "


class _Bars:
    """A bar for each exchange under way, on a terminal's stderr; nothing anywhere else."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[moved]}", markup=False),
        )
        self._progress = (
            Progress(*columns, console=console, transient=True, redirect_stdout=False)
            if console.is_interactive
            else None
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def show(self, line: dict[str, Any]) -> None:
        """Show how far an exchange has come; of how much is known only as it goes on."""
        if self._progress is None:
            return
        self._progress.start()
        peer, taken, given = line["peer"], line["taken"], line["given"]
        if peer not in self._tasks:
            self._tasks[peer] = self._progress.add_task(printable(line["name"]), moved="")
        self._progress.update(
            self._tasks[peer],
            total=line["offered"] + given or None,
            completed=taken + given,
            moved="waits for its turn" if line["waiting"] else _moved(line),
            refresh=True,
        )

    def end(self, line: dict[str, Any], said: str | None) -> None:
        """Take an exchange's bar away, and print what was said of it."""
        if self._progress is not None:
            if line["peer"] in self._tasks:
                self._progress.remove_task(self._tasks.pop(line["peer"]))
            self._progress.stop()
        if said is not None:
            sys.stdout.write(f"{said}\n")
            sys.stdout.flush()
        if self._tasks and self._progress is not None:
            self._progress.start()
