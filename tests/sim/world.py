"""A mesh of whole agents in one thread, in virtual time, from one seed.

    with World(seed=7) as world:
        world.start("a")
        world.start("b")
        world.advance(5)
        world.produce("a", 3)
        world.crash("a")

Everything is real but the network (`transports.memory`), the disk's syncing (`tests.sim.disk`), the
threads, the workers, the clocks, and the sources of chance.
"""

import contextlib
import logging
import random
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Self

from managers.job_manager.manager import commit_interval_s
from p2p.envelope import RecordId
from ringrift.exits import Exit
from tests.rig import pass_s
from tests.sim.box import Box, patience_s
from tests.sim.loop import Loop
from tests.sim.trace import Scribe, Trace
from transports.base import Address
from transports.memory import Conditions, MemoryNetwork

seeds_max = 2
"""How many other boxes an agent is told of when it starts."""

_port = 4711
_skews_ms = (0, 0, 40, -2_500, 3_600_000)
"""How wrong a box's clock may be."""


class World:
    """Boxes, and the network between them. Close it."""

    def __init__(self, seed: int, choosy: Collection[str] = ()) -> None:
        """`choosy` are the boxes that refuse some games; see `Box.refuses`."""
        self._choosy = choosy
        self._rng = random.Random(seed)
        self._loop = Loop(seed)
        self._folder = tempfile.TemporaryDirectory(prefix="ringrift-sim-")
        self.trace = Trace(lambda: self._loop.now_s)
        self.network = MemoryNetwork(random.Random(self._rng.random()))
        self.boxes: dict[str, Box] = {}
        self._network_log = logging.getLogger("transports.memory")
        self._network_handler = Scribe(self.trace, "network", self.told)
        self._network_log.addHandler(self._network_handler)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End everything."""
        with contextlib.ExitStack() as closing:
            closing.callback(self._folder.cleanup)
            closing.callback(self._loop.close)
            closing.callback(self._network_log.removeHandler, self._network_handler)

    @property
    def has_ended(self) -> bool:
        """Whether something that no agent has caught has ended the world."""
        return self._loop.has_ended

    @property
    def running(self) -> list[str]:
        """The boxes on which an agent runs."""
        return [name for name, box in self.boxes.items() if box.process is not None]

    @property
    def down(self) -> list[str]:
        """The boxes on which no agent runs."""
        return [name for name, box in self.boxes.items() if box.process is None]

    # What happens to boxes

    def start(self, name: str) -> None:
        """Start an agent on a box, on a new one if there is none of that name."""
        if name not in self.boxes:
            self.boxes[name] = self._new_box(name)
        box = self.boxes[name]
        self.trace.add("world", f"{name} starts")
        others = [other.address for other in self.boxes.values() if other is not box]
        self._loop.run(self._loop.nursery.start, box.live, others[:seeds_max])

    def _new_box(self, name: str) -> Box:
        number = len(self.boxes) + 1
        folder = Path(self._folder.name) / name
        folder.mkdir()
        return Box(
            name,
            Address(f"10.0.0.{number}", _port),
            self._rng.choice(_skews_ms),
            folder,
            random.Random(self._rng.random()),
            self.network,
            self.trace,
            self.told,
            is_choosy=name in self._choosy,
        )

    def produce(self, name: str, count: int) -> list[RecordId]:
        """Have games played on a box; return those that were committed."""
        process = self.boxes[name].up
        played = self._loop.run(process.table.order, count, patience_s)
        self._loop.run(pass_s, 2 * commit_interval_s)
        held = set(process.games())
        made = [game for game in played if game in held]
        self.trace.add("world", f"{name} has produced {len(made)} of {count} games")
        return made

    def crash(self, name: str) -> None:
        """Cut a box's power."""
        self.trace.add("world", f"{name} crashes")
        self.boxes[name].crash()

    def stop(self, name: str) -> Exit:
        """Stop an agent in good order."""
        self.trace.add("world", f"{name} is told to stop")
        process = self.boxes[name].up
        self._loop.run(process.stop)
        assert process.exit is not None
        self.trace.add("world", f"{name} has stopped: {process.exit.name}")
        return process.exit

    def wipe(self, name: str, *, new_key: bool = False) -> None:
        """Lose the disk of a box on which no agent runs, and perhaps its key with it."""
        self.trace.add("world", f"{name} loses its disk{' and its key' if new_key else ''}")
        self.boxes[name].wipe(new_key=new_key)

    def back_up(self, name: str) -> None:
        """Keep a copy of a disk."""
        self.trace.add("world", f"the disk of {name} is backed up")
        self.boxes[name].disk.back_up()

    def restore(self, name: str) -> None:
        """Go on with that copy, on a box on which no agent runs."""
        self.trace.add("world", f"{name} gets its backup")
        self.boxes[name].restore()

    def fill(self, name: str) -> None:
        """Leave no room on a disk."""
        self.trace.add("world", f"the disk of {name} is full")
        self.boxes[name].disk.is_full = True

    def clear(self, name: str) -> None:
        """Make room again, if there is none."""
        if not self.boxes[name].disk.is_full:
            return
        self.trace.add("world", f"the disk of {name} has room again")
        self.boxes[name].disk.is_full = False

    # What happens to the network

    def cut(self, source: str, target: str) -> None:
        """Let nothing from one box reach another."""
        self.trace.add("world", f"{source} -> {target} is cut")
        self.network.cut(self.boxes[source].node, self.boxes[target].node)

    def split(self, names: Collection[str]) -> None:
        """Cut some boxes off from all others, both ways."""
        self.trace.add("world", f"{', '.join(names)} cut off")
        for name in names:
            for other in self.boxes.keys() - set(names):
                self.network.cut(self.boxes[name].node, self.boxes[other].node)
                self.network.cut(self.boxes[other].node, self.boxes[name].node)

    def mend(self) -> None:
        """Undo all cuts."""
        self.trace.add("world", "all cuts are mended")
        self.network.heal()

    def weather(self, conditions: Conditions) -> None:
        """Let the network be as good as this from now on."""
        self.trace.add("world", f"the network has {conditions}")
        self.network.conditions = conditions

    # Time

    @property
    def now_s(self) -> float:
        """Virtual time."""
        return self._loop.now_s

    def advance(self, seconds: float) -> None:
        """Let virtual time pass."""
        self._loop.run(pass_s, seconds)

    # What agents say

    def told(self, text: str) -> str:
        """Return a text without the name of this run's own folder."""
        return text.replace(self._folder.name, "DISK")

    def status(self, name: str) -> dict[str, Any]:
        """Return what `ringrift-agent status --json` would say on a box."""
        return self._loop.run(self.boxes[name].up.status)

    def games(self, name: str) -> list[RecordId]:
        """List the games held on a box, by its store."""
        return self.boxes[name].up.games()

    def bodies(self, name: str) -> Mapping[RecordId, bytes]:
        """Return the games held on a box."""
        return self.boxes[name].up.store.bodies(self.games(name))

    def promises(self, name: str) -> dict[RecordId, int]:
        """Return the games that an agent counts as safe, and how many disks each may lose."""
        return self.boxes[name].up.promises()

    def has_heard(self, observer: str, name: str) -> bool:
        """Tell whether an agent knows which store another has now."""
        box = self.boxes[name]
        present: bytes = box.up.store.id
        return self.boxes[observer].up.store_of(box.node) == present

    def check_evidence(self, older: Mapping[str, bytes]) -> None:
        """Check that what agents have noted of the others' stores is there.

        Nothing is asked of what has been noted of a store that its box has lost, as long as the
        observer has not heard of the one in its place. The same holds for stores that do not know
        yet that they are older copies of themselves: the ids of these are in `older`.
        """
        stores = {
            self.boxes[name].node: (name, self.boxes[name].up.store.id, self.boxes[name].up.held())
            for name in self.running
            if older.get(name) != self.boxes[name].up.store.id
        }
        for observer in self.running:
            for node, (store, noted) in self.boxes[observer].up.trusted().items():
                if node not in stores:
                    continue
                name, present, held = stores[node]
                lacking = noted - held if store == present else ()
                assert not lacking, f"{observer} counts on {len(lacking)} records that {name} lacks"

    def known_digest(self, name: str) -> str:
        """Return the digest of all that a box knows, refused records too, as it tells its peers."""
        return self.boxes[name].up.store.view().root().known.total_bytes.hex()
