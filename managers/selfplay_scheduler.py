"""Decides what this node plays next, and with which seeds.

Every config gets the same share of this node's compute, which is the wall time of its workers'
slots: the next turn goes to the one on which the least has been spent. A turn is charged in full
when it begins, and what it really cost when it ends, so that turns under way at the same time
differ; and it is on the disk before it begins, so that an agent that is killed again and again does
not begin with the same config every time. Ties are broken by a hash of node and config: boxes that
vanish after an hour do not all play the same.

No seed is used twice in the mesh: it is an HMAC under the node's own key of the store's id and a
counter whose blocks are reserved on disk before use. A restored backup gets a new store id, and so
new seeds, as soon as a peer tells it that it is one; a worker sees seeds, never the key.
"""

import collections
import contextlib
import dataclasses
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import ClassVar

from mixins.base import P2PMixinBase
from mixins.runtime import Runtime
from p2p.events import StoreRenewed

seed_block = 256
"""Seeds reserved at a time; at most this many are skipped, never repeated, after a crash."""

turn_s = 60.0
"""How long a turn is. To start a worker costs some 0.3 s, which is half a percent of it, and after
twelve minutes of one slot every config has had a turn."""

_counter = "selfplay-seeds"
_charged = "selfplay-charged-s"


@dataclasses.dataclass(frozen=True, slots=True)
class Assignment:
    """What one worker plays in its turn."""

    config: str
    players: tuple[str, ...]
    """The kind of player in each seat."""
    turn_s: float = turn_s
    """How long it goes on; a game that has begun is finished."""


class SelfplayScheduler(P2PMixinBase):
    """Gives each config an equal share of this node's compute."""

    name: ClassVar[str] = "selfplay_scheduler"

    def __init__(
        self,
        runtime: Runtime,
        *,
        seed_key: bytes,
        lineups: Mapping[str, Sequence[tuple[str, ...]]],
    ) -> None:
        """`seed_key` is secret and belongs to this node alone.

        `lineups` has, for each config, the kinds of players that may take its seats; a turn is
        played by any of these, each as likely as the next.
        """
        super().__init__(runtime)
        self._seed_key = seed_key
        self._lineups = lineups
        self._charged_s = dict.fromkeys(lineups, 0.0)
        self._tie_breaks = {
            config: hashlib.sha256(runtime.node + config.encode()).digest() for config in lineups
        }
        self._seeds: collections.deque[str] = collections.deque()
        self._seeds_given = 0
        runtime.bus.subscribe(self.name, StoreRenewed, self._forget_seeds)

    @property
    def configs(self) -> Sequence[str]:
        """Every config that has a share."""
        return tuple(self._lineups)

    async def load(self) -> None:
        """Remember what has been charged to each config. Call before the first turn.

        A config that is new here begins at the least that another was charged: it gets its share
        from now on, and what it has missed does not starve the others.
        """
        found = await self.read(lambda store: store.get_setting(_charged))
        kept = _as_charges(found)
        floor_s = min((kept[config] for config in kept.keys() & self._charged_s), default=0.0)
        self._charged_s = {config: kept.get(config, floor_s) for config in self._charged_s}

    async def save(self) -> None:
        """Write down what has been charged. Done by `begin_turn`; call once more at the end."""
        charged_s = dict(self._charged_s)
        await self.write(lambda store: store.set_setting(_charged, charged_s))

    async def begin_turn(self) -> Assignment:
        """Return what the next free worker should play. Call `end_turn` when it has.

        If it cannot be written down, or is cancelled meanwhile, no turn has begun.
        """
        config = min(
            self._charged_s, key=lambda each: (self._charged_s[each], self._tie_breaks[each])
        )
        self._charged_s[config] += turn_s
        with contextlib.ExitStack() as undo:
            undo.callback(self.end_turn, config, 0.0)
            await self.save()
            undo.pop_all()
        return Assignment(config, self.runtime.rng.choice(self._lineups[config]))

    def end_turn(self, config: str, spent_s: float) -> None:
        """Charge what a turn has cost in place of what it was to cost."""
        self._charged_s[config] += spent_s - turn_s

    def _forget_seeds(self, _event: StoreRenewed) -> None:
        """Give out no seed of an older store id: it may have been played before the backup."""
        self._seeds.clear()

    async def next_seed(self) -> str:
        """Return a seed never given out before, as 32 hex digits."""
        while not self._seeds:
            self._seeds.extend(await self._reserve_seeds())
        self._seeds_given += 1
        return self._seeds.popleft()

    async def _reserve_seeds(self) -> list[str]:
        store_id, first = await self.write(
            lambda store: (store.id, store.reserve(_counter, seed_block))
        )
        return [self._seed(store_id, first + index) for index in range(seed_block)]

    def _seed(self, store_id: bytes, number: int) -> str:
        message = store_id + number.to_bytes(8, "big")
        return hmac.new(self._seed_key, message, hashlib.sha256).hexdigest()[:32]

    def status(self) -> Mapping[str, object]:
        """Return `{"seeds_given"}` since the start."""
        return {"seeds_given": self._seeds_given}


def _as_charges(value: object) -> Mapping[str, float]:
    items = value.items() if isinstance(value, dict) else ()
    return {config: float(s) for config, s in items if isinstance(s, int | float)}
