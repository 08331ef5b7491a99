"""How many games are held here, and how well they are kept by the evidence so far."""

import collections
from collections.abc import Hashable

from mixins.runtime import Runtime
from p2p.envelope import RecordId
from p2p.identity.ids import NodeId
from p2p.membership import MemberState
from p2p.store import Safety

overdue_s = 60.0
"""A game that is not safe after this long is a problem."""

_game = "game"
_named_max = 20


class Census:
    """Counts again only if something has changed that the counts follow from."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self.latest: Safety | None = None
        """None until the first count."""
        self._counted: Hashable = None
        """What `latest` follows from."""
        self._seqs: collections.deque[tuple[float, int]] = collections.deque()
        """When the store was how far, over the last `overdue_s` and once before."""

    async def count(self, changes: Hashable, seq: int) -> Safety:
        """Return the counts of now.

        `changes` differs whenever records or evidence may have come since; the store is at `seq`.
        """
        me, durable, others = self._runtime.node, self._durable(), self._others()
        upto = self._seq_overdue(seq)
        now = (changes, durable, others, upto)
        if self.latest is None or now != self._counted:
            self.latest = await self._runtime.store.read(
                lambda store: store.safety(_game, me, durable, others, upto)
            )
            self._counted = now
        return self.latest

    async def only_here(self) -> list[RecordId]:
        """Return games that no other member is known to hold, the first few of them."""
        others = self._others()
        return list(
            await self._runtime.store.read(
                lambda store: store.only_here_ids(_game, others, _named_max)
            )
        )

    @property
    def overdue(self) -> int:
        """How many games are unsafe for too long, while there was a node to hold them."""
        if self.latest is None or not self._durable() - {self._runtime.node}:
            return 0
        return self.latest.overdue

    def _durable(self) -> frozenset[NodeId]:
        return frozenset(self._runtime.peers.durable_ids())

    def _others(self) -> frozenset[NodeId]:
        """Return the other members that have not left: their copies count."""
        return frozenset(
            member.id
            for member in self._runtime.peers.members()
            if member.state is not MemberState.LEFT and member.id != self._runtime.node
        )

    def _seq_overdue(self, seq: int) -> int:
        """Return how far the store had come `overdue_s` ago; 0 if that was before the start."""
        now_s = self._runtime.clock.monotonic_s()
        if not self._seqs or self._seqs[-1][1] != seq:
            self._seqs.append((now_s, seq))
        while len(self._seqs) > 1 and self._seqs[1][0] <= now_s - overdue_s:
            self._seqs.popleft()
        since_s, seq_then = self._seqs[0]
        return seq_then if since_s <= now_s - overdue_s else 0
