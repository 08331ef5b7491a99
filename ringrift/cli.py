"""The command line: which verbs there are and what each takes.

Only the standard library's argparse is imported here, so that `--help` is instant; a verb's own
module, and all it needs, is loaded when the verb runs.
"""

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from ringrift import __version__
from ringrift.exits import Exit

default_port = 8770

_overview = """\
usage: ringrift-agent [VERB] [OPTIONS]

Boxes that play, keep and share RingRift games by themselves. Run it on each box.

  run        start the agent on this box (the verb may be left out)
  status     how this node and its mesh are doing
  games      the games held here
  token      make a token that lets further boxes join
  pause      start no further game on this box
  resume     play again
  paths      where this agent keeps its files
  version    the version of this program

`ringrift-agent VERB --help` tells more, with an example. Every verb takes --home DIR.

Exit status: 0 healthy, 1 error, 2 usage, 3 agent not running, 4 degraded (status) or games that
exist only on this box (run), 5 not admitted.

  $ ringrift-agent                                       # the first box: makes a mesh
  $ ringrift-agent --join first-box --token-file token   # each further box
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(Exit.USAGE, f"{self.prog}: {message}\n")


def _verb(name: str, summary: str, example: str) -> _Parser:
    parser = _Parser(
        prog=f"ringrift-agent {name}",
        description=summary,
        epilog=f"example:\n  $ {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--home",
        metavar="DIR",
        type=_text,
        help="everything of one agent is in this folder (RINGRIFT_HOME)",
    )
    return parser


def _with_json(parser: _Parser) -> _Parser:
    parser.add_argument("--json", action="store_true", help="print data for a program to read")
    return parser


def _text(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("it is empty")
    return text


def _workers(text: str) -> int:
    if not text.isdecimal() or int(text) > 1024:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1024")
    return int(text)


def _run() -> _Parser:
    parser = _verb(
        "run",
        "Start the agent. Without --join, and without a mesh in the home, it makes a new mesh.",
        "ringrift-agent --join first-box --token-file token",
    )
    add = parser.add_argument
    add(
        "--join",
        metavar="HOST[:PORT]",
        type=_text,
        action="append",
        default=[],
        help="a member of the mesh to join; may be given several times",
    )
    add("--token", metavar="TOKEN", type=_text, help="the join token (RINGRIFT_TOKEN)")
    add("--token-file", metavar="FILE", type=_text, help="a file that holds the join token")
    add(
        "--listen",
        metavar="HOST:PORT",
        type=_text,
        help=f"where to listen (default: every address, port {default_port} or the next free)",
    )
    add(
        "--advertise",
        metavar="HOST[:PORT]",
        type=_text,
        action="append",
        default=[],
        help="an address at which others reach this box; may be given several times",
    )
    add("--name", help="what people call this box (default: its host name)")
    add(
        "--workers",
        metavar="N",
        type=_workers,
        help="processes that play; 0 for none (default: cores - 1, at least 1)",
    )
    add(
        "--ephemeral",
        action="store_true",
        help="this box may vanish: copies of games kept here do not make them safe",
    )
    return parser  # fmt: skip


def _status() -> _Parser:
    return _with_json(
        _verb("status", "Show how this node and its mesh are doing.", "ringrift-agent status")
    )


def _games() -> _Parser:
    parser = _with_json(
        _verb("games", "Show the games held here, by config.", "ringrift-agent games --ids")
    )
    parser.add_argument(
        "--config", metavar="CONFIG", type=_text, help="only this config, such as square8_2p"
    )
    parser.add_argument("--ids", action="store_true", help="print the games' ids, one a line")
    return parser


def _token() -> _Parser:
    parser = _with_json(
        _verb(
            "token",
            "Make a token that lets further boxes join. It needs the mesh's root key, which is "
            "in the home of the box that made the mesh; the agent need not run.",
            "ringrift-agent token --expires 30d > token",
        )
    )
    parser.add_argument(
        "--expires", metavar="TIME", default="1y",
        help="when the token and all it admitted lose trust: 12h, 30d, 1y (default: 1y)",
    )  # fmt: skip
    parser.add_argument(
        "--single-box", action="store_true", help="a token for one box, which can admit no other"
    )
    return parser


def _pause() -> _Parser:
    return _verb(
        "pause",
        "Start no further game on this box, across restarts, until `resume`. "
        "A game under way is finished.",
        "ringrift-agent pause",
    )


def _resume() -> _Parser:
    return _verb(
        "resume",
        "Undo `pause`, and try workers again that were stopped.",
        "ringrift-agent resume",
    )


def _paths() -> _Parser:
    return _with_json(
        _verb("paths", "Show where this agent keeps its files.", "ringrift-agent paths")
    )


def _version() -> _Parser:
    return _with_json(
        _verb("version", "Show the version of this program.", "ringrift-agent version --json")
    )


_verbs: dict[str, tuple[Callable[[], _Parser], str]] = {
    "run": (_run, "ringrift.commands.run:run"),
    "status": (_status, "ringrift.commands.status:status"),
    "games": (_games, "ringrift.commands.games:games"),
    "token": (_token, "ringrift.commands.token:token"),
    "pause": (_pause, "ringrift.commands.control:pause"),
    "resume": (_resume, "ringrift.commands.control:resume"),
    "paths": (_paths, "ringrift.commands.paths:paths"),
    "version": (_version, "ringrift.commands.paths:version"),
}


def parse(arguments: Sequence[str]) -> tuple[str, argparse.Namespace]:
    """Return the verb and its options. Exits with status 2 if they make no sense, 0 after help."""
    rest = list(arguments)
    verb = "run"
    place = _first_word(rest)
    if place is not None and not rest[place].startswith("-"):
        verb = rest.pop(place)
    elif place is not None and rest[place] in ("-h", "--help"):
        sys.stdout.write(_overview)
        sys.exit(Exit.HEALTHY)
    elif place is not None and rest[place] == "--version":
        sys.stdout.write(f"ringrift-agent {__version__}\n")
        sys.exit(Exit.HEALTHY)
    if verb not in _verbs:
        sys.stderr.write(
            f"ringrift-agent: there is no verb {verb!r}; the verbs are {', '.join(_verbs)}\n"
        )
        sys.exit(Exit.USAGE)
    return verb, _verbs[verb][0]().parse_args(rest)


def _first_word(arguments: Sequence[str]) -> int | None:
    """Return the place of the first argument but --home, its value, and --json."""
    place = 0
    while place < len(arguments):
        if arguments[place] == "--home":
            place += 2
        elif arguments[place].startswith("--home=") or arguments[place] == "--json":
            place += 1
        else:
            return place
    return None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    verb, options = parse(sys.argv[1:] if arguments is None else arguments)
    module, _, function = _verbs[verb][1].partition(":")
    try:
        status = int(getattr(importlib.import_module(module), function)(options))
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return 128 + 2  # as a shell says that SIGINT ended a program
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has gone; Python would complain at exit
        return Exit.ERROR
