"""Decides what this node plays next, and with which seeds.

No seed is used twice in the mesh: it is an HMAC under the node's own key of the store's id and a
counter whose blocks are reserved on disk before use. A restored backup gets a new store id, and so
new seeds, as soon as a peer tells it that it is one; a worker sees seeds, never the key.
"""

import collections
import dataclasses
import hashlib
import hmac
import itertools
from collections.abc import Mapping, Sequence
from typing import ClassVar

from mixins.base import P2PMixinBase
from mixins.runtime import Runtime
from p2p.events import StoreRenewed

seed_block = 256
"""Seeds reserved at a time; at most this many are skipped, never repeated, after a crash."""

_counter = "selfplay-seeds"


@dataclasses.dataclass(frozen=True, slots=True)
class Assignment:
    """What one worker plays until it is told otherwise."""

    config: str
    players: tuple[str, ...]
    """The kind of player in each seat."""


class SelfplayScheduler(P2PMixinBase):
    """Hands out assignments in turn, so that each gets an equal share of the workers."""

    name: ClassVar[str] = "selfplay_scheduler"

    def __init__(
        self, runtime: Runtime, *, seed_key: bytes, assignments: Sequence[Assignment]
    ) -> None:
        """`seed_key` is secret and belongs to this node alone."""
        super().__init__(runtime)
        self._seed_key = seed_key
        self._rotation = itertools.cycle(assignments)
        self._seeds: collections.deque[str] = collections.deque()
        self._seeds_given = 0
        runtime.bus.subscribe(self.name, StoreRenewed, self._forget_seeds)

    def _forget_seeds(self, _event: StoreRenewed) -> None:
        """Give out no seed of an older store id: it may have been played before the backup."""
        self._seeds.clear()

    def next_assignment(self) -> Assignment:
        """Return what the next free worker should play."""
        return next(self._rotation)

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
