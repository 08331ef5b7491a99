"""Players: who chooses the moves. Each has a name under which jobs and records know it."""

import re
from collections.abc import Callable

from ringrift.players.base import Player
from ringrift.players.greedy import GreedyPlayer
from ringrift.players.uct import UctPlayer, budget_max
from ringrift.players.uniform import UniformPlayer
from ringrift.printable import quoted

_makers: dict[str, Callable[[], Player]] = {
    "greedy": GreedyPlayer,
    "random": UniformPlayer,
    "uct": UctPlayer,
}
player_names = tuple(_makers)


class UnknownPlayer(ValueError):
    """A name that no player has; the message lists those that there are."""


def make_player(name: str) -> Player:
    """Return a player of this name for one seat of one game. Raises `UnknownPlayer`.

    `uct_N` is `uct` with a budget of N.
    """
    if name in _makers:
        return _makers[name]()
    if searcher := re.fullmatch("uct_([1-9][0-9]{0,5})", name):
        return UctPlayer(int(searcher[1]))
    known = ", ".join(player_names)
    raise UnknownPlayer(
        f"no player {quoted(name)}; expected one of {known}, or uct_1 to uct_{budget_max}"
    )


__all__ = ["Player", "UnknownPlayer", "make_player", "player_names"]
