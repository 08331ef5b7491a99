"""What we hold every other member to be, since when, and when it is to be tried next."""

import collections
import dataclasses
import math
import random
import statistics
from collections.abc import Callable, Collection

from p2p.identity.ids import NodeId
from p2p.membership.detector import (
    Cause,
    Detector,
    MembershipConfig,
    MemberState,
    Silence,
    transitions,
)
from p2p.membership.effects import MemberChanged
from p2p.membership.exchanges import Exchange

in_touch = frozenset({MemberState.ALIVE, MemberState.SUSPECT})


@dataclasses.dataclass(slots=True)
class Peer:
    """One other member."""

    state: MemberState
    since_s: float
    """When it came to be in this state; a suspect's moves on by the time that we stand still."""
    silence: Silence
    dialable: bool
    """Whether it says where it can be called."""
    heard_s: float | None = None
    next_try_s: float | None = None
    """When it is tried out of turn; None if its turn is soon enough."""
    offset_ms: float | None = None
    """Its wall clock less ours, when last measured."""


class Peers:
    """Every other member known. States change here alone, along `detector.transitions`."""

    def __init__(self, config: MembershipConfig, rng: random.Random) -> None:
        self._config = config
        self._rng = rng
        self._detector = Detector(config)
        self._peers: dict[NodeId, Peer] = {}
        self._turns: collections.deque[NodeId] = collections.deque()
        self._changes: list[MemberChanged] = []

    def __getitem__(self, node: NodeId) -> Peer:
        return self._peers[node]

    def get(self, node: NodeId) -> Peer | None:
        """Return what is held of a member; None for ourselves and for the unknown."""
        return self._peers.get(node)

    def in_touch(self) -> list[NodeId]:
        """Return those that are alive or suspect."""
        return [node for node, peer in self._peers.items() if peer.state in in_touch]

    def nodes(self) -> list[NodeId]:
        """Return all others known, by id."""
        return sorted(self._peers)

    def take_changes(self) -> tuple[MemberChanged, ...]:
        """Return the changes of state since the last call."""
        changes, self._changes = tuple(self._changes), []
        return changes

    def median_offset_ms(self) -> int:
        """Return how far clocks are ahead of ours: the median over the living and ourselves.

        Of two middle values the one nearer to ours counts: a single peer has no say.
        """
        offsets = [
            peer.offset_ms
            for peer in self._peers.values()
            if peer.state is MemberState.ALIVE and peer.offset_ms is not None
        ]
        offsets.append(0.0)
        low, high = statistics.median_low(offsets), statistics.median_high(offsets)
        return round(low if abs(low) < abs(high) else high)

    # -- States

    def add(self, node: NodeId, state: MemberState, now_s: float, *, dialable: bool) -> None:
        """Begin to hold a member for what we know it by: by hearsay, or from before our start."""
        self._peers[node] = Peer(state, now_s, Silence(now_s), dialable)
        self._changes.append(MemberChanged(node, None, state))

    def drop(self, node: NodeId) -> None:
        """Forget a member."""
        self._changes.append(MemberChanged(node, self._peers.pop(node).state, None))

    def move(self, node: NodeId, cause: Cause, now_s: float) -> None:
        """Change a member's state if the table says so."""
        peer = self._peers[node]
        state = transitions.get((peer.state, cause))
        if state is None:
            return
        self._changes.append(MemberChanged(node, peer.state, state))
        peer.state, peer.since_s, peer.next_try_s = state, now_s, None
        if state is MemberState.ALIVE:
            peer.silence = Silence(now_s)
            if node not in self._turns:
                self._turns.insert(self._rng.randint(0, len(self._turns)), node)
        elif state is MemberState.SUSPECT:
            peer.next_try_s = now_s
        elif state is MemberState.DEAD:
            self._try_later(peer, now_s)

    def heard(self, node: NodeId, now_s: float) -> None:
        """Note a sign of life: an authenticated message or answer of the member's own."""
        peer = self._peers[node]
        peer.heard_s, peer.silence = now_s, Silence(now_s)
        self.move(node, Cause.HEARD, now_s)
        peer.next_try_s = None

    def measured(self, node: NodeId, round_trip_s: float, offset_ms: float | None) -> None:
        """Take in what a successful exchange has measured."""
        self._detector.measured(round_trip_s)
        if offset_ms is not None:
            self._peers[node].offset_ms = offset_ms

    def failed(self, node: NodeId, now_s: float, exchange: Exchange, *, refused: bool) -> None:
        """Note that an exchange failed; `refused` if its box said that nobody listens there."""
        peer = self._peers[node]
        if not exchange.void:
            peer.silence.refusals += refused
            peer.silence.timeouts += not refused
        if peer.state in in_touch:
            earliest_s = exchange.started_s + self._config.probe_interval_s / 2
            peer.next_try_s = max(now_s, earliest_s)
        elif peer.state is not MemberState.LEFT:
            self._try_later(peer, now_s)

    def judge(self, now_s: float) -> None:
        """Draw the consequences of silence."""
        alive = 1 + sum(peer.state is MemberState.ALIVE for peer in self._peers.values())
        for node, peer in self._peers.items():
            if peer.state in in_touch and (peer.silence.failures or not peer.dialable):
                cause = self._detector.judge(
                    peer.state,
                    peer.since_s,
                    peer.silence,
                    now_s,
                    alive=alive,
                    dialable=peer.dialable,
                )
                if cause is not None:
                    self.move(node, cause, now_s)

    def excuse(self, late_s: float) -> None:
        """Hold against nobody that for this long nothing could be heard: we stood still."""
        for peer in self._peers.values():
            peer.silence.since_s += late_s
            if peer.state is MemberState.SUSPECT:
                peer.since_s += late_s

    def outdated(self, now_s: float) -> list[NodeId]:
        """Return the tombstones that are too old, and the oldest of those that are too many."""
        tombstones = sorted(
            (peer.since_s, node) for node, peer in self._peers.items() if peer.state not in in_touch
        )
        excess = len(tombstones) - self._config.tombstones_max
        return [
            node
            for index, (since_s, node) in enumerate(tombstones)
            if index < excess or now_s - since_s > self._config.tombstone_s
        ]

    # -- Tries

    def next_turn(self, is_free: Callable[[NodeId], bool]) -> NodeId | None:
        """Return whose turn it is: a living member that is free, each once in a round."""
        for _ in range(len(self._turns)):
            node = self._turns.popleft()
            peer = self._peers.get(node)
            if peer is None or peer.state is not MemberState.ALIVE:
                continue
            self._turns.append(node)
            if peer.next_try_s is None and is_free(node):
                return node
        return None

    def due(self, now_s: float) -> list[NodeId]:
        """Return those to be tried out of turn now, who has waited longest first."""
        tries = [
            (peer.next_try_s, node)
            for node, peer in self._peers.items()
            if peer.next_try_s is not None and peer.next_try_s <= now_s
        ]
        return [node for _, node in sorted(tries)]

    def next_try_s(self, busy: Collection[NodeId]) -> float:
        """Return when somebody who is not `busy` is to be tried out of turn; infinite if nobody."""
        return min(
            (
                peer.next_try_s
                for node, peer in self._peers.items()
                if peer.next_try_s is not None and node not in busy
            ),
            default=math.inf,
        )

    def try_soon(self, node: NodeId, now_s: float) -> None:
        """Try a member out of turn.

        Not quite at once, so that a big mesh does not fall upon a newcomer as one.
        """
        peer = self._peers[node]
        spread_s = 0.1 * self._config.probe_interval_s * len(self._peers)
        at_s = now_s + self._rng.uniform(0, spread_s)
        peer.next_try_s = at_s if peer.next_try_s is None else min(peer.next_try_s, at_s)

    def _try_later(self, peer: Peer, now_s: float) -> None:
        peer.next_try_s = now_s + self._config.retry_interval_s * self._rng.uniform(0.75, 1.25)

    def timeout_s(self, node: NodeId, *, bulky: bool) -> float:
        """Return how long to wait for a member's answer."""
        peer = self._peers[node]
        if bulky or peer.heard_s is None:
            return self._config.timeout_s_max
        return self._detector.probe_timeout_s(peer.silence)
