"""Players: who chooses the moves. Each has a name under which jobs and records know it."""

from collections.abc import Callable

from ringrift.players.base import Player
from ringrift.players.greedy import GreedyPlayer
from ringrift.players.uniform import UniformPlayer

_makers: dict[str, Callable[[], Player]] = {"greedy": GreedyPlayer, "random": UniformPlayer}
player_names = tuple(_makers)


class UnknownPlayer(ValueError):
    """A name that no player has; the message lists those that there are."""


def make_player(name: str) -> Player:
    """Return a player of this name for one seat of one game. Raises `UnknownPlayer`."""
    if name not in _makers:
        raise UnknownPlayer(f"no player {name!r}; expected one of {', '.join(player_names)}")
    return _makers[name]()


__all__ = ["Player", "UnknownPlayer", "make_player", "player_names"]
