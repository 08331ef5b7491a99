"""Compares our store with the peers', one exchange or audit at a time with each.

An *exchange* walks down to what differs. It is due when a peer's digest differs from ours, or when
somebody asks for it. An *audit* compares one leaf of every segment, id by id, although the digests
are equal; `audit` tells which and when. Neither trusts that anything was pushed.
"""

import dataclasses
import functools
import logging
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping

from managers.sync_planner.audit import AuditRounds
from managers.sync_planner.due import DuePeers, at_once, never
from managers.sync_planner.evidence import Evidence
from managers.sync_planner.exchange import Exchange, PeerLink
from managers.sync_planner.sync import Sync
from managers.sync_planner.traffic import Traffic
from managers.sync_planner.troubles import Troubles
from managers.sync_planner.turns import MadeWay, Turns
from mixins.backoff import backoff_s
from mixins.runtime import Runtime
from p2p.codec import CodecError
from p2p.identity.ids import NodeId
from p2p.membership import Member
from p2p.reconcile import Initiator, Outcome, Ping, ping
from p2p.store import Mark, NodeStore, StoreFault
from transports.base import TransportError

exchange_interval_s = 5.0
"""Between two exchanges with a peer, about; pushes carry what is fresh."""

exchange_interval_s_max = 60.0
"""Each exchange in a row that does not come to its end doubles the interval, up to this."""

head_start_s = 2.0
"""What who has less gets, by the sequences of both: its exchange costs fewer bytes."""

yield_s = 10.0
"""After a request of a peer's exchange, ours with it waits so long: one moves what either lacks,
and two at once would move it twice."""

yield_s_max = 300.0
"""If a peer's exchanges have not made us equal for so long, it is time for one of ours.

The time runs from the first difference since an exchange of ours was complete. Equal digests start
it anew only if they lasted as long, so a peer cannot put us off for ever by a word now and then.
One that goes on claiming to be equal needs no such trick: against that there are audits.
"""

at_once_max = 1
"""Exchanges and audits. More would fetch the same records from more peers at the same time."""

turn_s = 15.0
"""One that takes longer makes way as soon as others wait."""

_told_records_min = 100
"""An exchange that moves fewer is everyday business and not worth a line in the log."""

_cut = "it took long while others waited, or the agent stops; the next exchange goes on from there"


@dataclasses.dataclass(frozen=True, slots=True)
class Latest:
    """What became of the latest exchange with a peer that was begun here."""

    ended_s: float
    failure: str
    """Why it did not come to its end; empty if it did."""
    given: int | None
    taken: int | None
    """How many records were moved; None if it broke off, whatever was moved by then."""


@dataclasses.dataclass(slots=True)
class _Peer:
    audits: AuditRounds
    differs: bool = False
    exchange_at_s: float = 0.0
    """The earliest time of the next exchange, unless one is asked for."""
    failures: int = 0
    """How many exchanges in a row have not come to their end."""
    differed_s: float = -math.inf
    """When the digests differed last, if they have since an exchange of ours was complete."""
    yields_until_s: float = 0.0
    """When it is time for ours, whatever the peer is doing."""
    theirs_until_s: float = 0.0
    """Until when the peer is to compare, rather than we."""
    pings: tuple[Ping, Ping] | None = None
    """Ours and its own, when they were last compared."""
    irreconcilable: tuple[bytes, bytes] = (b"", b"")
    """Our digest and its own, after a complete exchange that had nothing to move: only what one
    side refuses can make them differ. A collision ends an exchange early, unless records are
    withheld; then what it hides has to wait for another record or an audit."""
    latest: Latest | None = None
    asked: list[Sync] = dataclasses.field(default_factory=list)
    """The exchange that is asked for and has not begun, as each of those who ask sees it."""


class AntiEntropy:
    """Finds and repairs whatever pushes have missed."""

    def __init__(
        self,
        runtime: Runtime,
        log: logging.Logger,
        *,
        alive: Callable[[], Iterable[Member]],
        link: Callable[[Member], PeerLink],
        take: Callable[[NodeId, bytes, list[bytes]], Awaitable[object]],
        settled: Callable[[NodeId, int], None],
        evidence: Evidence,
        traffic: Traffic,
    ) -> None:
        """`take` commits what a peer sent, and is told the id of its store.

        `settled` learns that a peer knows all that we know up to a sequence.
        """
        self._runtime = runtime
        self._log = log
        self._alive = alive
        self._link = link
        self._take = take
        self._settled = settled
        self._evidence = evidence
        self._traffic = traffic
        self._troubles = Troubles(log)
        self._peers: dict[NodeId, _Peer] = {}
        self._turns = Turns(runtime.clock, places=at_once_max, turn_s=turn_s)
        self._due = DuePeers(runtime.clock, peers=self._partners, due_s=self._due_s, act=self._meet)

    async def run(self) -> None:
        """Compare for ever."""
        await self._due.run()

    def compare(self, peer: NodeId, mine: Ping, theirs: Ping) -> None:
        """Plan an exchange if these pings, of one moment, differ in a way that it can mend."""
        state = self._peer(peer)
        is_first, state.pings = state.pings is None, (mine, theirs)
        differed = state.differs
        mendable = (mine.known, theirs.known) != state.irreconcilable
        state.differs = not theirs.agrees(mine) and mendable
        if state.differs:
            now_s = self._now_s()
            if now_s - state.differed_s > yield_s_max:
                state.yields_until_s = now_s + yield_s_max
            state.differed_s = now_s
            if not differed and (theirs.seq, peer) < (mine.seq, self._runtime.node):
                state.theirs_until_s = max(state.theirs_until_s, now_s + head_start_s)
        if state.differs or is_first:
            self._due.review()

    def answering(self, peer: NodeId) -> None:
        """Note that a peer compares its records with ours: ours with it waits, within limits."""
        self._peer(peer).theirs_until_s = self._now_s() + yield_s

    def ask(self, syncs: Iterable[Sync]) -> None:
        """Exchange with these members now, or as soon as what is under way with them ends."""
        for sync in syncs:
            self._peer(sync.member.id).asked.append(sync)
        self._due.review()

    def latest(self) -> Mapping[NodeId, Latest]:
        """Return what became of the latest exchange with each peer, where there was one."""
        return {node: state.latest for node, state in self._peers.items() if state.latest}

    def hurry(self) -> None:
        """Let exchanges that are due soon be due now."""
        for state in self._peers.values():
            state.exchange_at_s = state.theirs_until_s = 0.0
        self._due.review()

    def _peer(self, node: NodeId) -> _Peer:
        if node not in self._peers:
            self._peers[node] = _Peer(AuditRounds(self._runtime.rng, self._now_s()))
        return self._peers[node]

    def _now_s(self) -> float:
        return self._runtime.clock.monotonic_s()

    def _partners(self) -> Iterable[Member]:
        """Return the members that are alive, and those with whom an exchange is asked for."""
        asked = {node: state.asked[0].member for node, state in self._peers.items() if state.asked}
        return (asked | {member.id: member for member in self._alive()}).values()

    def _due_s(self, node: NodeId) -> float:
        state = self._peer(node)
        audit_s = never if state.pings is None else state.audits.due_s
        return min(_exchange_due_s(state), audit_s)

    async def _meet(self, member: Member) -> None:
        state = self._peer(member.id)
        try:
            async with self._turns.turn():
                now_s = self._now_s()
                if _exchange_due_s(state) <= now_s:
                    await self._exchange(member, state)
                elif state.pings is not None and state.audits.due_s <= now_s:
                    await self._audit(member, state, *state.pings)
        except MadeWay:
            self._log.debug("%s was too slow while others waited", member.name)

    # Exchange

    async def _exchange(self, member: Member, state: _Peer) -> None:
        what, failure, outcome = "an exchange with", _cut, None
        syncs, state.asked = state.asked, []
        state.differs = True  # should it be cut; if it ends, the next gossip will tell
        try:
            outcome = await self.exchange(member, syncs)
            failure = outcome.reason
            self._note_end(state, outcome)
            self._troubles.over(what, member)
        except (TransportError, CodecError, StoreFault) as error:
            failure = str(error)
            state.differs = False
            state.failures += 1
            self._traffic.exchanges_failed += 1
            self._troubles.tell(what, member, error)
        finally:
            state.exchange_at_s = self._now_s() + self._delay_s(state)
            given, taken = (None, None) if outcome is None else (outcome.given, outcome.taken)
            state.latest = Latest(self._now_s(), failure, given, taken)
            for sync in syncs:
                sync.end(failure, self._now_s())

    def _note_end(self, state: _Peer, outcome: Outcome) -> None:
        state.differs = not outcome.complete
        if outcome.complete:
            state.failures, state.differed_s = 0, -math.inf
        else:
            state.failures += 1

    def _delay_s(self, state: _Peer) -> float:
        delay_s = backoff_s(exchange_interval_s, exchange_interval_s_max, max(1, state.failures))
        return delay_s * self._runtime.rng.uniform(0.8, 1.2)

    async def exchange(self, member: Member, syncs: Iterable[Sync] = ()) -> Outcome:
        """Compare our records with a member's and move what either lacks.

        Raises `TransportError` or `CodecError`; what was committed by then stays.
        """
        mine, machine = await self._runtime.store.read(self._initiator)
        for sync in syncs:
            sync.begin(machine, self._now_s())
        outcome = await self._run(member, machine)
        if outcome.complete and outcome.peer is not None:
            self._traffic.exchanges += 1
            self._settled(member.id, outcome.seq)
            if outcome.proves_copies:
                at = Mark(outcome.peer.store, outcome.peer.seq)
                await self._evidence.prove(member.id, at, outcome.seq)
            if not (outcome.given or outcome.taken):
                self._peer(member.id).irreconcilable = (mine.known, outcome.peer.known)
        else:
            self._traffic.exchanges_failed += 1
            self._log.info("an exchange with %s ended early: %s", member.name, outcome.reason)
        self._tell_moved(member, outcome)
        return outcome

    def _initiator(self, store: NodeStore) -> tuple[Ping, Initiator]:
        view = store.view()
        return ping(view), Initiator(view, self._runtime.rng)

    async def _run(self, member: Member, machine: Initiator) -> Outcome:
        exchange = Exchange(
            machine,
            self._link(member),
            self._runtime.store,
            take=functools.partial(self._take, member.id),
            given=functools.partial(self._evidence.note_copies, member.id),
        )
        try:
            return await exchange.run()
        finally:
            self._traffic.add(machine.outcome, exchange.record_bytes)

    def _tell_moved(self, member: Member, outcome: Outcome) -> None:
        if moved := outcome.given + outcome.taken:
            self._log.log(
                logging.INFO if moved >= _told_records_min else logging.DEBUG,
                "exchange with %s: records given: %d, taken: %d",
                member.name,
                outcome.given,
                outcome.taken,
            )

    # Audit

    async def _audit(self, member: Member, state: _Peer, mine: Ping, theirs: Ping) -> None:
        """Compare a leaf as of these pings: if they were equal, the leaf must be so, too."""
        what = "an audit of"
        leaf = state.audits.next_leaf(self._now_s())
        machine = await self._runtime.store.read(
            lambda store: Initiator.audit(store.view(mine.seq), self._runtime.rng, theirs, leaf)
        )
        try:
            await self._run(member, machine)
            self._troubles.over(what, member)
        except (TransportError, CodecError, StoreFault) as error:
            self._troubles.tell(what, member, error)
        finally:
            outcome = machine.outcome
            if outcome.complete:
                state.audits.done(leaf)
                self._traffic.audits += 1
            if mine.known == theirs.known:
                self._tell_found(member, outcome.offered + outcome.given + outcome.refused)

    def _tell_found(self, member: Member, found: int) -> None:
        self._traffic.audit_found += found
        if found:
            self._log.warning(
                "an audit of %s found records that only one side knew, although the digests were "
                "equal: %d",
                member.name,
                found,
            )


def _exchange_due_s(state: _Peer) -> float:
    if state.asked:
        return at_once
    if not state.differs:
        return never
    return max(state.exchange_at_s, min(state.theirs_until_s, state.yields_until_s))
