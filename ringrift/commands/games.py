"""`games`: the games held on this box. What is done with one of them has modules of its own."""

import argparse
import sys
import urllib.parse

from ringrift.cli import load
from ringrift.commands.common import ask_agent, print_json, say, stream_agent
from ringrift.exits import Exit
from ringrift.printable import printable
from ringrift.rules import Config


def games(options: argparse.Namespace) -> int:
    """Print the number of games by config, or their ids; `show` and `export` are about one game."""
    if options.action:
        return _one(options)
    if options.config:
        try:
            Config.parse(options.config)
        except ValueError as error:
            say(str(error))
            return Exit.USAGE
    query = urllib.parse.urlencode({"config": options.config}) if options.config else ""
    if options.ids:
        return _ids(options, query)
    counts: dict[str, int] = ask_agent(options, "GET", f"/v1/games?{query}")
    if options.json:
        print_json(counts)
        return Exit.HEALTHY
    rows = [*((printable(config), count) for config, count in counts.items())]
    rows.append(("total", sum(counts.values())))
    width = max(len(name) for name, _ in rows)
    sys.stdout.writelines(f"{name:<{width}}  {count:>12,}\n" for name, count in rows)
    return Exit.HEALTHY


def _one(options: argparse.Namespace) -> int:
    if options.ids or options.config or options.json:
        say(f"--ids, --config and --json are for the list of games, not for {options.action}")
        return Exit.USAGE
    return int(load(f"ringrift.commands.games_{options.action}:{options.action}")(options))


def _ids(options: argparse.Namespace, query: str) -> int:
    chunks = stream_agent(options, "GET", f"/v1/games/ids?{query}")
    if options.json:
        print_json(b"".join(chunks).decode().split())
        return Exit.HEALTHY
    for chunk in chunks:
        sys.stdout.write(chunk.decode())
    return Exit.HEALTHY
