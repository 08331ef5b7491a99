"""Keeps every record on every box that should hold it, and knows which are safe.

Three loops, none of which trusts another. *Push*: what is produced here goes to the peers in the
next moment. *Exchange*: with a peer whose digest differs, the two stores are compared and both
sides' missing records moved; this repairs whatever a push missed. *Count*: from the evidence that
both have left, which records enough boxes hold.

Evidence that a peer holds a record is its receipt, that it sent the record itself, or a completed
exchange (or an equal digest) with a peer that has refused nothing.
"""

import collections
import dataclasses
import logging
import math
from collections.abc import Collection, Iterable, Mapping
from typing import ClassVar

import trio

from managers.sync_planner.bulk import framed_answer
from managers.sync_planner.exchange import Exchange, PeerLink, path_exchange, path_records
from mixins.alarm import Alarm
from mixins.base import Loop, P2PMixinBase
from mixins.runtime import Runtime
from p2p.codec import CodecError, MalformedMessage, pack, record_bytes_max, unpack
from p2p.envelope import RecordId, record_id
from p2p.events import Event, HostOffline, HostOnline, RecordsStored, StoreRenewed
from p2p.frames import FrameError, Frames, frame_header_bytes
from p2p.identity.ids import NodeId
from p2p.membership import Member
from p2p.reconcile import (
    Initiator,
    Outcome,
    Ping,
    Receipt,
    Responder,
    Snapshot,
    ping,
    push_bytes_max,
    push_records_max,
    receipt,
)
from p2p.store import Mark, NodeStore, Safety
from transports.base import Address, Handler, Incoming, Reply, Transport, TransportError

exchange_interval_s = 5.0
"""At most one exchange per peer and this time; pushes carry what is fresh."""

exchanges_at_once_max = 2
push_delay_s = 0.05
"""Games finished within this time go in one push."""

retry_s_first = 1.0
retry_s_max = 60.0
count_interval_s = 1.0

overdue_s = 60.0
"""A record that is not safe after this long is a problem."""

_game = "game"
_named_max = 20
_told_records_min = 100
"""An exchange that moves fewer is everyday business and not worth a line in the log."""


_nothing_seen = Mark(b"", 0)


@dataclasses.dataclass(slots=True)
class _Peer:
    """What this node remembers of a peer while it runs."""

    pushed_seq: int
    """Our own records up to here have been pushed, or are left to the exchange."""
    differs: bool = False
    exchanging: bool = False
    exchange_at_s: float = 0.0
    pushing: bool = False
    push_at_s: float = 0.0
    push_failures: int = 0
    seen: Mark = _nothing_seen
    """How far its store has come, by its latest digest."""
    reminder: Snapshot | None = None
    """What to remind it of, if its store has lost rows."""
    irreconcilable: tuple[bytes, bytes] = (b"", b"")
    """Our digest and its own, after an exchange that left nothing but what one side refuses."""
    proved: tuple[bytes, int] = (b"", 0)
    """The peer's store, and our sequence up to which it is known to hold everything."""


@dataclasses.dataclass(slots=True)
class _Counters:
    exchanges: int = 0
    exchanges_failed: int = 0
    pushed: int = 0
    given: int = 0
    taken: int = 0


class SyncPlanner(P2PMixinBase):
    """Moves records between this node and its peers."""

    name: ClassVar[str] = "sync_planner"
    publishes: ClassVar[tuple[type[Event], ...]] = (RecordsStored, StoreRenewed)

    def __init__(self, runtime: Runtime, *, transport: Transport) -> None:
        super().__init__(runtime)
        self._transport = transport
        self._peers: dict[NodeId, _Peer] = {}
        self._own_seq = 0
        self._push_alarm = Alarm()
        self._exchange_alarm = Alarm()
        self._recount = True
        self._safety: Safety | None = None
        self._stored_before: collections.deque[tuple[float, int]] = collections.deque()
        self._counters = _Counters()
        runtime.bus.subscribe(self.name, RecordsStored, self._stored)
        runtime.bus.subscribe(self.name, HostOnline, self._host_changed)
        runtime.bus.subscribe(self.name, HostOffline, self._host_changed)

    def loops(self) -> Iterable[Loop]:
        """Return the three loops."""
        return (
            Loop("push", self._push_for_ever),
            Loop("exchange", self._exchange_for_ever),
            Loop("count", self._count_for_ever),
        )

    def receive(self) -> Mapping[str, Handler]:
        """Return the handlers of the exchange and of pushed records."""
        return {path_exchange: self._answer_exchange, path_records: self._take_push}

    async def load(self) -> None:
        """Start the push after what is stored already: that is left to the exchange."""
        self._own_seq = await self.read(lambda store: store.view().seq)
        for node, mark in (await self.read(lambda store: store.seen())).items():
            self._peer(node).seen = mark

    # Who tells us

    def _stored(self, event: RecordsStored) -> None:
        self._recount = True
        if event.source is None:
            self._own_seq = event.rows[-1].seq
            self._push_alarm.ring()

    def _host_changed(self, _event: HostOnline | HostOffline) -> None:
        self._recount = True
        self._push_alarm.ring()

    def _peer(self, node: NodeId) -> _Peer:
        if node not in self._peers:
            self._peers[node] = _Peer(pushed_seq=self._own_seq)
        return self._peers[node]

    async def offer(self) -> Ping:
        """Sum up our records for a peer."""
        return await self.read(lambda store: ping(store.view()))

    async def heard(self, peer: NodeId, mine: Ping, theirs: Ping) -> None:
        """Compare a peer's digest with ours: equal, it proves copies; if not, plan an exchange."""
        state = self._peer(peer)
        if not self._is_newest(state, theirs):
            return
        alike = theirs.agrees(mine)
        state.differs = not alike and (mine.known, theirs.known) != state.irreconcilable
        if state.differs:
            self._exchange_alarm.ring()
        elif alike and theirs.proves_copies(mine):
            await self._prove(peer, state.seen, mine.seq)

    def _is_newest(self, state: _Peer, theirs: Ping) -> bool:
        """Whether this is the furthest that we have seen a peer's store.

        If not, two messages have overtaken each other, or the store is an older copy of itself, and
        what we noted of it is void. Only the peer can tell: it is reminded of what we have seen.
        """
        if theirs.store == state.seen.store and theirs.seq < state.seen.seq:
            state.reminder = Snapshot(state.seen.store, state.seen.seq)
            return False
        state.seen = Mark(theirs.store, theirs.seq)
        state.reminder = None
        return True

    def reminder(self, peer: NodeId) -> Snapshot | None:
        """Return what to tell a peer whose store seems to have lost rows."""
        return self._peer(peer).reminder

    async def reminded(self, seen: Snapshot) -> None:
        """Take a new store id if a peer has seen more of this store than is there.

        So after a restored backup: peers must not go on counting on what it had.
        """
        mine = await self.read(lambda store: Mark(store.id, store.view().seq))
        if seen.store == mine.store and seen.seq > mine.seq:
            await self.write(lambda store: store.renew_store_id(self.runtime.new_id))
            self.log.warning("this store is an older copy of itself: it goes on under a new id")
            self.emit(StoreRenewed())

    async def _prove(self, peer: NodeId, at: Mark, seq: int) -> None:
        state = self._peer(peer)
        if state.proved != (at.store, seq):
            await self.write(lambda store: store.note_watermark(peer, at, seq))
            state.proved = (at.store, seq)
            self._recount = True

    def _link(self, member: Member) -> PeerLink:
        addresses = [Address(host, port) for host, port in member.addresses]
        return PeerLink(self._transport, member.id, addresses)

    # Push

    async def _push_for_ever(self) -> None:
        async with trio.open_nursery() as nursery:
            while True:
                now_s = self.runtime.clock.monotonic_s()
                next_s = math.inf
                for member in self.alive_peers():
                    state = self._peer(member.id)
                    if state.pushing or state.pushed_seq >= self._own_seq:
                        continue
                    if state.push_at_s <= now_s:
                        state.pushing = True
                        nursery.start_soon(self._push_to, member, state)
                    else:
                        next_s = min(next_s, state.push_at_s)
                await self._push_alarm.wait(next_s)
                await trio.sleep(push_delay_s)

    async def _push_to(self, member: Member, state: _Peer) -> None:
        try:
            while await self._push_some(member, state):
                state.push_failures = 0
        except (TransportError, CodecError) as error:
            delay_s = min(retry_s_max, retry_s_first * 2**state.push_failures)
            state.push_failures += 1
            state.push_at_s = self.runtime.clock.monotonic_s() + delay_s * self.runtime.rng.uniform(
                0.8, 1.2
            )
            self.log.info("a push to %s failed: %s", member.name, error)
        finally:
            state.pushing = False
            self._push_alarm.ring()

    async def _push_some(self, member: Member, state: _Peer) -> bool:
        """Push what one body holds of our own fresh records; return whether there was any."""
        upto = self._own_seq
        rows = await self.read(
            lambda store: store.own_after(
                self.runtime.node, state.pushed_seq, push_records_max, push_bytes_max
            )
        )
        if not rows:
            state.pushed_seq = max(state.pushed_seq, upto)
            return False
        answer = await self._link(member).push(data for _, _, data in rows)
        taken = unpack(answer, Receipt)
        held = taken.held([id_ for _, id_, _ in rows])
        await self._given(member.id, taken.store, held)
        for refused in taken.refused:
            self.log.warning("%s refused a record of ours: %s", member.name, refused.reason)
        self._counters.pushed += len(rows)
        state.pushed_seq = rows[-1][0]
        return True

    async def _given(self, peer: NodeId, peer_store: bytes, ids: Collection[RecordId]) -> None:
        seen = self._peer(peer).seen
        at = seen if seen.store == peer_store else Mark(peer_store, 0)
        if ids:
            await self.write(lambda store: store.note_receipts(peer, at, ids))
            self._recount = True

    async def _take_push(self, request: Incoming) -> Reply:
        assert request.peer is not None
        body = await request.read(push_bytes_max + push_records_max * frame_header_bytes)
        records, ids = await self.runtime.threads.run(_split, body)
        done = await self.ingest(records, request.peer)
        if their_store := self._peer(request.peer).seen.store:
            held = [row.id for row in done.stored] + list(done.known)
            await self._given(request.peer, their_store, held)
        store_id = await self.read(lambda store: store.id)
        return Reply(body=pack(receipt(store_id, ids, done)))

    # Exchange

    async def _exchange_for_ever(self) -> None:
        limit = trio.CapacityLimiter(exchanges_at_once_max)
        async with trio.open_nursery() as nursery:
            while True:
                now_s = self.runtime.clock.monotonic_s()
                next_s = math.inf
                for member in self.alive_peers():
                    state = self._peer(member.id)
                    if state.exchanging or not state.differs:
                        continue
                    if state.exchange_at_s <= now_s:
                        state.exchanging = True
                        nursery.start_soon(self._exchange_with, member, state, limit)
                    else:
                        next_s = min(next_s, state.exchange_at_s)
                await self._exchange_alarm.wait(next_s)

    async def _exchange_with(
        self, member: Member, state: _Peer, limit: trio.CapacityLimiter
    ) -> None:
        try:
            async with limit:
                await self.exchange(member)
        except (TransportError, CodecError) as error:
            self._counters.exchanges_failed += 1
            self.log.info("an exchange with %s failed: %s", member.name, error)
        finally:
            state.exchanging = False
            state.differs = False  # until the next gossip says otherwise
            state.exchange_at_s = (
                self.runtime.clock.monotonic_s()
                + exchange_interval_s * self.runtime.rng.uniform(0.8, 1.2)
            )
            self._exchange_alarm.ring()

    async def exchange(self, member: Member) -> Outcome:
        """Compare our records with a member's and move what either lacks.

        Raises `TransportError` or `CodecError`; what was committed by then stays.
        """

        async def take(peer_store: bytes, records: list[bytes]) -> None:
            done = await self.ingest(records, member.id)
            ids = [row.id for row in done.stored] + list(done.known)
            await self._given(member.id, peer_store, ids)

        async def given(peer_store: bytes, ids: Collection[RecordId]) -> None:
            await self._given(member.id, peer_store, ids)

        pushed_upto = self._own_seq
        mine, machine = await self.read(self._initiator)
        outcome = await Exchange(
            machine, self._link(member), self.runtime.store, take=take, given=given
        ).run()
        if outcome.proves_copies and outcome.peer is not None:
            at = Mark(outcome.peer.store, outcome.peer.seq)
            await self._prove(member.id, at, outcome.seq)
        if outcome.complete and outcome.peer is not None:
            state = self._peer(member.id)
            state.pushed_seq = max(state.pushed_seq, min(pushed_upto, outcome.seq))
            if not (outcome.given or outcome.taken):
                state.irreconcilable = (mine.known, outcome.peer.known)
        self._account(member, outcome)
        return outcome

    def _initiator(self, store: NodeStore) -> tuple[Ping, Initiator]:
        view = store.view()
        return ping(view), Initiator(view, self.runtime.rng)

    def _account(self, member: Member, outcome: Outcome) -> None:
        self._counters.exchanges += 1
        self._counters.given += outcome.given
        self._counters.taken += outcome.taken
        if moved := outcome.given + outcome.taken:
            self.log.log(
                logging.INFO if moved >= _told_records_min else logging.DEBUG,
                "exchange with %s: %d records given, %d taken",
                member.name,
                outcome.given,
                outcome.taken,
            )
        if not outcome.complete:
            self.log.info("an exchange with %s ended early: %s", member.name, outcome.reason)

    async def _answer_exchange(self, request: Incoming) -> Reply:
        asked = await request.read()
        reply = await self.read(lambda store: Responder(store).answer(asked))
        return Reply(body=framed_answer(self.runtime.store, reply.answer, reply.records))

    # Count

    async def _count_for_ever(self) -> None:
        while True:
            await self.count()
            await trio.sleep(count_interval_s)

    async def count(self) -> Safety:
        """Return how many games are held, and how many of them are safe, by the evidence so far."""
        if self._recount or self._safety is None:
            self._recount = False
            me = self.runtime.node
            durable = set(self.runtime.peers.durable_ids())
            self._safety = await self.read(
                lambda store: store.safety(_game, me, me in durable, durable - {me})
            )
        now_s = self.runtime.clock.monotonic_s()
        self._stored_before.append((now_s, self._safety.stored))
        while len(self._stored_before) > 1 and self._stored_before[1][0] <= now_s - overdue_s:
            self._stored_before.popleft()
        return self._safety

    def _all_pushed(self) -> bool:
        states = [self._peer(member.id) for member in self.alive_peers()]
        return all(s.pushed_seq >= self._own_seq and not s.pushing for s in states)

    async def flush(self) -> None:
        """Push what is not safe yet to whoever is there, until there is no more that can be done.

        The caller sets a deadline, and asks `only_here` after it.
        """
        while self.alive_peers():
            for state in self._peers.values():
                state.push_at_s = state.exchange_at_s = 0.0
            self._push_alarm.ring()
            self._exchange_alarm.ring()
            safety = await self.count()
            if safety.safe == safety.stored or (safety.only_here == 0 and self._all_pushed()):
                return
            await trio.sleep(push_delay_s)

    async def only_here(self) -> list[RecordId]:
        """Return games that nobody else is known to hold, the first few of them."""
        return list(
            await self.read(lambda store: store.only_here_ids(_game, self.runtime.node, _named_max))
        )

    def status(self) -> Mapping[str, object]:
        """Return `{"safe_games", "sync"}`; None for what is not measured yet."""
        return {
            "safe_games": None if self._safety is None else self._safety.safe,
            "sync": dataclasses.asdict(self._counters),
        }

    def health(self) -> Iterable[str]:
        """Say if games have been unsafe for too long while there was a node to hold them."""
        others = set(self.runtime.peers.durable_ids()) - {self.runtime.node}
        if self._safety is None or not others or not self._stored_before:
            return
        measured_s, stored_then = self._stored_before[0]
        overdue = stored_then - self._safety.safe
        if overdue > 0 and self.runtime.clock.monotonic_s() - measured_s >= overdue_s:
            yield f"{overdue:,} games or more have not been safe for {overdue_s:.0f} s"


def _split(body: bytes) -> tuple[list[bytes], list[RecordId]]:
    decoder = Frames(record_bytes_max)
    try:
        records = decoder.feed(body)
        decoder.finish()
    except FrameError as error:
        raise MalformedMessage(str(error)) from None
    if len(records) > push_records_max:
        raise MalformedMessage(f"{len(records)} records in a push; the limit is {push_records_max}")
    return records, [record_id(record) for record in records]
