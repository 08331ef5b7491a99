"""The machine: what comes in changes records and states; what goes out is decided here.

Every input returns `Effects`. The caller stores what is to persist, then sends, and calls `tick`
at `wake_at_s` if nothing came in before; how late that call is tells the machine that its own
process stood still.
"""

import math
import random
from collections.abc import Iterable, Mapping

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from p2p.identity.ids import NodeId
from p2p.membership.detector import MembershipConfig, MemberState
from p2p.membership.directory import Card, Directory
from p2p.membership.effects import (
    Change,
    Contact,
    Counters,
    Effects,
    Member,
    Send,
)
from p2p.membership.exchanges import Exchanges
from p2p.membership.messages import JoinAnswer, JoinRequest, SyncAnswer, SyncRequest
from p2p.membership.owner import Owner
from p2p.membership.peers import Peers, in_touch
from p2p.membership.registry import Registry
from p2p.membership.seeds import Seeds
from p2p.records import (
    Address,
    BadRecord,
    Core,
    Signed,
    Value,
    open_core,
)


class Misdirected(ValueError):
    """A message for another node: it is refused, and is no sign of life. Nothing has changed."""


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
        self._me = core.node
        self._now_s = now_s
        self._owner = Owner(key, core, config.status_interval_s)
        self._directory = Directory(core.mesh)
        self._peers = Peers(config, rng)
        self._registry = Registry(self._owner, self._directory, self._peers, config, now_s)
        self._exchanges = Exchanges(
            self._directory,
            core.boot,
            news_s=config.news_s,
            strangers_max=config.strangers_max,
        )
        self._seeds = Seeds(
            seeds,
            retry_s_min=config.seed_retry_s_min,
            retry_s_max=config.retry_interval_s,
            rng=rng,
        )
        for data in remembered:
            self._registry.recall(data)
        self._urgent: dict[NodeId, None] = {}  # a set that keeps its order, and so determinism
        self._next_probe_s = now_s
        self._wake_at_s = math.inf
        self._send: list[Send | Contact] = []

    # -- What comes in

    def tick(self, now_s: float) -> Effects:
        """Do what is due."""
        self._advance(now_s)
        if not self._owner.core.leaving:
            for node in self._peers.outdated(now_s):
                self._registry.forget(node)
                self._exchanges.forget(node)
            if self._owner.sign_due_status(now_s):
                self._registry.publish_status()
            self._probe()
            for address in self._seeds.due(now_s, self._is_here):
                message = JoinRequest(self._owner.core_signed, self._owner.status_signed)
                self._send.append(Contact(address, message, self._config.timeout_s_max))
        return self._effects()

    def receive(
        self, now_s: float, peer: NodeId, request: SyncRequest
    ) -> tuple[SyncAnswer, Effects]:
        """Answer a request of the authenticated `peer`. Raises `Misdirected`."""
        if request.to != self._me:
            self._registry.count("misdirected")
            raise Misdirected(f"a message for {request.to.hex()}; this is {self._me.hex()}")
        self._advance(now_s)
        self._registry.take(peer, request.cores, request.statuses)
        self._registry.heard(peer)
        answer = self._exchanges.answer(peer, request, now_s)
        return answer, self._effects()

    def receive_join(
        self, now_s: float, peer: NodeId, request: JoinRequest
    ) -> tuple[JoinAnswer, Effects]:
        """Answer the authenticated `peer` that introduces itself.

        Raises `BadRecord` if the Core is not its own, or not to be believed; nothing has changed.
        """
        core = open_core(request.core, self._owner.core.mesh)
        if core.node != peer:
            raise BadRecord(f"the Core of {core.node.hex()}, brought by {peer.hex()}")
        self._advance(now_s)
        self._registry.take(peer, (request.core,), _optional(request.status))
        self._registry.heard(peer)
        held = self._directory[peer].core_signed
        answer = JoinAnswer(
            self._owner.core_signed,
            self._owner.status_signed,
            held if held.payload != request.core.payload else None,
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
        exchange = self._exchanges.end(peer, answered=True)
        if exchange is not None:
            if not exchange.void:
                self._peers.measured(peer, round_trip_s, offset_ms)
            self._registry.take(peer, answer.cores, answer.statuses)
            self._registry.heard(peer)
            follow_up = self._exchanges.go_on(peer, exchange, answer, now_s)
            if follow_up is not None:
                self._send_request(peer, follow_up)
        return self._effects()

    def declined(self, now_s: float, peer: NodeId) -> Effects:
        """Note that the authenticated `peer` answered a `Send`, but not with a `SyncAnswer`.

        It may be too busy. That is a sign of life; what was sent did not arrive.
        """
        self._advance(now_s)
        if self._exchanges.end(peer, answered=False) is not None:
            self._registry.heard(peer)
        return self._effects()

    def heard(self, now_s: float, peer: NodeId) -> Effects:
        """Note any other authenticated message or answer of `peer`: a sign of life."""
        self._advance(now_s)
        self._registry.heard(peer)
        return self._effects()

    def failed(self, now_s: float, peer: NodeId, *, refused: bool) -> Effects:
        """Note that a `Send` got no answer; `refused` if its box said that nobody listens there."""
        self._advance(now_s)
        exchange = self._exchanges.end(peer, answered=False)
        if exchange is not None:
            self._peers.failed(peer, now_s, exchange, refused=refused)
        return self._effects()

    def contacted(
        self, now_s: float, address: Address, peer: NodeId, answer: JoinAnswer
    ) -> Effects:
        """Take in the answer to a `Contact`, and who gave it."""
        self._advance(now_s)
        self._seeds.reached(address, peer, now_s)
        cores = (answer.core, *_optional(answer.yours))
        self._registry.take(peer, cores, _optional(answer.status))
        self._registry.heard(peer)
        self._exchange(peer)
        return self._effects()

    def contact_failed(self, now_s: float, address: Address) -> Effects:
        """Note that a `Contact` came to nothing."""
        self._advance(now_s)
        self._seeds.missed(address, now_s)
        return self._effects()

    def set_status(self, now_s: float, values: Mapping[str, Value]) -> Effects:
        """Say how we are: soon, if it is new, but once in `status_interval_s`.

        Raises `ValueError` naming what is out of bounds; nothing has changed.
        """
        self._owner.propose_status(values)
        self._advance(now_s)
        if self._owner.sign_due_status(now_s):
            self._registry.publish_status()
        return self._effects()

    def set_addresses(self, now_s: float, addresses: tuple[Address, ...]) -> Effects:
        """Say where we are found. Raises `ValueError` naming what is out of bounds."""
        is_new = self._owner.set_addresses(addresses)
        self._advance(now_s)
        if is_new:
            self._registry.publish_core()
        return self._effects()

    def leave(self, now_s: float) -> Effects:
        """Tell everyone that we are going. From now on nobody is probed; requests are answered."""
        self._advance(now_s)
        if not self._owner.core.leaving:
            self._owner.leave()
            self._registry.publish_core()
            self._urgent.update(dict.fromkeys(self._peers.in_touch()))
        return self._effects()

    # -- What can be seen

    @property
    def wake_at_s(self) -> float:
        """When `tick` is due: that of the latest `Effects`, whichever were carried out last."""
        return self._wake_at_s

    @property
    def has_news_to_tell(self) -> bool:
        """Whether peers are yet to be told something: once an exchange that is under way ends."""
        return bool(self._urgent)

    @property
    def root(self) -> bytes:
        """Eight bytes that are equal, almost surely, only on nodes that hold the same records."""
        return self._directory.root

    @property
    def counters(self) -> Counters:
        """What went wrong so far."""
        return self._registry.counters

    def members(self) -> tuple[Member, ...]:
        """Return everyone known, ourselves first, the others by id."""
        return tuple(
            self._member(self._directory[node]) for node in (self._me, *self._peers.nodes())
        )

    def durable_ids(self) -> frozenset[NodeId]:
        """Return the durable members that have not left: dead ones and ourselves included."""
        not_counted = {MemberState.LEFT, MemberState.UNVERIFIED}
        return frozenset(
            member.id
            for member in self.members()
            if member.durable and member.state not in not_counted
        )

    def median_offset_ms(self) -> int:
        """Return how far clocks are ahead of ours: the median over the living and ourselves."""
        return self._peers.median_offset_ms()

    def _member(self, card: Card) -> Member:
        core, peer = card.core, self._peers.get(card.core.node)
        state = MemberState.LEFT if core.leaving else MemberState.ALIVE
        last_heard_s: float | None = 0.0
        offset_ms: float | None = None
        if peer is not None:
            state, offset_ms = peer.state, peer.offset_ms
            last_heard_s = None if peer.heard_s is None else self._now_s - peer.heard_s
        return Member(
            id=core.node,
            name=core.name,
            state=state,
            last_heard_s=last_heard_s,
            addresses=core.addresses,
            software=core.software,
            durable=core.durable,
            core=core,
            status=card.status,
            offset_ms=offset_ms,
        )

    # -- Time

    def _advance(self, now_s: float) -> None:
        self._now_s = self._registry.now_s = now_s
        late_s = now_s - self._wake_at_s
        if late_s > self._config.probe_interval_s / 2:
            self._registry.count("stalls")
            self._wake_at_s = now_s
            self._peers.excuse(late_s)
            self._exchanges.void()

    def _effects(self) -> Effects:
        known = self._registry
        self._peers.judge(self._now_s)
        self._tell_news()
        self._wake_at_s = self._next_wake_s()
        changes: tuple[Change, ...] = (*self._peers.take_changes(), *known.alarms)
        effects = Effects(tuple(known.persist), tuple(self._send), self._wake_at_s, changes)
        known.persist, known.alarms, self._send = [], [], []
        return effects

    def _next_wake_s(self) -> float:
        if self._owner.core.leaving:
            return math.inf
        under_way = self._exchanges.under_way
        full = len(under_way) >= self._config.in_flight_max
        next_s = min(
            self._next_probe_s,
            self._seeds.next_s,
            self._owner.status_due_s,
            math.inf if full else self._peers.next_try_s(under_way),
        )
        return max(self._now_s, next_s)

    # -- What goes out

    def _probe(self) -> None:
        for node in self._peers.due(self._now_s):
            if not self._exchange(node) and not self._is_dialable(node):
                self._peers[node].next_try_s = None
        if self._now_s >= self._next_probe_s:
            # Not in step with the others, all of whom may have started together.
            self._next_probe_s = self._now_s + self._jittered(self._config.probe_interval_s)
            node_in_turn = self._peers.next_turn(self._is_free)
            if node_in_turn is not None:
                self._exchange(node_in_turn)

    def _exchange(self, node: NodeId) -> bool:
        if not self._is_free(node):
            return False
        news = self._exchanges.news(node, self._now_s)
        self._send_request(node, self._exchanges.request(node, self._now_s, news))
        return True

    def _is_free(self, node: NodeId) -> bool:
        under_way = self._exchanges.under_way
        return (
            node not in under_way
            and len(under_way) < self._config.in_flight_max
            and self._is_dialable(node)
        )

    def _is_dialable(self, node: NodeId) -> bool:
        peer = self._peers.get(node)
        return peer is not None and peer.dialable

    def _is_here(self, node: NodeId) -> bool:
        peer = self._peers.get(node)
        return node == self._me or (peer is not None and peer.state in in_touch)

    def _send_request(self, node: NodeId, request: SyncRequest) -> None:
        bulky = bool(request.cores or request.statuses or request.want)
        timeout_s = self._peers.timeout_s(node, bulky=bulky)
        self._peers[node].next_try_s = None
        self._send.append(Send(node, self._directory[node].core.addresses, request, timeout_s))

    def _tell_news(self) -> None:
        in_touch_now = self._peers.in_touch() if self._registry.news else []
        for about in self._registry.news:
            others = [node for node in in_touch_now if node != about]
            some = self._rng.sample(others, min(len(others), self._config.links_max))
            self._urgent.update(dict.fromkeys(some))
        self._registry.news = []
        for node in tuple(self._urgent):
            if self._is_free(node):
                del self._urgent[node]
                if self._is_here(node) and self._exchanges.news(node, self._now_s):
                    self._exchange(node)
            elif not self._is_here(node) or not self._is_dialable(node):
                del self._urgent[node]

    def _jittered(self, duration_s: float) -> float:
        return duration_s * self._rng.uniform(0.9, 1.1)


def _optional(signed: Signed | None) -> tuple[Signed, ...]:
    return () if signed is None else (signed,)
