"""`paths` and `version`: what can be told without an agent."""

import argparse
import platform
import sys

from ringrift import __version__
from ringrift.commands.common import home_of, print_json
from ringrift.exits import Exit
from ringrift.printable import printable


def paths(options: argparse.Namespace) -> int:
    """Print where this agent keeps its files."""
    home = home_of(options)
    found = {
        "config": str(home.config),
        "settings": str(home.settings),
        "data": str(home.data),
        "records": str(home.store),
        "lock": str(home.lock),
        "socket": str(home.socket),
    }
    if options.json:
        print_json(found)
    else:
        width = max(map(len, found))
        sys.stdout.writelines(
            f"{name:<{width}}  {printable(path)}\n" for name, path in found.items()
        )
    return Exit.HEALTHY


def version(options: argparse.Namespace) -> int:
    """Print the version."""
    if options.json:
        print_json({"version": __version__, "python": platform.python_version()})
    else:
        sys.stdout.write(f"ringrift-agent {__version__}\n")
    return Exit.HEALTHY
