"""The world as a manager sees it. Everything that tests replace comes in through here."""

import dataclasses
import logging
import random
from collections.abc import Callable, Collection
from typing import Protocol

from mixins.clock import Clock
from mixins.store_access import StoreAccess
from mixins.threads import Threads
from p2p.envelope import time_ms_max
from p2p.events import EventBus
from p2p.identity.ids import NodeId
from p2p.membership import Member


class PeerView(Protocol):
    """The mesh as this node sees it."""

    def members(self) -> tuple[Member, ...]:
        """Return every member known, this node included."""

    def durable_ids(self) -> Collection[NodeId]:
        """Return the durable members that have not left: dead ones and this node included."""

    def median_offset_ms(self) -> int:
        """Return how far the mesh's clocks are ahead of ours."""


@dataclasses.dataclass(frozen=True)
class Runtime:
    """What a manager may use of the world outside."""

    node: NodeId
    clock: Clock
    rng: random.Random
    new_id: Callable[[int], bytes]
    """Returns that many unpredictable bytes."""
    threads: Threads
    log: logging.Logger
    store: StoreAccess
    bus: EventBus
    peers: PeerView

    def mesh_time_ms(self) -> int:
        """Return the mesh's time: ours, corrected by the median of our peers' offsets.

        A box whose clock says 1970 so does not produce into the past.
        """
        return min(max(0, self.clock.wall_ms() + self.peers.median_offset_ms()), time_ms_max)
