"""Keeps every record on every box that should hold it, and knows which are safe.

Three loops, none of which trusts another. *Push*: what is produced here goes to the peers in the
next moment. *Exchange*: with a peer whose digest differs, the two stores are compared and both
sides' missing records moved; this repairs whatever a push missed. Now and then it compares a part
of them even if the digests are equal: an audit. *Count*: from the evidence that all have left,
which records enough boxes hold.

Evidence that a peer holds a record is its receipt, that it sent the record itself, an equal digest
of what is held, or a completed exchange with a peer that has refused nothing.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar

import trio

from managers.sync_planner.anti_entropy import AntiEntropy
from managers.sync_planner.bulk import framed_answer, split
from managers.sync_planner.census import Census, overdue_s
from managers.sync_planner.due import DuePeers, never
from managers.sync_planner.evidence import Evidence
from managers.sync_planner.exchange import PeerLink, path_exchange, path_records
from managers.sync_planner.sync import Sync, syncable
from managers.sync_planner.traffic import Traffic
from managers.sync_planner.troubles import Troubles
from managers.sync_planner.turns import MadeWay, Turns
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

pushes_read_at_once_max = 4
"""Each holds up to 4 MiB of a peer's records in memory."""

push_turn_s = 30.0
"""A push that takes longer to read and to commit is given up as soon as others wait."""

push_delay_s = 0.05
"""Games finished within this time go in one push."""

retry_s_first = 1.0
retry_s_max = 60.0
count_interval_s = 1.0
count_rest = 9
"""A count reads every record that is not proved safe. After one that took long, so many times as
long passes before the next, so that exchanges, which read too, have most of the time."""


@dataclasses.dataclass(slots=True)
class _Peer:
    """What this node remembers of a peer while it runs."""

    pushed_seq: int
    """Our own records up to here have been pushed, or are left to the exchange."""
    push_at_s: float = 0.0
    push_failures: int = 0
    receiving: trio.Lock = dataclasses.field(default_factory=trio.Lock)
    """One push of it is read at a time."""


class SyncPlanner(P2PMixinBase):
    """The sync of records between this node and its peers."""

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
        self._receiving = Turns(runtime.clock, places=pushes_read_at_once_max, turn_s=push_turn_s)
        self._pushes = DuePeers(
            runtime.clock,
            peers=self.alive_peers,
            due_s=self._push_due_s,
            act=self._push_to,
            gather_s=push_delay_s,
        )
        self._census = Census(runtime)
        self._traffic = Traffic()
        self._troubles = Troubles(self.log)
        self._anti_entropy = AntiEntropy(
            runtime,
            self.log,
            alive=self.alive_peers,
            link=self._link,
            take=self._take,
            settled=self._settled,
            evidence=self._evidence,
            traffic=self._traffic,
        )
        runtime.bus.subscribe(self.name, RecordsStored, self._stored)
        runtime.bus.subscribe(self.name, HostOnline, self._host_changed)
        runtime.bus.subscribe(self.name, HostOffline, self._host_changed)

    def loops(self) -> Iterable[Loop]:
        """Return the three loops."""
        return (
            Loop("push", self._pushes.run),
            Loop("exchange", self._anti_entropy.run),
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
            self._pushes.review()

    def _host_changed(self, _event: HostOnline | HostOffline) -> None:
        self._pushes.review()

    def _store_changed(self) -> None:
        self._changes += 1
        self._offer = None

    async def ingest(
        self, batch: Iterable[bytes], source: NodeId | None = None, source_at: Mark | None = None
    ) -> Ingested:
        """Store a batch of records as any manager does; what is refused changes our digest too."""
        try:
            return await super().ingest(batch, source, source_at)
        finally:
            self._store_changed()

    def _peer(self, node: NodeId) -> _Peer:
        if node not in self._peers:
            self._peers[node] = _Peer(self._own_seq)
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
        self._anti_entropy.compare(peer, mine, theirs)
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

    def _push_due_s(self, peer: NodeId) -> float:
        state = self._peer(peer)
        return state.push_at_s if state.pushed_seq < self._own_seq else never

    async def _push_to(self, member: Member) -> None:
        state = self._peer(member.id)
        try:
            while await self._push_some(member, state):
                state.push_failures = 0
                self._troubles.over("a push to", member)
        except (TransportError, CodecError) as error:
            state.push_failures += 1
            delay_s = backoff_s(retry_s_first, retry_s_max, state.push_failures)
            jitter = self.runtime.rng.uniform(0.8, 1.2)
            state.push_at_s = self.runtime.clock.monotonic_s() + delay_s * jitter
            self._troubles.tell("a push to", member, error)

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
        records = [data for _, _, data in rows]
        answer = await self._link(member).push(records)
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
        self._traffic.pushed += len(held)
        self._traffic.record_bytes += sum(map(len, records))
        state.pushed_seq = rows[-1][0]
        return True

    async def _take_push(self, request: Incoming) -> Reply:
        assert request.peer is not None
        try:
            async with self._peer(request.peer).receiving, self._receiving.turn():
                return await self._receive_push(request, request.peer)
        except MadeWay:
            return Reply(503, b"too slow while others wait")

    async def _receive_push(self, request: Incoming, peer: NodeId) -> Reply:
        their_store = self._evidence.store_of(peer)
        body = await request.read(push_bytes_max + push_records_max * frame_header_bytes)
        records, ids = await self.runtime.threads.run(_read_push, body)
        done = await self._take(peer, their_store, records)
        store_id = await self.read(lambda store: store.id)
        return Reply(body=pack(receipt(store_id, ids, done)))

    async def _take(self, peer: NodeId, peer_store: bytes, records: list[bytes]) -> Ingested:
        """Store what a peer has sent, and note that its store, if present, holds that."""
        return await self.ingest(records, peer, self._evidence.mark_for(peer, peer_store))

    # Exchange

    def sync(self, what: str, members: Iterable[Member], changed: Callable[[], None]) -> list[Sync]:
        """Exchange records with these members now, in place of waiting for a difference.

        They go on whether or not anybody watches; one that is under way with a member ends first.
        `changed` is called when one of them begins or ends. Raises `ValueError` unless `what` is
        one of `syncable`.
        """
        if what not in syncable:
            raise ValueError(f"there is no {what!r} to sync; expected {' or '.join(syncable)}")
        syncs = [Sync(member, changed) for member in members]
        self._anti_entropy.ask(syncs)
        return syncs

    async def exchange(self, member: Member) -> Outcome:
        """Run an exchange that waits for no turn. Raises `TransportError` or `CodecError`."""
        return await self._anti_entropy.exchange(member)

    def _settled(self, peer: NodeId, seq: int) -> None:
        """Leave out of the pushes what an exchange has shown the peer to know."""
        state = self._peer(peer)
        state.pushed_seq = max(state.pushed_seq, seq)

    async def _answer_exchange(self, request: Incoming) -> Reply:
        assert request.peer is not None
        self._anti_entropy.answering(request.peer)
        asked = await request.read()
        reply = await self.read(lambda store: Responder(store).answer(asked))
        return Reply(body=framed_answer(self.runtime.store, reply.answer, reply.records))

    # Count

    async def _count_for_ever(self) -> None:
        clock = self.runtime.clock
        while True:
            began_s = clock.monotonic_s()
            await self.count()
            took_s = clock.monotonic_s() - began_s
            await trio.sleep(max(count_interval_s, count_rest * took_s))

    async def count(self) -> Safety:
        """Return how many games are held, and how many of them are safe, by the evidence so far."""
        return await self._census.count((self._changes, self._evidence.changes), self._latest_seq)

    def _all_pushed(self) -> bool:
        return all(
            self._peer(member.id).pushed_seq >= self._own_seq for member in self.alive_peers()
        )

    async def flush(self) -> None:
        """Push what is not safe yet to whoever is there, until there is no more that can be done.

        The caller sets a deadline, and asks `only_here` after it.
        """
        for state in self._peers.values():
            state.push_at_s = 0.0
        self._pushes.review()
        self._anti_entropy.hurry()
        while self.alive_peers():
            safety = await self.count()
            if safety.safe == safety.stored or (safety.only_here == 0 and self._all_pushed()):
                return
            await trio.sleep(push_delay_s)

    async def only_here(self) -> list[RecordId]:
        """Return games that no other member is known to hold, the first few of them."""
        return await self._census.only_here()

    def status(self) -> Mapping[str, object]:
        """Return `{"safe_games", "latest_exchanges", "sync"}`; None for what is unknown yet."""
        safety, now_s = self._census.latest, self.runtime.clock.monotonic_s()
        return {
            "latest_exchanges": {
                node: {
                    "ago_s": round(now_s - each.ended_s, 1),
                    "failure": each.failure,
                    "given": each.given,
                    "taken": each.taken,
                }
                for node, each in self._anti_entropy.latest().items()
            },
            "safe_games": None if safety is None else safety.safe,
            "sync": dataclasses.asdict(self._traffic),
        }

    def health(self) -> Iterable[str]:
        """Say if games have been unsafe for too long while there was a node to hold them."""
        if overdue := self._census.overdue:
            games = "1 game has" if overdue == 1 else f"{overdue:,} games have"
            yield f"{games} not been safe for {overdue_s:.0f} s"


def _mark(store: NodeStore) -> Mark:
    return Mark(store.id, store.view().seq)


def _read_push(body: bytes) -> tuple[list[bytes], list[RecordId]]:
    records = split(body, push_records_max)
    return records, [record_id(record) for record in records]
