"""The machine: what comes in changes records and states; what goes out is decided here.

Every input returns `Effects`. The caller stores what is to persist, then sends, and calls `tick`
at `wake_at_s` if nothing came in before; how late that call is tells the machine that its own
process stood still.
"""

import collections
import dataclasses
import math
import random
import statistics
from collections.abc import Iterable, Mapping

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from p2p.codec import MalformedMessage, pack, unpack
from p2p.identity.ids import NodeId
from p2p.membership.detector import (
    Cause,
    Detector,
    MembershipConfig,
    MemberState,
    Silence,
    transitions,
)
from p2p.membership.directory import Card, Directory, Merged, Parcel, highest_id, lowest_id
from p2p.membership.effects import (
    Change,
    Contact,
    Counters,
    DuplicateIdentity,
    Effects,
    Equivocation,
    Forget,
    Member,
    MemberChanged,
    Persist,
    Remember,
    Send,
    StoreEpoch,
)
from p2p.membership.messages import (
    Digest,
    DigestPage,
    JoinAnswer,
    JoinRequest,
    SyncAnswer,
    SyncRequest,
)
from p2p.membership.owner import Owner
from p2p.membership.seeds import Seeds
from p2p.records import (
    Address,
    BadRecord,
    Core,
    Signed,
    Value,
    check_core,
    open_core,
    read_core,
    read_status,
)

rounds_max = 64
"""So many exchanges with one peer may follow each other at once; then others have their turn."""

_tombstones = {MemberState.DEAD, MemberState.LEFT, MemberState.UNVERIFIED}
_in_touch = {MemberState.ALIVE, MemberState.SUSPECT}


class Misdirected(ValueError):
    """A message for another node: it is refused, and no sign of life. Nothing has changed."""


@dataclasses.dataclass(slots=True)
class _Peer:
    state: MemberState
    since_s: float
    """When it came to be in this state; moved on by the time that we stood still."""
    silence: Silence
    heard_s: float | None = None
    next_try_s: float | None = None
    """When it is tried out of turn; None if its turn is soon enough."""
    told: int = 0
    """It was told of all our changes up to this one."""
    walked: tuple[bytes, int, bytes] | None = None
    """Our root, number vouched for, and its root, when all that could be exchanged was."""
    rounds: int = 0
    page_first: NodeId = lowest_id
    """Where the next page of our digests for it begins."""
    offset_ms: float | None = None


@dataclasses.dataclass(slots=True)
class _Exchange:
    started_s: float
    told: int
    root: bytes
    void: bool = False
    """We stood still meanwhile, so its duration or failure says nothing of the peer."""


class Membership:
    """One node's view of its mesh."""

    def __init__(
        self,
        key: Ed25519PrivateKey,
        core: Core,
        *,
        config: MembershipConfig,
        rng: random.Random,
        now_s: float,
        seeds: Iterable[Address] = (),
        remembered: Iterable[bytes] = (),
    ) -> None:
        """Begin with our first `core`, whose epoch is the stored one + 1, or 1.

        `remembered` are the values of `Remember.core` that are kept; the members they name are
        looked for without any seed. Call `tick` next. Raises `ValueError` for a bad `core`.
        """
        self._config = config
        self._rng = rng
        self._now_s = now_s
        self._owner = Owner(key, core, config.status_interval_s)
        self._me = core.node
        self._directory = Directory(core.mesh)
        self._detector = Detector(config)
        self._seeds = Seeds(
            seeds,
            retry_s_min=config.seed_retry_s_min,
            retry_s_max=config.retry_interval_s,
            rng=rng,
        )
        self._peers: dict[NodeId, _Peer] = {}
        self._in_flight: dict[NodeId, _Exchange] = {}
        self._turns: collections.deque[NodeId] = collections.deque()
        self._urgent: dict[NodeId, None] = {}  # a set that keeps its order, and so determinism
        self._next_probe_s = now_s
        self._wake_at_s = math.inf
        self._counters = Counters()
        self._persist: list[Persist] = [StoreEpoch(core.epoch)]
        self._send: list[Send | Contact] = []
        self._changes: list[Change] = []
        self._publish_core()
        self._directory.vouch(self._me, now_s)
        for data in remembered:
            self._recall(data)

    # -- What comes in

    def tick(self, now_s: float) -> Effects:
        """Do what is due."""
        self._advance(now_s)
        if not self._owner.core.leaving:
            if self._owner.sign_due_status(now_s):
                self._publish_status()
            self._probe_next()
            self._probe_due()
            for address in self._seeds.due(now_s, self._is_here):
                self._contact(address)
        return self._effects()

    def receive(
        self, now_s: float, peer: NodeId, request: SyncRequest
    ) -> tuple[SyncAnswer, Effects]:
        """Answer a request of the authenticated `peer`. Raises `Misdirected`."""
        self._advance(now_s)
        if request.to != self._me:
            self._count("misdirected")
            raise Misdirected(f"a message for {request.to.hex()}; this is {self._me.hex()}")
        self._take_all(peer, request.cores, request.statuses)
        self._heard(peer)
        answer = self._answer(peer, request)
        return answer, self._effects()

    def receive_join(
        self, now_s: float, peer: NodeId, request: JoinRequest
    ) -> tuple[JoinAnswer, Effects]:
        """Answer the authenticated `peer` that introduces itself.

        Raises `BadRecord` if the Core is not its own, or not to be believed.
        """
        self._advance(now_s)
        core = open_core(request.core, self._owner.core.mesh)
        if core.node != peer:
            raise BadRecord(f"the Core of {core.node.hex()} from {peer.hex()}")
        self._take_all(peer, (request.core,), _optional(request.status))
        self._heard(peer)
        card = self._directory[peer]
        differs = card.core_signed.payload != request.core.payload
        answer = JoinAnswer(
            self._owner.core_signed,
            self._owner.status_signed,
            card.core_signed if differs else None,
        )
        return answer, self._effects()

    def answered(
        self,
        now_s: float,
        peer: NodeId,
        answer: SyncAnswer,
        round_trip_s: float,
        offset_ms: float | None = None,
    ) -> Effects:
        """Take in the answer to a `Send`.

        `offset_ms` is the peer's wall clock when it answered, less ours half-way through.
        """
        self._advance(now_s)
        exchange = self._in_flight.pop(peer, None)
        known = self._peers.get(peer)
        if exchange is None or known is None:  # forgotten meanwhile
            return self._effects()
        if not exchange.void:
            self._detector.measured(round_trip_s)
            known.offset_ms = known.offset_ms if offset_ms is None else offset_ms
        known.told = max(known.told, exchange.told)
        self._take_all(peer, answer.cores, answer.statuses)
        self._heard(peer)
        self._go_on(peer, known, exchange, answer)
        return self._effects()

    def declined(self, now_s: float, peer: NodeId) -> Effects:
        """Note that the authenticated `peer` answered a `Send`, but not with a `SyncAnswer`.

        It may be busy: that is a sign of life, but whatever was sent is to be sent again.
        """
        self._advance(now_s)
        known = self._peers.get(peer)
        if self._in_flight.pop(peer, None) is not None and known is not None:
            known.walked, known.rounds = None, 0
            self._heard(peer)
        return self._effects()

    def failed(self, now_s: float, peer: NodeId, *, refused: bool) -> Effects:
        """Note that a `Send` got no answer; `refused` if the box said that nobody listens there."""
        self._advance(now_s)
        exchange = self._in_flight.pop(peer, None)
        known = self._peers.get(peer)
        if exchange is None or known is None:
            return self._effects()
        known.walked, known.rounds = None, 0
        if not exchange.void and refused:
            known.silence.refusals += 1
        elif not exchange.void:
            known.silence.timeouts += 1
        if known.state in _in_touch:
            known.next_try_s = max(now_s, exchange.started_s + self._config.probe_interval_s / 2)
        elif known.state is not MemberState.LEFT:
            known.next_try_s = now_s + self._jittered(self._config.retry_interval_s)
        return self._effects()

    def contacted(
        self, now_s: float, address: Address, peer: NodeId, answer: JoinAnswer
    ) -> Effects:
        """Take in the answer to a `Contact`, of the node that turned out to be there."""
        self._advance(now_s)
        self._seeds.reached(address, peer, now_s)
        cores = (answer.core, *_optional(answer.yours))
        self._take_all(peer, cores, _optional(answer.status))
        self._heard(peer)
        self._exchange(peer)
        return self._effects()

    def contact_failed(self, now_s: float, address: Address) -> Effects:
        """Note that a `Contact` came to nothing."""
        self._advance(now_s)
        self._seeds.missed(address, now_s)
        return self._effects()

    def set_status(self, now_s: float, values: Mapping[str, Value]) -> Effects:
        """Say how we are: soon if it is new, at most once in `status_interval_s`.

        Raises `ValueError` naming what is out of bounds.
        """
        self._owner.propose_status(values)
        self._advance(now_s)
        if self._owner.sign_due_status(now_s):
            self._publish_status()
        return self._effects()

    def set_addresses(self, now_s: float, addresses: tuple[Address, ...]) -> Effects:
        """Say where we are found. Raises `ValueError` naming what is out of bounds."""
        changed = self._owner.set_addresses(addresses)
        self._advance(now_s)
        if changed:
            self._publish_core()
        return self._effects()

    def leave(self, now_s: float) -> Effects:
        """Tell everyone that we are going. From now on nobody is probed; answers still go out."""
        self._advance(now_s)
        if not self._owner.core.leaving:
            self._owner.leave()
            self._publish_core()
            self._urgent.update(dict.fromkeys(self._peers))
        return self._effects()

    # -- What can be seen

    @property
    def root(self) -> bytes:
        """Eight bytes, equal on nodes that hold the same records."""
        return self._directory.root

    @property
    def counters(self) -> Counters:
        """What went wrong so far."""
        return self._counters

    def members(self) -> tuple[Member, ...]:
        """Return everyone known, ourselves first, the others by id."""
        others = sorted(self._peers)
        return tuple(self._member(self._directory[node]) for node in (self._me, *others))

    def durable_ids(self) -> frozenset[NodeId]:
        """Return the durable members that have not left: dead ones and ourselves included."""
        return frozenset(
            member.id
            for member in self.members()
            if member.durable and member.state not in {MemberState.LEFT, MemberState.UNVERIFIED}
        )

    def median_offset_ms(self) -> int:
        """Return how far the mesh's clocks are ahead of ours: the median of the living, and us."""
        offsets = [
            peer.offset_ms
            for peer in self._peers.values()
            if peer.state is MemberState.ALIVE and peer.offset_ms is not None
        ]
        return round(statistics.median([0.0, *offsets]))

    def _member(self, card: Card) -> Member:
        core = card.core
        peer = self._peers.get(core.node)
        if peer is None:
            state = MemberState.LEFT if core.leaving else MemberState.ALIVE
            heard_ago_s: float | None = 0.0
        else:
            state = peer.state
            heard_ago_s = None if peer.heard_s is None else self._now_s - peer.heard_s
        return Member(
            id=core.node,
            name=core.name,
            state=state,
            last_heard_s=heard_ago_s,
            addresses=core.addresses,
            software=core.software,
            durable=core.durable,
            core=core,
            status=card.status,
        )

    # -- Time

    def _advance(self, now_s: float) -> None:
        """Move on to `now_s`. If we are late, we stood still, and hold that against nobody."""
        late_s = now_s - self._wake_at_s
        self._now_s = now_s
        if late_s <= self._config.probe_interval_s / 2:
            return
        self._count("stalls")
        self._wake_at_s = now_s
        for peer in self._peers.values():
            peer.silence.since_s += late_s
            if peer.state is MemberState.SUSPECT:
                peer.since_s += late_s
        for exchange in self._in_flight.values():
            exchange.void = True

    def _effects(self) -> Effects:
        self._judge()
        self._tell_urgent()
        self._wake_at_s = self._next_wake_s()
        effects = Effects(
            tuple(self._persist), tuple(self._send), self._wake_at_s, tuple(self._changes)
        )
        self._persist, self._send, self._changes = [], [], []
        return effects

    def _next_wake_s(self) -> float:
        if self._owner.core.leaving:
            return math.inf
        times_s = [self._next_probe_s, self._seeds.next_s]
        if self._owner.status_due_s is not None:
            times_s.append(self._owner.status_due_s)
        if len(self._in_flight) < self._config.in_flight_max:
            times_s += [
                peer.next_try_s
                for node, peer in self._peers.items()
                if peer.next_try_s is not None and node not in self._in_flight
            ]
        return max(self._now_s, min(times_s))

    def _jittered(self, duration_s: float) -> float:
        return duration_s * self._rng.uniform(0.75, 1.25)

    # -- States

    def _move(self, node: NodeId, cause: Cause) -> None:
        peer = self._peers[node]
        state = transitions.get((peer.state, cause))
        if state is None:
            return
        self._changes.append(MemberChanged(node, peer.state, state))
        peer.state, peer.since_s, peer.next_try_s = state, self._now_s, None
        if state is MemberState.ALIVE:
            peer.silence = Silence(self._now_s)
            if node not in self._turns:
                self._turns.insert(self._rng.randint(0, len(self._turns)), node)
        elif state is MemberState.SUSPECT:
            peer.next_try_s = self._now_s
        elif state is MemberState.DEAD:
            peer.next_try_s = self._now_s + self._jittered(self._config.retry_interval_s)

    def _heard(self, node: NodeId) -> None:
        peer = self._peers.get(node)
        if peer is None:
            return
        peer.heard_s = self._now_s
        peer.silence = Silence(self._now_s)
        if peer.state in _in_touch:
            peer.next_try_s = None
        card = self._directory[node]
        if not card.vouched:
            self._directory.vouch(node, self._now_s)
            self._remember(card)
        self._move(node, Cause.HEARD)
        if card.core.leaving:
            self._move(node, Cause.LEFT)

    def _judge(self) -> None:
        alive = 1 + sum(peer.state is MemberState.ALIVE for peer in self._peers.values())
        for node, peer in self._peers.items():
            if peer.state in _in_touch:
                cause = self._detector.judge(
                    peer.state,
                    peer.since_s,
                    peer.silence,
                    self._now_s,
                    alive=alive,
                    dialable=bool(self._directory[node].core.addresses),
                )
                if cause is not None:
                    self._move(node, cause)

    def _forget_old(self) -> None:
        tombstones = sorted(
            (peer.since_s, node) for node, peer in self._peers.items() if peer.state in _tombstones
        )
        excess = len(tombstones) - self._config.tombstones_max
        for index, (since_s, node) in enumerate(tombstones):
            if index < excess or self._now_s - since_s > self._config.tombstone_s:
                self._forget(node)

    def _forget(self, node: NodeId) -> None:
        peer = self._peers.pop(node)
        self._changes.append(MemberChanged(node, peer.state, None))
        if self._directory[node].vouched:
            self._persist.append(Forget(node))
        self._directory.forget(node, self._now_s + self._config.forgotten_s)

    def _is_here(self, node: NodeId) -> bool:
        return node == self._me or (node in self._peers and self._peers[node].state in _in_touch)

    # -- Records

    def _take_all(
        self, source: NodeId, cores: Iterable[Signed], statuses: Iterable[Signed]
    ) -> None:
        for signed in cores:
            try:
                self._take_core(source, signed)
            except BadRecord:
                self._count("forged")
        for signed in statuses:
            try:
                self._take_status(source, signed)
            except BadRecord:
                self._count("forged")

    def _take_core(self, source: NodeId, signed: Signed) -> None:
        core = read_core(signed, self._owner.core.mesh)
        if core.node == self._me:
            self._meet_ourselves(core, signed)
            return
        known = self._directory.get(core.node)
        if known is None and source != core.node and not self._admits(core):
            return
        before = None if known is None else known.core
        merged = self._directory.merge_core(core, signed, self._now_s, source)
        self._note_conflict(core.node, merged)
        if merged.changed:
            self._take_changed(before, self._directory[core.node])

    def _admits(self, stranger: Core) -> bool:
        if self._directory.is_forgotten(stranger, self._now_s):
            return False
        if self._directory.strangers < self._config.strangers_max:
            return True
        self._count("strangers_refused")
        return False

    def _take_changed(self, before: Core | None, card: Card) -> None:
        core = card.core
        if before is None:
            self._add_stranger(core.node)
        elif (core.epoch, core.incarnation) > (before.epoch, before.incarnation):
            if not core.leaving:
                self._move(core.node, Cause.RENEWED)
        if core.leaving and card.vouched:
            self._move(core.node, Cause.LEFT)
        if card.vouched:
            self._remember(card)
        peer = self._peers[core.node]
        if peer.state is not MemberState.ALIVE and not core.leaving:
            self._try_soon(peer)  # where it says it is now

    def _add_stranger(self, node: NodeId) -> None:
        self._peers[node] = _Peer(MemberState.UNVERIFIED, self._now_s, Silence(self._now_s))
        self._changes.append(MemberChanged(node, None, MemberState.UNVERIFIED))

    def _try_soon(self, peer: _Peer) -> None:
        # Spread, so that a big mesh does not fall upon a newcomer all at once.
        spread_s = 0.1 * self._config.probe_interval_s * len(self._peers)
        at_s = self._now_s + self._rng.uniform(0, spread_s)
        peer.next_try_s = at_s if peer.next_try_s is None else min(peer.next_try_s, at_s)

    def _recall(self, data: bytes) -> None:
        try:
            signed = unpack(data, Signed)
            core = read_core(signed, self._owner.core.mesh)
            if core.node == self._me:
                return
            self._directory.merge_core(core, signed, -math.inf, None)
        except (MalformedMessage, BadRecord):
            self._count("forged")
            return
        self._directory.vouch(core.node, -math.inf)
        state = MemberState.LEFT if core.leaving else MemberState.SUSPECT
        peer = _Peer(state, self._now_s, Silence(self._now_s))
        peer.next_try_s = None if core.leaving else self._now_s
        self._peers[core.node] = peer
        self._changes.append(MemberChanged(core.node, None, state))

    def _take_status(self, source: NodeId, signed: Signed) -> None:
        status = read_status(signed)
        if status.node == self._me:
            return
        merged = self._directory.merge_status(status, signed, self._now_s, source)
        self._note_conflict(status.node, merged)

    def _note_conflict(self, node: NodeId, merged: Merged) -> None:
        if merged in {Merged.CONFLICT_KEPT, Merged.CONFLICT_REPLACED}:
            self._count("equivocations")
            self._changes.append(Equivocation(node))

    def _meet_ourselves(self, core: Core, signed: Signed) -> None:
        if core.boot == self._owner.core.boot or core.epoch < self._owner.core.epoch:
            return
        check_core(signed, self._owner.core.mesh)
        self._owner.meet(core)
        ...

    def _remember(self, card: Card) -> None:
        self._persist.append(Remember(card.core.node, pack(card.core_signed)))
        self._tell(card.core.node)
