"""What may happen to a mesh, and what must hold all the same.

Shared by the tests that let hypothesis choose, and by `python -m tests.sim`, which draws from a
seed. A box that is named where it makes no sense - to crash while it is down - is left alone, so
that every choice is a valid one.
"""

import collections
import contextlib
import dataclasses
import string
from typing import Any

from p2p.envelope import RecordId
from ringrift.exits import Exit
from tests.sim.ledger import Ledger, losses_max
from tests.sim.seeds import Origins
from tests.sim.world import World
from transports.memory import Conditions

quiet_s_max = 90.0
"""How long a healed mesh may take until everybody agrees, and every game is safe."""

_look_s = 3.0
_early_s = 2.0
_early_look_s = 0.1
_instant_s = 0.01
"""Just after a start, others may still count on what a box had before: so look closely."""

_choosy_nodes_min = 4
"""With one box that refuses games, so many are needed for two holders besides the producer."""

_expected = ("no room left",)
"""Errors that the faults lead to: full disks."""


class Mesh:
    """A world whose promises are written down, and checked."""

    def __init__(self, seed: int, nodes: int) -> None:
        self.names = string.ascii_lowercase[:nodes]
        self._choosy = self.names[-1] if nodes >= _choosy_nodes_min else ""
        self.world = World(seed, self._choosy)
        self.tally: collections.Counter[str] = collections.Counter()
        """How often what has happened."""
        self._ledger = Ledger()
        self._origins = Origins()
        self._replayable: set[RecordId] = set()
        """Games that an older copy of a store may have made from seeds used before."""
        self._backups: dict[str, bytes] = {}
        """The id of the store that was backed up, by box."""
        self._older: dict[str, bytes] = {}
        """The id of the backup that has taken the place of a box's store."""
        self._early_until_s = 0.0
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
            is_older = self._older.get(name) == self.world.boxes[name].up.store.id
            games = self.world.produce(name, count)
            self.tally["games"] += len(games)
            self._ledger.produced(name, games)
            if is_older:  # until it has a new id, it cannot know what it has played before
                self._replayable.update(games)

    def crash(self, name: str) -> None:
        """Cut a box's power."""
        if name in self.world.running:
            self._look()
            self.tally["crashes"] += 1
            self.world.crash(name)

    def stop(self, name: str) -> None:
        """Stop an agent in good order. If it says that all is well, another box has every game."""
        if name in self.world.running:
            self.tally["stops"] += 1
            games = self.world.games(name)
            if self.world.stop(name) is Exit.HEALTHY:
                self._ledger.promised(dict.fromkeys(games, 1))

    def start(self, name: str) -> None:
        """Start an agent again."""
        if name in self.world.down:
            self.world.clear(name)
            self.world.start(name)
            self._early_until_s = self.world.now_s + _early_s

    @property
    def may_lose_a_disk(self) -> bool:
        """Whether so few disks have been lost lately that a promise covers another."""
        return self._ledger.losses < losses_max

    def wipe(self, name: str, *, new_key: bool = False) -> None:
        """Lose a disk, and with it perhaps the key."""
        if self.may_lose_a_disk:
            self.crash(name)
            self.tally["wipes"] += 1
            self.world.wipe(name, new_key=new_key)
            self._ledger.disk_lost(name)
            self._older.pop(name, None)

    def preempt(self, name: str, count: int, seconds: float) -> None:
        """Play some games, and lose the disk moments after: a rented box ends like that."""
        self.produce(name, count)
        self.advance(seconds)
        self.wipe(name)

    def back_up(self, name: str) -> None:
        """Copy a disk."""
        if name in self.world.running:
            self.world.back_up(name)
            self._backups[name] = self.world.boxes[name].up.store.id

    @property
    def backed_up(self) -> list[str]:
        """The boxes of whose disks there is a copy."""
        return list(self._backups)

    def restore(self, name: str) -> None:
        """Put an old copy in the place of a disk: what came since is lost."""
        if self.may_lose_a_disk and name in self._backups:
            self.crash(name)
            self.tally["restores"] += 1
            self.world.restore(name)
            self._ledger.disk_lost(name)
            self._older[name] = self._backups[name]

    def fill(self, name: str) -> None:
        """Leave no room on the disk of a running agent."""
        if name in self.world.running:
            self.tally["full disks"] += 1
            self.world.fill(name)

    def clear(self) -> None:
        """Make room on every disk."""
        for name in self.names:
            self.world.clear(name)

    def cut(self, source: str, target: str) -> None:
        """Cut one way between two boxes."""
        if source != target:
            self.tally["cuts"] += 1
            self.world.cut(source, target)

    def replace(self, name: str, observer: str) -> None:
        """Lose a disk, and start with an empty one, of which only one box hears.

        As soon as that has heard of it, it is not heard any more, so no record comes back.
        """
        if observer == name or observer not in self.world.running or not self.may_lose_a_disk:
            return
        self.wipe(name)
        for other in self.names:
            if other != observer:
                self.cut(other, name)
                self.cut(name, other)
        self.start(name)
        self.tally["empty disks"] += 1
        until_s = self.world.now_s + _early_s
        while not self.world.has_heard(observer, name) and self.world.now_s < until_s:
            self.advance(_instant_s)
        self.cut(observer, name)

    def split(self, count: int) -> None:
        """Cut the first boxes off from the rest, both ways."""
        self.world.split(self.names[:count])

    def weather(self, loss: float, duplication: float) -> None:
        """Let messages get lost, and arrive twice."""
        self.world.weather(Conditions(loss=loss, duplication=duplication))

    def advance(self, seconds: float) -> None:
        """Let time pass, look what is promised meanwhile, and check what is noted."""
        until_s = self.world.now_s + seconds
        while (left_s := until_s - self.world.now_s) > 0:
            is_early = self.world.now_s < self._early_until_s
            self.world.advance(min(left_s, _early_look_s if is_early else _look_s))
            self._look()

    def _look(self) -> None:
        self.world.check_evidence(self._older)
        for name in self.world.running:
            promises = self.world.promises(name)
            self.tally["promises"] += len(promises)
            self._ledger.promised(promises)

    # What must hold

    def settle(self) -> float:
        """Heal everything, and wait until all agree; check the promises; return the seconds."""
        self.world.mend()
        self.world.weather(Conditions())
        self.clear()
        for name in self.names:
            self.start(name)
        taken_s = 0.0
        while (wrong := self._disagreement()) is not None:
            assert taken_s < quiet_s_max, f"after {taken_s} s of quiet: {wrong}"
            self.advance(_look_s)
            taken_s += _look_s
        self._check_promises()
        self.world.trace.add("world", f"all agree after {taken_s:.0f} s")
        return taken_s

    def _disagreement(self) -> str | None:
        """Say what is not yet as it will be in the end."""
        views = {name: self._view(name) for name in self.names}
        if len({view.known for view in views.values()}) > 1:
            return f"the boxes know different records: {views}"
        if any(view.alive < len(self.names) for view in views.values()):
            return f"not all {len(self.names)} are alive: {views}"
        # A box that refuses has no digest in common with others, so it need not know what is safe.
        takers = {view for name, view in views.items() if name != self._choosy}
        if len(takers) > 1:
            return f"the boxes hold different games: {views}"
        (view,) = takers
        if view.safe != view.stored:
            return f"only {view.safe} of {view.stored} games are safe"
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
        self._origins.learn(self.world.bodies(self.names[0]))
        replays = self._origins.replays(self._replayable)
        assert not replays, f"{len(replays)} games were played from a seed used before"
        owed = self._ledger.owed()
        everything = set(self.world.games(self.names[0]))
        assert owed <= everything, f"{len(owed - everything)} games are lost that had to be kept"
        self.tally["games owed for a promise"] += len(self._ledger.owed_for_a_promise())
        for name in self.names:
            self._check_games(name, everything)
        bugs = [
            fault
            for fault in self.world.trace.faults
            if not any(words in str(fault) for words in _expected)
        ]
        assert not bugs, bugs
        self._ledger.everywhere(everything)

    def _check_games(self, name: str, everything: set[RecordId]) -> None:
        """Check that a box holds every game, but for those that it refuses, and counts them."""
        box = self.world.boxes[name]
        refused = {game for game in everything if box.refuses(game, self._origins.producer(game))}
        self.tally["refused games"] += len(refused)
        games = self.world.games(name)
        status = self.world.status(name)
        counted, replays = status["records"]["games"], status["replays"]
        self.tally["replays"] += replays["good"]
        assert not replays["bad"], f"{name} has replayed a game that was wrong: {replays}"
        assert set(games) == everything - refused, f"{name} holds other games than it should"
        assert len(games) == len(set(games)) == counted["stored"], f"{name} counts twice"
        assert sum(counted["by_config"].values()) == counted["stored"]


@dataclasses.dataclass(frozen=True, slots=True)
class _View:
    """What an agent says that all must agree on."""

    stored: int
    safe: int
    digest: str
    known: str
    alive: int
