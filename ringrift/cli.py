"""The command line: which verbs there are and what each takes.

Only the standard library's argparse is imported here, so that `--help` is instant; a verb's own
module, and all it needs, is loaded when the verb runs.
"""

import argparse
import importlib
import re
import sys
import textwrap
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from ringrift import __version__
from ringrift.arguments import Parser, integer
from ringrift.exits import Exit
from ringrift.printable import printable, quoted, shortened
from ringrift.settings import settings
from ringrift.streams import do_without_stdout, give_up_stdout, speak_to_nobody

shells = ("bash", "zsh", "fish")

expires_examples = "12h, 30d, 8w or 1y"

_interval_s = 2.0
_interval_s_min = 0.5
_example = "example:"

_overview = """\
usage: ringrift-agent [VERB] [OPTIONS]

Boxes that play, keep and share RingRift games by themselves. Run it on each.

  run        start the agent on this box (the verb may be left out)
  status     how this node and its mesh are doing
  members    the members of the mesh, one by one
  games      the games held here
  sync       exchange records with the other members now
  token      make a token that lets further boxes join
  pause      start no further game on this box
  resume     play again
  doctor     what is wrong with this box, and what to do
  config     the settings, and who decided each
  paths      where this agent keeps its files
  completion the script for Tab in bash, zsh or fish
  version    the version of this program

`ringrift-agent VERB --help` tells more, with an example.
Every verb takes --home DIR.

Exit status: 0 healthy, 1 error, 2 usage, 3 agent not running, 4 degraded
(status, members), a failure (doctor) or games that exist only on this box
(run), 5 not admitted.

  $ ringrift-agent                                      # the first box
  $ ringrift-agent --join first-box --token-file token  # each further box
"""


class _Parser(Parser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(Exit.USAGE, f"{self.prog}: {shortened(printable(message))}\n")

    def _check_value(self, action: argparse.Action, value: object) -> None:
        if action.dest == "action" and action.choices and value not in action.choices:
            expected = " or ".join(map(str, action.choices))
            raise argparse.ArgumentError(
                None, f"there is no action {quoted(str(value))}; expected {expected}"
            )
        super()._check_value(action, value)


class _Wrapped(argparse.RawDescriptionHelpFormatter):
    """Wraps each line of a description to the terminal, and leaves the example as it is."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if text.startswith(_example):
            return super()._fill_text(text, width, indent)
        return "\n".join(textwrap.fill(line, width) for line in text.splitlines())


def _verb(name: str, summary: str, example: str) -> _Parser:
    return _with_home(_Parser(**_words(name, summary, example)), default=None)


def _words(name: str, summary: str, example: str) -> dict[str, Any]:
    return {
        "prog": f"ringrift-agent {name}",
        "description": summary,
        "epilog": f"{_example}\n  $ {example}",
        "formatter_class": _Wrapped,
        "allow_abbrev": False,
    }


def _with_home(parser: _Parser, default: str | None) -> _Parser:
    parser.add_argument(
        "--home",
        metavar="DIR",
        type=_text,
        default=default,
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


def _with_settings(parser: _Parser) -> _Parser:
    """Take the token, and every setting as it is given: `ringrift.choices` reads and judges it."""
    parser.add_argument(
        "--token",
        metavar="TOKEN",
        type=_text,
        help="the join token (RINGRIFT_TOKEN); it is never shown",
    )
    for setting in settings:
        about = f"{setting.help} (default: {setting.otherwise})"
        if setting.metavar:
            parser.add_argument(
                setting.option,
                metavar=setting.metavar,
                action="append" if setting.repeated else "store",
                help=about,
            )
        else:
            parser.add_argument(
                setting.option, action=argparse.BooleanOptionalAction, default=None, help=about
            )
    return parser


def _run() -> _Parser:
    parser = _verb(
        "run",
        "Start the agent. Without --join, and without a mesh in the home, it makes a new mesh.\n"
        "An option wins over the variable of that name, such as RINGRIFT_WORKERS for --workers, "
        "and that over settings.toml in the home; see docs/settings.md.",
        "ringrift-agent --join first-box --token-file token",
    )
    return _with_settings(parser)


def _config() -> _Parser:
    parser = _with_json(
        _verb(
            "config",
            "Show the settings with which `run` would start: from the options, given here as to "
            "`run`, from the environment, and from settings.toml in the home. What holds in place "
            "of a setting that nobody has decided is shown in brackets.",
            "ringrift-agent config show --origin",
        )
    )
    parser.add_argument("action", metavar="show", choices=["show"], help="what to do: show them")
    parser.add_argument("--origin", action="store_true", help="show who has decided each")
    return _with_settings(parser)


def _members() -> _Parser:
    return _with_json(
        _verb(
            "members",
            "Show every member of the mesh as this node sees it.\n"
            "Ends with status 4 if a durable one is suspect or dead.",
            "ringrift-agent members",
        )
    )


def _doctor() -> _Parser:
    parser = _with_json(
        _verb(
            "doctor",
            "Look for what is wrong with this box: keys, disk, record store, clock, ports.\n"
            "Changes nothing; the agent need not run.\n"
            "Ends with status 4 if a line says `failure`, else with 0.",
            "ringrift-agent doctor",
        )
    )
    parser.add_argument(
        "--deep", action="store_true", help="read the record store from end to end, however large"
    )
    return parser


def _seconds(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,5}(\.[0-9]{1,3})?", text) or float(text) < _interval_s_min:
        expected = f"expected a number from {_interval_s_min} to 99999"
        raise argparse.ArgumentTypeError(f"{quoted(text)}; {expected}")
    return float(text)


def _status() -> _Parser:
    parser = _with_json(
        _verb(
            "status",
            "Show how this node and its mesh are doing.\n"
            "With --watch, ends with status 3 if the agent no longer answers, else with 0.",
            "ringrift-agent status\n  $ ringrift-agent status --watch",
        )
    )
    parser.add_argument(
        "--watch",
        metavar="SECONDS",
        nargs="?",
        type=_seconds,
        const=_interval_s,
        help="again and again, until Ctrl-C: drawn in place on a terminal, one after the other "
        f"elsewhere (default: every {_interval_s:.0f} s)",
    )
    return parser


def _games() -> _Parser:
    parser = _with_json(
        _verb(
            "games",
            "Show the games held here, by config; or one of them, on its board.",
            "ringrift-agent games --ids\n  $ ringrift-agent games show 3f9a",
        )
    )
    parser.add_argument(
        "--config", metavar="CONFIG", type=_text, help="only this config, such as square8_2p"
    )
    parser.add_argument("--ids", action="store_true", help="print the games' ids, one a line")
    about_one = parser.add_subparsers(dest="action", title="about one game", metavar="show|export")
    _show_game(about_one.add_parser)
    _export_game(about_one.add_parser)
    return parser


def _show_game(add: Callable[..., _Parser]) -> None:
    parser = _with_game(
        add,
        "show",
        "Show a game on its board. On a terminal the arrow keys step through it, beginning with "
        "its last position; elsewhere one position is printed as text.\n"
        "Ends with status 1 if the game does not replay; it is shown as far as it does.",
        "ringrift-agent games show 3f9a --move 12",
    )
    parser.add_argument(
        "--move",
        metavar="N",
        type=integer(0, 99999),
        help="the position after N moves (default: all)",
    )


def _export_game(add: Callable[..., _Parser]) -> None:
    parser = _with_game(
        add,
        "export",
        "Write a game as JSON.\n"
        "Ends with status 1 if the game does not replay; it is written as far as it does.",
        "ringrift-agent games export 3f9a --output game.json",
    )
    parser.add_argument(
        "--output", metavar="FILE", type=_text, help="write it to this file (default: stdout)"
    )


def _with_game(add: Callable[..., _Parser], name: str, summary: str, example: str) -> _Parser:
    parser = add(name, help=summary.partition(".")[0], **_words(f"games {name}", summary, example))
    parser.add_argument("game", metavar="ID", type=_game_id, help="the game's id, or how it begins")
    # Without a default of its own, or it would undo a --home that stands before the action.
    return _with_home(parser, default=argparse.SUPPRESS)


def _game_id(text: str) -> str:
    if not re.fullmatch(r"[0-9A-Fa-f]{1,64}", text):
        raise argparse.ArgumentTypeError(f"{quoted(text)} is not 1 to 64 digits of 0-9 and a-f")
    return text.lower()


def _sync() -> _Parser:
    parser = _with_json(
        _verb(
            "sync",
            "Exchange records with every member that is alive, now, and tell what was found and "
            "moved. The agent does so by itself; Ctrl-C ends only the telling. "
            "Ends with status 4 if any exchange did not come to its end, or nobody was there.",
            "ringrift-agent sync --peer laptop",
        )
    )
    parser.add_argument(
        "what",
        nargs="?",
        choices=["games", "all"],
        default="all",
        help="games, or all records (default)",
    )
    parser.add_argument(
        "--peer",
        metavar="NODE",
        type=_text,
        help="only this member: its name, its id or how one of them begins",
    )
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
        help=f"when the token and all it admitted lose trust: {expires_examples} (default: 1y)",
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


def _completion() -> _Parser:
    parser = _verb(
        "completion",
        "Print the script by which a shell completes this command line.",
        """eval "$(ringrift-agent completion bash)"      # in ~/.bashrc
  $ eval "$(ringrift-agent completion zsh)"       # in ~/.zshrc
  $ ringrift-agent completion fish | source       # in config.fish""",
    )
    parser.add_argument("shell", metavar="|".join(shells), choices=shells, help="which shell")
    parser.add_argument(
        "words",
        metavar="WORD",
        nargs="*",
        default=[],
        help="for the script: what was typed, each with = before it; prints what may come of the "
        "last",
    )
    return parser


_verbs: dict[str, tuple[Callable[[], _Parser], str]] = {
    "run": (_run, "ringrift.commands.run:run"),
    "status": (_status, "ringrift.commands.status:status"),
    "games": (_games, "ringrift.commands.games:games"),
    "sync": (_sync, "ringrift.commands.sync:sync"),
    "token": (_token, "ringrift.commands.token:token"),
    "pause": (_pause, "ringrift.commands.control:pause"),
    "resume": (_resume, "ringrift.commands.control:resume"),
    "members": (_members, "ringrift.commands.members:members"),
    "doctor": (_doctor, "ringrift.commands.doctor:doctor"),
    "config": (_config, "ringrift.commands.config:config"),
    "paths": (_paths, "ringrift.commands.paths:paths"),
    "completion": (_completion, "ringrift.commands.completion:completion"),
    "version": (_version, "ringrift.commands.paths:version"),
}


def parse(arguments: Sequence[str]) -> tuple[str, argparse.Namespace]:
    """Return the verb and its options. Exits with status 2 if they make no sense, 0 after help."""
    rest = list(arguments)
    verb = "run"
    place = first_word(rest)
    if place is not None and not rest[place].startswith("-"):
        verb = rest.pop(place)
    elif place is not None and rest[place] in ("-h", "--help"):
        sys.stdout.write(_overview)
        sys.exit(Exit.HEALTHY)
    elif place is not None and rest[place] == "--version":
        sys.stdout.write(f"ringrift-agent {__version__}\n")
        sys.exit(Exit.HEALTHY)
    if verb not in _verbs:
        meant = load("ringrift.nearest:nearest")(verb, _verbs)
        sys.stderr.write(f"ringrift-agent: there is no verb {quoted(verb)}{meant}\n")
        sys.exit(Exit.USAGE)
    return verb, _verbs[verb][0]().parse_args(rest)


def parsers() -> dict[str, argparse.ArgumentParser]:
    """Return what every verb takes, in the order of the overview."""
    return {verb: make() for verb, (make, _) in _verbs.items()}


def first_word(arguments: Sequence[str]) -> int | None:
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


def load(place: str) -> Callable[..., Any]:
    """Return the function at `module:name`, for what most calls of the program do not need."""
    module, _, name = place.partition(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return function


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    speak_to_nobody()
    do_without_stdout()  # the agent needs none, and for data it is an error
    try:
        try:
            verb, options = parse(sys.argv[1:] if arguments is None else arguments)
            return int(load(_verbs[verb][1])(options))
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        return 128 + 2  # as a shell says that SIGINT ended a program
    except OSError as error:
        give_up_stdout(error, f"ringrift-agent: {error.filename or 'cannot write the output'}")
    return Exit.ERROR
