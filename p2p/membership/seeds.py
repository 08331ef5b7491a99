"""The addresses we were told to join at: whom we find there, and when to try again."""

import dataclasses
import math
import random
from collections.abc import Callable, Iterable

from p2p.identity.ids import NodeId
from p2p.records import Address

backoff_factor = 1.6


@dataclasses.dataclass(slots=True)
class _Seed:
    retry_s: float
    next_s: float
    """When it is tried next; infinite while a try is under way."""
    node: NodeId | None = None
    """Who answered last."""


class Seeds:
    """Tries every address until somebody answers there, and again whenever that one is gone."""

    def __init__(
        self,
        addresses: Iterable[Address],
        *,
        retry_s_min: float,
        retry_s_max: float,
        rng: random.Random,
    ) -> None:
        self._retry_s_max = retry_s_max
        self._rng = rng
        self._seeds = {address: _Seed(retry_s_min, -math.inf) for address in addresses}

    def due(self, now_s: float, is_here: Callable[[NodeId], bool]) -> list[Address]:
        """Return the addresses to contact now. `is_here` tells whether a node needs no finding."""
        addresses = []
        for address, seed in self._seeds.items():
            if now_s < seed.next_s:
                continue
            if seed.node is not None and is_here(seed.node):
                self._again(seed, now_s)
            else:
                seed.next_s = math.inf
                addresses.append(address)
        return addresses

    @property
    def next_s(self) -> float:
        """When an address is due next; infinite if none is."""
        return min((seed.next_s for seed in self._seeds.values()), default=math.inf)

    def reached(self, address: Address, node: NodeId, now_s: float) -> None:
        """Note who answered at an address."""
        seed = self._seeds.get(address)
        if seed is not None:
            seed.node, seed.retry_s = node, self._retry_s_max
            self._again(seed, now_s)

    def missed(self, address: Address, now_s: float) -> None:
        """Note that nobody answered at an address."""
        seed = self._seeds.get(address)
        if seed is not None:
            self._again(seed, now_s)
            seed.retry_s = min(seed.retry_s * backoff_factor, self._retry_s_max)

    def _again(self, seed: _Seed, now_s: float) -> None:
        seed.next_s = now_s + seed.retry_s * self._rng.uniform(0.75, 1.25)
