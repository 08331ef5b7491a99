"""`status`: how this node and its mesh are doing, in a table or as JSON."""

import argparse
from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from ringrift.cli import load
from ringrift.commands.common import ask_agent, print_json
from ringrift.commands.drawing import draw, duration, plain, size, table
from ringrift.commands.members import Members
from ringrift.exits import Exit
from ringrift.printable import counted

_player_counts = (2, 3, 4)
_replay_counts = (
    ("good", "good"),
    ("bad", "bad"),
    ("unknown", "of other versions"),
    ("not_replayed", "not replayed"),
    ("waiting", "waiting"),
)


def status(options: argparse.Namespace) -> int:
    """Print the node's status; the exit status says whether anything is wrong."""
    if options.watch is not None:
        return int(load("ringrift.commands.watch:watch")(options))  # trio, for it alone
    found: dict[str, Any] = ask_agent(options, "GET", "/v1/status")
    if options.json:
        print_json(found)
    else:
        draw(whole(found))
    return Exit.DEGRADED if found["problems"] else Exit.HEALTHY


def show(console: Console, found: dict[str, Any]) -> None:
    """Draw a status, as `status --json` gives it, on a console."""
    console.print(whole(found))


def whole(found: dict[str, Any]) -> Group:
    """Draw all of a status, with an empty line around each table."""
    spaced = (each for drawn in tables(found) for each in ("", drawn))
    return Group(summary(found), *spaced, "", verdict(found))


def summary(found: dict[str, Any]) -> Group:
    """Draw who this node is and what it holds."""
    node, mesh, games = found["node"], found["mesh"], found["records"]["games"]
    drawn = [
        Text.assemble(
            plain(node["name"], "bold"),
            f"  {node['id'][:12]}  mesh {mesh['id']}  up {duration(node['uptime_s'])}",
        ),
        Text(f"version {node['version']}  listening on {node['listen']}"),
        _games_line(games),
    ]
    if found["jobs"]:
        drawn.append(_selfplay_line(found["selfplay"]["by_config"]))
    drawn.append(_traffic_line(found["traffic"]["sync"]))
    if any(found["replays"][field] for field, _ in _replay_counts):
        drawn.append(_replays_line(found["replays"]))
    if found["paused"]:
        drawn.append(Text("paused: no further game is started on this box", style="yellow"))
    return Group(*drawn)


def tables(found: dict[str, Any]) -> list[RenderableType]:
    """Draw the members, the games and the jobs; a table has one line of headings."""
    drawn: list[RenderableType] = [Members(found["node"]["id"], found["mesh"]["members"])]
    if held := found["records"]["games"]["by_config"]:
        drawn.append(_games_table(held, found["selfplay"]["by_config"]))
    if found["jobs"]:
        drawn.append(_jobs(found["jobs"]))
    return drawn


def verdict(found: dict[str, Any]) -> Group:
    """Draw what needs attention."""
    problems = (Text.assemble(("problem  ", "bold red"), plain(each)) for each in found["problems"])
    return Group(*problems) if found["problems"] else Group(Text("healthy", style="green"))


def _games_line(games: dict[str, Any]) -> Text:
    count, noun = counted(games["stored"], "game").split()
    line = Text.assemble((count, "bold"), f" {noun} held here, ")
    if games["safe"] is None:
        return line.append("how many are safe is not yet known")
    return line.append(f"{games['safe']:,} of them safe on other boxes too")


def _selfplay_line(by_config: Mapping[str, Mapping[str, Any]]) -> Text:
    """Tell what has been played here, and whether the configs' shares of it are alike."""
    games = sum(each["games"] for each in by_config.values())
    spent_s = [each["spent_s"] for each in by_config.values()]
    return Text(
        f"self-play: {counted(games, 'game')}; time of each of "
        f"{counted(len(by_config), 'config')}: {duration(min(spent_s))} to {duration(max(spent_s))}"
    )


def _replays_line(replays: Mapping[str, Any]) -> Text:
    """Tell what replaying a sample of the games has shown."""
    told = ", ".join(
        f"{replays[field]:,} {name}"
        for field, name in _replay_counts
        if replays[field] or field in ("good", "bad")
    )
    style = "yellow" if replays["bad"] else "dim"
    return Text(f"replays of a sample of {100 * replays['share']:.4g} %: {told}", style)


def _games_table(held: Mapping[str, int], known: Iterable[str]) -> Table:
    """Draw how many games are held: a row for each board, a column for each number of players."""
    drawn = table(("GAMES HELD", *(f"{count} PLAYERS" for count in _player_counts)))
    for column in drawn.columns[1:]:
        column.justify = "right"
    for board in dict.fromkeys(config.rpartition("_")[0] for config in known):
        counts = [held.get(f"{board}_{count}p", 0) for count in _player_counts]
        drawn.add_row(plain(board), *(f"{count:,}" if count else "-" for count in counts))
    if others := sum(held.values()) - sum(held.get(config, 0) for config in known):
        drawn.add_row("others", f"{others:,}")
    return drawn


def _traffic_line(sync: dict[str, Any]) -> Text:
    """Tell what keeping in sync has cost and moved since the agent's start."""
    cost = ", ".join(
        counted(sync[field], noun)
        for field, noun in (
            ("exchanges", "exchange"), ("filters", "filter"), ("false_positives", "false positive"),
            ("exact_lists", "list"),
        )
    )  # fmt: skip
    messages = size(sync["message_bytes"])
    moved = ", ".join(f"{sync[field]:,} {field}" for field in ("pushed", "given", "taken"))
    return Text(f"sync: {cost}\nmessages: {messages}; records: {moved}", "dim")


def _jobs(jobs: list[dict[str, Any]]) -> Table:
    drawn = table(("JOB", "STATE", "CONFIG", "GAMES", "PID"))
    for job in jobs:
        state = plain(job["state"], "green" if job["state"] == "playing" else "yellow")
        drawn.add_row(
            plain(job["id"]), state, plain(job["config"] or "-"),
            f"{job['games']:,}", str(job["pid"] or "-"),
        )  # fmt: skip
    return drawn
