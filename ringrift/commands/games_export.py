"""`games export`: a game as JSON."""

import argparse
import json
import sys

from ringrift.commands.common import say
from ringrift.commands.games_fetch import fetch
from ringrift.commands.output_file import write_file
from ringrift.exits import Exit
from ringrift.game_view.export import export as to_json


def export(options: argparse.Namespace) -> int:
    """Write a game as JSON; the exit status says whether it replays."""
    found = fetch(options)
    text = json.dumps(to_json(found), indent=2) + "\n"
    if options.output is None:
        sys.stdout.write(text)
    else:
        try:
            write_file(options.output, text)
        except OSError as error:
            say(f"cannot write {options.output}: {error.strerror}")
            return Exit.ERROR
    if found.fault:
        say(f"this record does not replay: {found.fault}")
    return Exit.ERROR if found.fault else Exit.HEALTHY
