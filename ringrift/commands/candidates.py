"""The values that completion knows, each with its meaning: configs, and members of the mesh."""

import collections
import re
from collections.abc import Iterator

from ringrift import client
from ringrift.home import Home, HomeError
from ringrift.rules import configs as all_configs

_answer_s_max = 0.5
"""Somebody waits with a finger on the Tab key."""

_typeable = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""Names that mean the same to every shell; a member of another name is offered by its id."""


def configs(_home: str | None) -> Iterator[tuple[str, str]]:
    """Yield the name of every config."""
    for config in all_configs:
        yield config.name, f"{config.board} for {config.players} players"


def members(home: str | None) -> Iterator[tuple[str, str]]:
    """Yield what names each other member, if an agent runs and answers soon."""
    try:
        socket = Home.find(home).socket
        found = client.ask(socket, "GET", "/v1/status", timeout_s=_answer_s_max)
    except (HomeError, client.NotRunning, client.AgentError):
        return
    others = [each for each in found["mesh"]["members"] if each["id"] != found["node"]["id"]]
    bearers = collections.Counter(each["name"] for each in others)
    for each in others:
        named = bearers[each["name"]] == 1 and _typeable.fullmatch(each["name"])
        yield each["name"] if named else each["id"][:12], each["state"]
