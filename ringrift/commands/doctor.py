"""`doctor`: what is wrong with this box, and what to do about it."""

import argparse
import os
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Group
from rich.table import Table

from p2p.identity.keyring import Keyring
from ringrift import __version__, client
from ringrift.agent_settings import agent_settings, listen_address
from ringrift.checks import Finding, Verdict, disk, keys, running, unknown
from ringrift.choices import BadSetting, resolve
from ringrift.commands.common import home_of, now_utc, print_json
from ringrift.commands.drawing import draw, plain
from ringrift.exits import Exit
from ringrift.home import Home

_see_home = "see home"

_of_the_program = {"events"}
"""Checks of the program and not of the box: an operator hears of a failure alone; JSON has all."""

_styles = {
    Verdict.OK: "green",
    Verdict.WARNING: "yellow",
    Verdict.FAILURE: "bold red",
    Verdict.UNKNOWN: "dim",
}


def doctor(options: argparse.Namespace) -> int:
    """Print what every check has found; the exit status says whether one is a failure."""
    found = list(examine(home_of(options), deep=options.deep))
    if options.json:
        print_json([_data(each) for each in found])
    else:
        told = [each for each in found if _concerns_operator(each)]
        draw(Group(_drawn(told), "", plain(_summary(told))))
    failed = any(each.verdict is Verdict.FAILURE for each in found)
    return Exit.DEGRADED if failed else Exit.HEALTHY


def examine(home: Home, *, deep: bool) -> Iterator[Finding]:
    """Make every check, in the order in which they are shown."""
    folders = keys.check_folders(home)
    barred = folders.verdict is Verdict.FAILURE
    shut = barred and not all(os.access(each, os.X_OK) for each in (home.config, home.data))
    yield from unknown(["settings"], _see_home) if shut else [_check_settings(home)]
    yield folders
    # The keyring reads nothing in a home with that fault: it would be told three times.
    yield from unknown(keys.checks, _see_home) if barred else _check_keys(Keyring(home.config))
    yield disk.check_space(home.data)
    yield disk.check_file_system(home.data)
    yield disk.check_sqlite(sqlite3.sqlite_version_info)
    if shut:
        yield from unknown([*disk.checks_of_store, *running.checks], _see_home)
    else:
        yield from disk.check_store(home.store, deep=deep)
        yield from _check_agent(home)


def _check_settings(home: Home) -> Finding:
    try:
        choices = resolve({}, os.environ, home.settings)
        agent_settings(home, choices)
        listen_address(choices)
    except BadSetting as error:
        advice = "correct it: no agent starts with it"
        return Finding("settings", Verdict.FAILURE, str(error), advice)
    place = str(home.settings) if home.settings.exists() else f"there is no {home.settings}"
    return Finding("settings", Verdict.OK, place)


def _check_keys(keyring: Keyring) -> Iterator[Finding]:
    finding, credentials = keys.check_keys(keyring)
    now = now_utc()
    yield finding
    yield from keys.check_lives(credentials, now)
    yield keys.check_root(keyring, now)


def _check_agent(home: Home) -> Iterator[Finding]:
    """Check what only a running agent knows: asked once, and not at all if it cannot answer."""
    try:
        status: dict[str, Any] = client.ask(home.socket, "GET", "/v1/status")
        wiring: dict[str, Any] = client.ask(home.socket, "GET", "/v1/events")
    except client.NotRunning as error:
        yield from running.without_agent(str(error))
        return
    except client.AgentError as error:
        yield from running.without_answer(error.reason, error.remedy)
        return
    yield running.check_agent(status)
    yield running.check_version(status["node"]["version"], __version__)
    yield running.check_listening(status, running.dial)
    yield running.check_addresses(status, running.dial)
    yield running.check_clock(status)
    yield running.check_events(wiring)


def _concerns_operator(found: Finding) -> bool:
    return found.check not in _of_the_program or found.verdict is Verdict.FAILURE


def _data(found: Finding) -> dict[str, str]:
    return {
        "check": found.check,
        "verdict": found.verdict.value,
        "finding": found.finding,
        "advice": found.advice,
    }


def _drawn(found: Sequence[Finding]) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    for column in range(3):
        grid.add_column(no_wrap=column < 2, overflow="fold")
    for each in found:
        grid.add_row(
            plain(each.verdict.value, _styles[each.verdict]),
            plain(each.check, "bold"),
            plain(each.finding),
        )
        if each.advice:
            style = "dim" if each.verdict is Verdict.OK else ""
            grid.add_row("", "", plain(f"-> {each.advice}", style))
    return grid


def _summary(found: Sequence[Finding]) -> str:
    counts = {verdict: sum(each.verdict is verdict for each in found) for verdict in Verdict}
    return ", ".join(f"{count} {verdict.value}" for verdict, count in counts.items() if count)
