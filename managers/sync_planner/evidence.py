"""What this node knows of its peers' stores, and so of the copies that they hold.

Evidence is about one store of a peer, named by its id, and is void once that store may have lost
rows: when its id changes, or when it has fallen behind what was seen of it and stays there.
"""

import dataclasses
from collections.abc import Collection

from mixins.clock import Clock
from mixins.store_access import StoreAccess
from p2p.envelope import RecordId
from p2p.identity.ids import NodeId
from p2p.reconcile import Ping, Snapshot
from p2p.store import Mark

lower_pings_max = 3
lower_s_max = 10.0
"""A store that so many pings in a row, or pings over so long, show lower than it was has lost rows.

One that is lower once has probably been overtaken by a later ping.
"""

_nothing_seen = Mark(b"", 0)


@dataclasses.dataclass(slots=True)
class _Peer:
    seen: Mark = _nothing_seen
    """How far its store has come, by its furthest ping or snapshot."""
    furthest: Mark = _nothing_seen
    """As `seen`, but not lowered where that store turned out to have less."""
    proved: tuple[bytes, int] = (b"", 0)
    """Its store, and our sequence up to which that is known to hold everything."""
    lower_pings: int = 0
    """How many pings in a row have been lower than `seen`."""
    lower_since_s: float = 0.0
    is_void_due: bool = False
    """Whether what is noted on the disk is about an earlier store than `seen`."""

    def see(self, at: Mark) -> None:
        """Note how far its store is now."""
        self.seen = at
        if at.store != self.furthest.store or at.seq > self.furthest.seq:
            self.furthest = at


class Evidence:
    """Keeps what is proved of each peer's store, and voids it when that may have lost rows."""

    def __init__(self, store: StoreAccess, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._peers: dict[NodeId, _Peer] = {}
        self.changes = 0
        """Counts the changes on the disk, so that whoever counts copies knows when to do so."""

    async def load(self) -> None:
        """Go on from what was noted in earlier runs."""
        marks = await self._store.read(lambda store: store.seen())
        for node, mark in marks.items():
            self._peer(node).see(mark)

    def store_of(self, peer: NodeId) -> bytes:
        """Return the id of a peer's present store; empty if it has not told."""
        return self._peer(peer).seen.store

    def reminder(self, peer: NodeId) -> Snapshot | None:
        """Return what to tell a peer whose store is lower than it was.

        It is told until it takes a new id or has come as far again, for any answer may be lost.
        """
        state = self._peer(peer)
        if not state.lower_pings and state.furthest == state.seen:
            return None
        return Snapshot(state.furthest.store, state.furthest.seq)

    async def hear(self, peer: NodeId, theirs: Ping) -> bool:
        """Take in a peer's ping; tell whether it shows the store as it is now.

        If not, two messages have overtaken each other, or the store is an older copy of itself.
        Only the peer can tell, so it is reminded of what was seen; if that does not help, what was
        noted of it is voided.
        """
        state, at = self._peer(peer), Mark(theirs.store, theirs.seq)
        if state.is_void_due or state.seen.store not in (at.store, _nothing_seen.store):
            await self._void(peer, at)
        elif at.seq >= state.seen.seq:
            state.see(at)
            state.lower_pings = 0
        elif self._is_overtaken(state):
            return False
        else:
            await self._void(peer, at)
        return True

    def _is_overtaken(self, state: _Peer) -> bool:
        now_s = self._clock.monotonic_s()
        if not state.lower_pings:
            state.lower_since_s = now_s
        state.lower_pings += 1
        return state.lower_pings < lower_pings_max and now_s - state.lower_since_s <= lower_s_max

    async def _void(self, peer: NodeId, at: Mark) -> None:
        """Drop what was noted. Should the disk fail, the peer's next ping tries again."""
        state = self._peers[peer] = _Peer(furthest=self._peer(peer).furthest, is_void_due=True)
        state.see(at)
        await self._store.write(lambda store: store.void_evidence(peer, at))
        state.is_void_due = False
        self.changes += 1

    async def note_copies(self, peer: NodeId, store_id: bytes, ids: Collection[RecordId]) -> None:
        """Note that a peer's store holds these records; of no effect if it is not its present one.

        `store_id` is empty if the peer has not told.
        """
        if ids and (at := self.mark_for(peer, store_id)):
            await self._store.write(lambda store: store.note_receipts(peer, at, ids))
            self.changes += 1

    async def prove(self, peer: NodeId, peer_at: Mark, seq: int) -> None:
        """Note that a peer's store, as it was then, holds all that we hold up to `seq`.

        As `note_copies`, of no effect if it is not its present one.
        """
        if self.mark_for(peer, peer_at.store) is None:
            return
        state = self._peer(peer)
        if state.seen.seq < peer_at.seq:
            state.see(peer_at)
        if state.proved != (peer_at.store, seq):
            at = state.seen
            await self._store.write(lambda store: store.note_watermark(peer, at, seq))
            state.proved = peer_at.store, seq
            self.changes += 1

    def mark_for(self, peer: NodeId, store_id: bytes) -> Mark | None:
        """Return how far a peer's present store has come; None if `store_id` is not its id.

        Of a peer of which nothing has been seen, `store_id` is noted as that of its present store.

        A change that notes something under this mark must be queued before anything else happens:
        then what voids it comes after it.
        """
        state = self._peer(peer)
        if state.seen == _nothing_seen:
            state.see(Mark(store_id, 0))
        return state.seen if store_id and store_id == state.seen.store else None

    def _peer(self, node: NodeId) -> _Peer:
        return self._peers.setdefault(node, _Peer())
