"""Keeps every record on every box that should hold it, and knows which are safe.

Three loops, none of which trusts another. *Push*: what is produced here goes to the peers in the
next moment. *Exchange*: with a peer whose digest differs, the two stores are compared and both
sides' missing records moved; this repairs whatever a push missed. *Count*: from the evidence that
both have left, which records enough boxes hold.

Evidence that a peer holds a record is its receipt, that it sent the record itself, an equal digest
of what is held, or a completed exchange with a peer that has refused nothing.
"""

import dataclasses
import functools
import logging
import math
from collections.abc import Iterable, Mapping
from typing import ClassVar

import trio

from managers.sync_planner.bulk import framed_answer, split
from managers.sync_planner.census import Census, overdue_s
from managers.sync_planner.evidence import Evidence
from managers.sync_planner.exchange import Exchange, PeerLink, path_exchange, path_records
from mixins.alarm import Alarm
from mixins.backoff import backoff_s
from mixins.base import Loop, P2PMixinBase
from mixins.runtime import Runtime
from p2p.codec import CodecError, pack, unpack
from p2p.envelope import RecordId, record_id
from p2p.events import Event, HostOffline, HostOnline, RecordsStored, StoreRenewed
from p2p.frames import frame_header_bytes
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
from p2p.store import Ingested, Mark, NodeStore, Safety
from transports.base import Address, Handler, Incoming, Reply, Transport, TransportError

exchange_interval_s = 5.0
"""At most one exchange per peer and this time; pushes carry what is fresh."""

exchanges_at_once_max = 4
pushes_read_at_once_max = 4
"""Each holds up to 4 MiB of a peer's records in memory."""

push_delay_s = 0.05
"""Games finished within this time go in one push."""

retry_s_first = 1.0
retry_s_max = 60.0
count_interval_s = 1.0

_told_records_min = 100
"""An exchange that moves fewer is everyday business and not worth a line in the log."""


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
    irreconcilable: tuple[bytes, bytes] = (b"", b"")
    """Our digest and its own, after an exchange that left nothing but what one side refuses."""
    troubles: dict[str, str] = dataclasses.field(default_factory=dict)
    """Why what was tried last has failed: told once, until it succeeds or the reason changes."""


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
        self._evidence = Evidence(runtime.store, runtime.clock)
        self._own_seq = 0
        self._latest_seq = 0
        self._loaded_store = b""
        """The id that the store had at the start, until it is renewed."""
        self._changes = 0
        """Counts what may have changed the store."""
        self._offer: Ping | None = None
        self._reading_pushes = trio.CapacityLimiter(pushes_read_at_once_max)
        self._push_alarm = Alarm()
        self._exchange_alarm = Alarm()
        self._census = Census(runtime)
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
        mine = await self.read(_mark)
        self._own_seq = self._latest_seq = mine.seq
        self._loaded_store = mine.store
        await self._evidence.load()

    # Who tells us

    def _stored(self, event: RecordsStored) -> None:
        self._store_changed()
        self._latest_seq = max(self._latest_seq, event.rows[-1].seq)
        if event.source is None:
            self._own_seq = event.rows[-1].seq
            self._push_alarm.ring()

    def _host_changed(self, _event: HostOnline | HostOffline) -> None:
        self._push_alarm.ring()

    def _store_changed(self) -> None:
        self._changes += 1
        self._offer = None

    async def ingest(self, batch: Iterable[bytes], source: NodeId | None = None) -> Ingested:
        """Store a batch of records as any manager does; what is refused changes our digest too."""
        try:
            return await super().ingest(batch, source)
        finally:
            self._store_changed()

    def _peer(self, node: NodeId) -> _Peer:
        if node not in self._peers:
            self._peers[node] = _Peer(pushed_seq=self._own_seq)
        return self._peers[node]

    async def offer(self) -> Ping:
        """Sum up our records for a peer; from memory, as long as nothing has changed."""
        if self._offer is not None:
            return self._offer
        changes = self._changes
        made = await self.read(lambda store: ping(store.view()))
        if changes == self._changes:
            self._offer = made
        return made

    async def heard(self, peer: NodeId, mine: Ping, theirs: Ping) -> None:
        """Compare a peer's digest with ours: equal, it proves copies; if not, plan an exchange."""
        if not await self._evidence.hear(peer, theirs):
            return
        state, alike = self._peer(peer), theirs.agrees(mine)
        state.differs = not alike and (mine.known, theirs.known) != state.irreconcilable
        if state.differs:
            self._exchange_alarm.ring()
        if theirs.proves_copies(mine):
            await self._evidence.prove(peer, Mark(theirs.store, theirs.seq), mine.seq)

    def reminder(self, peer: NodeId) -> Snapshot | None:
        """Return what to tell a peer whose store seems to have lost rows."""
        return self._evidence.reminder(peer)

    async def reminded(self, seen: Snapshot) -> None:
        """Take a new store id if a peer has seen more of this store than is there.

        So after a restored backup: peers must not go on counting on what it had. A store can lose
        rows only between two runs, so this happens once in a run, whatever peers say.
        """
        mine = await self.read(_mark)
        if seen.store == mine.store == self._loaded_store and seen.seq > mine.seq:
            self._loaded_store = b""
            await self.write(lambda store: store.renew_store_id(self.runtime.new_id))
            self._store_changed()
            self.log.warning("this store is an older copy of itself: it goes on under a new id")
            self.emit(StoreRenewed())

    def _link(self, member: Member) -> PeerLink:
        addresses = [Address(host, port) for host, port in member.addresses]
        return PeerLink(self._transport, self.runtime.clock, member.id, addresses)

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
                state.troubles.pop("a push to", None)
        except (TransportError, CodecError) as error:
            state.push_failures += 1
            delay_s = backoff_s(retry_s_first, retry_s_max, state.push_failures)
            state.push_at_s = self._jittered_s(delay_s)
            self._tell_trouble("a push to", member, state, error)
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
        await self._evidence.note_copies(member.id, taken.store, held)
        if taken.refused:
            self.log.warning(
                "%s refused %d of %d records of ours, the first of them: %s",
                member.name,
                len(taken.refused),
                len(rows),
                taken.refused[0].reason,
            )
        self._counters.pushed += len(rows)
        state.pushed_seq = rows[-1][0]
        return True

    async def _take_push(self, request: Incoming) -> Reply:
        assert request.peer is not None
        their_store = self._evidence.store_of(request.peer)
        async with self._reading_pushes:
            body = await request.read(push_bytes_max + push_records_max * frame_header_bytes)
            records, ids = await self.runtime.threads.run(_read_push, body)
            done = await self.ingest(records, request.peer)
        await self._note_sent(request.peer, their_store, done)
        store_id = await self.read(lambda store: store.id)
        return Reply(body=pack(receipt(store_id, ids, done)))

    async def _note_sent(self, peer: NodeId, peer_store: bytes, done: Ingested) -> None:
        """Note that a peer holds what it has sent."""
        held = [*(row.id for row in done.stored), *done.known]
        await self._evidence.note_copies(peer, peer_store, held)

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
            state.troubles.pop("an exchange with", None)
        except (TransportError, CodecError) as error:
            self._counters.exchanges_failed += 1
            self._tell_trouble("an exchange with", member, state, error)
        finally:
            state.exchanging = False
            state.differs = False  # until the next gossip says otherwise
            state.exchange_at_s = self._jittered_s(exchange_interval_s)
            self._exchange_alarm.ring()

    def _jittered_s(self, delay_s: float) -> float:
        """Return when about so much time will have passed."""
        return self.runtime.clock.monotonic_s() + delay_s * self.runtime.rng.uniform(0.8, 1.2)

    def _tell_trouble(self, what: str, member: Member, state: _Peer, error: Exception) -> None:
        if state.troubles.get(what) != str(error):
            state.troubles[what] = str(error)
            self.log.info("%s %s failed: %s", what, member.name, error)

    async def exchange(self, member: Member) -> Outcome:
        """Compare our records with a member's and move what either lacks.

        Raises `TransportError` or `CodecError`; what was committed by then stays.
        """

        async def take(peer_store: bytes, records: list[bytes]) -> None:
            await self._note_sent(member.id, peer_store, await self.ingest(records, member.id))

        given = functools.partial(self._evidence.note_copies, member.id)
        pushed_upto = self._own_seq
        mine, machine = await self.read(self._initiator)
        outcome = await Exchange(
            machine, self._link(member), self.runtime.store, take=take, given=given
        ).run()
        if outcome.proves_copies and outcome.peer is not None:
            at = Mark(outcome.peer.store, outcome.peer.seq)
            await self._evidence.prove(member.id, at, outcome.seq)
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
        return await self._census.count((self._changes, self._evidence.changes), self._latest_seq)

    def _all_pushed(self) -> bool:
        states = [self._peer(member.id) for member in self.alive_peers()]
        return all(s.pushed_seq >= self._own_seq and not s.pushing for s in states)

    async def flush(self) -> None:
        """Push what is not safe yet to whoever is there, until there is no more that can be done.

        The caller sets a deadline, and asks `only_here` after it.
        """
        for state in self._peers.values():
            state.push_at_s = state.exchange_at_s = 0.0
        self._push_alarm.ring()
        self._exchange_alarm.ring()
        while self.alive_peers():
            safety = await self.count()
            if safety.safe == safety.stored or (safety.only_here == 0 and self._all_pushed()):
                return
            await trio.sleep(push_delay_s)

    async def only_here(self) -> list[RecordId]:
        """Return games that no other member is known to hold, the first few of them."""
        return await self._census.only_here()

    def status(self) -> Mapping[str, object]:
        """Return `{"safe_games", "sync"}`; None for what is not measured yet."""
        safety = self._census.latest
        return {
            "safe_games": None if safety is None else safety.safe,
            "sync": dataclasses.asdict(self._counters),
        }

    def health(self) -> Iterable[str]:
        """Say if games have been unsafe for too long while there was a node to hold them."""
        if overdue := self._census.overdue:
            yield f"{overdue:,} games have not been safe for {overdue_s:.0f} s"


def _mark(store: NodeStore) -> Mark:
    return Mark(store.id, store.view().seq)


def _read_push(body: bytes) -> tuple[list[bytes], list[RecordId]]:
    records = split(body, push_records_max)
    return records, [record_id(record) for record in records]
