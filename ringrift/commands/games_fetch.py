"""Asks the running agent for one game."""

import argparse
import sys
import urllib.parse

from p2p.envelope import RecordRefused, parse_record
from ringrift.commands.common import say, stream_agent
from ringrift.exits import Exit
from ringrift.game_view.positions import Positions, positions


def fetch(options: argparse.Namespace) -> Positions:
    """Return the game that the options name, or end the program with a sentence."""
    query = urllib.parse.urlencode({"id": options.game})
    data = b"".join(stream_agent(options, "GET", f"/v1/games/record?{query}"))
    try:
        return positions(parse_record(data))
    except RecordRefused as error:
        say(f"{options.game}: {error}")
        sys.exit(Exit.ERROR)
