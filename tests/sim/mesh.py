"""What may happen to a mesh, and what must hold all the same.

Shared by the tests that let hypothesis choose, and by `python -m tests.sim`, which draws from a
seed. A box that is named where it makes no sense - to crash while it is down - is left alone, so
that every choice is a valid one.
"""

import contextlib
import dataclasses
import string
from typing import Any

from ringrift.exits import Exit
from tests.sim.ledger import Ledger, losses_max
from tests.sim.world import World
from transports.memory import Conditions

quiet_s_max = 90.0
"""How long a healed mesh may take until everybody agrees, and every game is safe."""

_look_s = 3.0
_expected = ("no room left",)
"""Errors that the faults lead to: full disks."""


class Mesh:
    """A world whose promises are written down, and checked."""

    def __init__(self, seed: int, nodes: int) -> None:
        self.world = World(seed)
        self.names = string.ascii_lowercase[:nodes]
        self._ledger = Ledger()
        with contextlib.ExitStack() as opened:
            opened.callback(self.close)
            for name in self.names:
                self.world.start(name)
            opened.pop_all()

    def close(self) -> None:
        """End the world."""
        self.world.close()

    # What may happen

    def produce(self, name: str, count: int) -> None:
        """Play some games."""
        if name in self.world.running:
            self._ledger.produced(name, self.world.produce(name, count))

    def crash(self, name: str) -> None:
        """Cut a box's power."""
        if name in self.world.running:
            self._note_promises(name)
            self.world.crash(name)

    def stop(self, name: str) -> None:
        """Stop an agent in good order. If it says that all is well, another box has every game."""
        if name in self.world.running:
            games = self.world.games(name)
            if self.world.stop(name) is Exit.HEALTHY:
                self._ledger.promised(dict.fromkeys(games, 1))

    def start(self, name: str) -> None:
        """Start an agent again."""
        if name in self.world.down:
            self.world.clear(name)
            self.world.start(name)

    @property
    def may_lose_a_disk(self) -> bool:
        """Whether so few disks have been lost lately that a promise covers another."""
        return self._ledger.losses < losses_max

    def wipe(self, name: str, *, new_key: bool = False) -> None:
        """Lose a disk, and with it perhaps the key."""
        if self.may_lose_a_disk:
            self.crash(name)
            self.world.wipe(name, new_key=new_key)
            self._ledger.disk_lost(name)

    def preempt(self, name: str, count: int, seconds: float) -> None:
        """Play some games, and lose the disk moments after: a rented box ends like that."""
        self.produce(name, count)
        self.advance(seconds)
        self.wipe(name)

    def back_up(self, name: str) -> None:
        """Copy a disk."""
        if name in self.world.running:
            self.world.back_up(name)

    def restore(self, name: str) -> None:
        """Put an old copy in the place of a disk: what came since is lost."""
        if self.may_lose_a_disk and self.world.boxes[name].disk.has_backup:
            self.crash(name)
            self.world.restore(name)
            self._ledger.disk_lost(name)

    def fill(self, name: str) -> None:
        """Leave no room on the disk of a running agent."""
        if name in self.world.running:
            self.world.fill(name)

    def cut(self, source: str, target: str) -> None:
        """Cut one way between two boxes."""
        if source != target:
            self.world.cut(source, target)

    def split(self, count: int) -> None:
        """Cut the first boxes off from the rest, both ways."""
        self.world.split(self.names[:count])

    def weather(self, loss: float, duplication: float) -> None:
        """Let messages get lost, and arrive twice."""
        self.world.weather(Conditions(loss=loss, duplication=duplication))

    def advance(self, seconds: float) -> None:
        """Let time pass, and note what is promised then."""
        self.world.advance(seconds)
        for name in self.world.running:
            self._note_promises(name)

    def _note_promises(self, name: str) -> None:
        self._ledger.promised(self.world.promises(name))

    # What must hold

    def settle(self) -> float:
        """Heal everything, and wait until all agree; check the promises; return the seconds."""
        self.world.mend()
        self.world.weather(Conditions())
        for name in self.names:
            self.world.clear(name)
            self.start(name)
        taken_s = 0.0
        while (wrong := self._disagreement()) is not None:
            assert taken_s < quiet_s_max, f"after {taken_s} s of quiet: {wrong}"
            self.world.advance(_look_s)
            taken_s += _look_s
        self._check_promises()
        self.world.trace.add("world", f"all agree after {taken_s:.0f} s")
        return taken_s

    def _disagreement(self) -> str | None:
        """Say what is not yet as it will be in the end."""
        views = {name: self._view(name) for name in self.names}
        if len(set(views.values())) > 1:
            return f"the boxes differ: {views}"
        view = views[self.names[0]]
        if view.safe != view.stored:
            return f"only {view.safe} of {view.stored} games are safe"
        if view.alive < len(self.names):
            return f"only {view.alive} of {len(self.names)} are alive"
        return None

    def _view(self, name: str) -> "_View":
        status = self.world.status(name)
        games: dict[str, Any] = status["records"]["games"]
        members = status["mesh"]["members"]
        return _View(
            stored=games["stored"],
            safe=games["safe"],
            digest=games["digest"],
            known=self.world.known_digest(name),
            alive=sum(member["state"] == "alive" for member in members),
        )

    def _check_promises(self) -> None:
        owed = self._ledger.owed()
        for name in self.names:
            games = self.world.games(name)
            counted = self.world.status(name)["records"]["games"]
            lost = owed - set(games)
            assert not lost, f"{name} lacks {len(lost)} games that had to be kept"
            assert len(games) == len(set(games)) == counted["stored"], f"{name} counts twice"
            assert sum(counted["by_config"].values()) == counted["stored"]
        bugs = [
            fault
            for fault in self.world.trace.faults
            if not any(words in str(fault) for words in _expected)
        ]
        assert not bugs, bugs
        self._ledger.everywhere(games)


@dataclasses.dataclass(frozen=True, slots=True)
class _View:
    """What an agent says that all must agree on."""

    stored: int
    safe: int
    digest: str
    known: str
    alive: int
