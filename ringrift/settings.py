"""What the user can decide for one box, in one table.

From each row follow the option of `run`, the environment variable and the key in the settings file;
`ringrift.choices` says which of them wins. The command line reads this table for its help, so only
what is loaded anyway is imported here.
"""

import math
import os
import re
import shlex
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from ringrift.printable import printable, quoted

default_port = 8770
name_chars_max = 64
workers_max = 1024

replay_share_default = 0.02

Value: TypeAlias = bool | int | float | str | tuple[str, ...] | None


class Setting(NamedTuple):
    """One row."""

    name: str
    """The key in the file. The option and the variable are named after it."""
    metavar: str
    """What stands for the value in the help; empty for a switch."""
    help: str
    otherwise: str
    """What holds where nobody has decided, in words."""
    parse: Callable[[str], bool | int | float | str]
    """Reads the value as an option or a variable gives it. Raises `ValueError`."""
    kind: type[bool | int | float | str] = str
    """What the value is in the file."""
    default: Callable[[], Value] = lambda: None
    repeated: bool = False
    """Whether there may be several: as options, between commas, or as an array in the file."""

    @property
    def option(self) -> str:
        """How it is given on the command line."""
        return f"--{self.name}"

    @property
    def variable(self) -> str:
        """How it is given in the environment."""
        return variable_prefix + self.name.replace("-", "_").upper()


variable_prefix = "RINGRIFT_"

other_variables = frozenset(
    {"RINGRIFT_HOME", "RINGRIFT_TOKEN", "RINGRIFT_PYTHON", "RINGRIFT_VECTORS"}
)
"""Those that are no settings: they say where the settings are, or are secret, or are for scripts
and tests."""


def _text(text: str) -> str:
    if not text:
        raise ValueError("it is empty")
    return text


def _command(text: str) -> str:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ValueError(f"{quoted(text)} is no command: {str(error).lower()}") from None
    if not words:
        raise ValueError("it is empty")
    return text


def _name(text: str) -> str:
    if not 1 <= len(text) <= name_chars_max:
        raise ValueError(f"it is {len(text)} characters long, not 1 to {name_chars_max}")
    if not text.isprintable():
        raise ValueError(f"{quoted(text)} has a character that cannot be shown")
    return text


def _workers(text: str) -> int:
    if not re.fullmatch("[0-9]{1,4}", text) or int(text) > workers_max:
        raise ValueError(f"{quoted(text)} is not a number from 0 to {workers_max}")
    return int(text)


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = math.nan
    if not 0 <= share <= 1:
        raise ValueError(
            f"{quoted(text)} is not a number from 0 to 1, such as {replay_share_default}"
        )
    return share


def _switch(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(f"{quoted(text)} is neither true nor false")
    return text == "true"


def _host_name() -> str:
    return printable(os.uname().nodename)[:name_chars_max]


def _spare_cores() -> int:
    """Leave one core to the agent and the box's other duties."""
    return max(1, (os.cpu_count() or 1) - 1)


settings = (
    Setting(
        "join",
        "HOST[:PORT]",
        "a member of the mesh to join; may be given several times",
        "none",
        _text,
        default=tuple,
        repeated=True,
    ),
    Setting("token-file", "FILE", "a file that holds the join token", "none", _text),
    Setting(
        "listen",
        "HOST[:PORT]",
        f"where to listen, at port {default_port} unless another is given; 0 is any free one",
        f"every address, port {default_port} or the next free",
        _text,
    ),
    Setting(
        "advertise",
        "HOST[:PORT]",
        "an address at which others reach this box; may be given several times",
        "the addresses that it finds",
        _text,
        default=tuple,
        repeated=True,
    ),
    Setting(
        "name", "NAME", "what people call this box", "its host name", _name, default=_host_name
    ),
    Setting(
        "workers",
        "N",
        "processes that play; 0 for none",
        "cores - 1, at least 1",
        _workers,
        int,
        _spare_cores,
    ),
    Setting(
        "worker",
        "COMMAND",
        "a command that plays; see docs/workers.md",
        "the built-in worker",
        _command,
    ),
    Setting(
        "replay-share",
        "SHARE",
        "how many of the games of others are replayed here, from 0 to 1",
        str(replay_share_default),
        _share,
        float,
        lambda: replay_share_default,
    ),
    Setting(
        "log-file",
        "FILE",
        "log there too, as JSON lines: 10 MiB, and five such files of earlier lines",
        "stderr only",
        _text,
    ),
    Setting(
        "ephemeral",
        "",
        "this box may vanish: copies of games kept here do not make them safe",
        "no",
        _switch,
        bool,
        lambda: False,
    ),
)
"""In the order in which the help shows them."""
