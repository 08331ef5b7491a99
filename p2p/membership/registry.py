"""What is known: records, ours and others', and what follows from them for the members' states.

Nothing is sent from here. What has to be stored, told to others at once, or shown as an alarm is
collected until the machine takes it.
"""

import dataclasses
import math
from collections.abc import Iterable

from p2p.codec import MalformedMessage, pack, unpack
from p2p.identity.ids import NodeId
from p2p.membership.detector import Cause, MembershipConfig, MemberState
from p2p.membership.directory import Card, Directory, Merged, version_of
from p2p.membership.effects import (
    Counters,
    DuplicateIdentity,
    Equivocation,
    Forget,
    Persist,
    Remember,
    StoreEpoch,
)
from p2p.membership.owner import Owner
from p2p.membership.peers import Peers
from p2p.records import BadRecord, Core, Signed, check_core, read_core, read_status


class Registry:
    """Takes in records, and keeps `directory` and `peers` in line with each other."""

    def __init__(
        self,
        owner: Owner,
        directory: Directory,
        peers: Peers,
        config: MembershipConfig,
        now_s: float,
    ) -> None:
        self._owner = owner
        self._directory = directory
        self._peers = peers
        self._config = config
        self._me = owner.core.node
        self._mesh = owner.core.mesh
        self.now_s = now_s
        """The time of the present input; the machine sets it."""
        self.counters = Counters()
        self.persist: list[Persist] = [StoreEpoch(owner.core.epoch)]
        self.news: list[NodeId] = []
        """Whose Core is to be told at once."""
        self.alarms: list[Equivocation | DuplicateIdentity] = []
        self.publish_core()
        directory.vouch(self._me, now_s)

    def count(self, what: str) -> None:
        """Add one to a counter."""
        value: int = getattr(self.counters, what)
        self.counters = dataclasses.replace(self.counters, **{what: value + 1})

    # -- Our own records

    def publish_core(self) -> None:
        """Hold and tell our newest Core."""
        signed = self._owner.core_signed
        self._directory.merge_core(self._owner.core, signed, self.now_s, None)
        self.news.append(self._me)

    def publish_status(self) -> None:
        """Hold our newest Status, if we have one; it is told by and by."""
        status, signed = self._owner.status, self._owner.status_signed
        if status is not None and signed is not None:
            self._directory.merge_status(status, signed, self.now_s, None)

    def _meet_ourselves(self, core: Core, signed: Signed) -> None:
        if self._owner.is_ours(core):
            return
        check_core(signed, self._mesh)
        if self._owner.must_give_way(core):
            self.alarms.append(DuplicateIdentity(core.boot, core.addresses))
            return
        self._owner.rise_above(core)
        self.persist.append(StoreEpoch(self._owner.core.epoch))
        self.publish_core()
        self.publish_status()

    # -- Others' records

    def take(self, source: NodeId, cores: Iterable[Signed], statuses: Iterable[Signed]) -> None:
        """Take in what `source` has sent. What is not to be believed is counted and left out."""
        for signed in cores:
            try:
                self._take_core(source, read_core(signed, self._mesh), signed)
            except BadRecord:
                self.count("forged")
        for signed in statuses:
            try:
                self._take_status(source, signed)
            except BadRecord:
                self.count("forged")

    def _take_core(self, source: NodeId, core: Core, signed: Signed) -> None:
        if core.node == self._me:
            self._meet_ourselves(core, signed)
            return
        card = self._directory.get(core.node)
        if card is None and source != core.node and not self._admits(core):
            return
        before = None if card is None else card.core
        merged = self._directory.merge_core(core, signed, self.now_s, source)
        if before is None or before.boot == core.boot:
            self._note_conflict(core.node, merged)
        # Else it has lost its disk, and began at the first epoch again until it met its past.
        if merged.changed:
            self._take_changed(before, self._directory[core.node])

    def _take_status(self, source: NodeId, signed: Signed) -> None:
        status = read_status(signed)
        if status.node != self._me:
            merged = self._directory.merge_status(status, signed, self.now_s, source)
            self._note_conflict(status.node, merged)

    def _admits(self, stranger: Core) -> bool:
        if self._directory.is_forgotten(stranger, self.now_s):
            return False
        if self._directory.strangers < self._config.strangers_max:
            return True
        self.count("strangers_refused")
        return False

    def _note_conflict(self, node: NodeId, merged: Merged) -> None:
        if merged in {Merged.CONFLICT_KEPT, Merged.CONFLICT_REPLACED}:
            self.count("equivocations")
            self.alarms.append(Equivocation(node))

    def _take_changed(self, before: Core | None, card: Card) -> None:
        core = card.core
        dialable = bool(core.addresses)
        if before is None:
            self._peers.add(core.node, MemberState.UNVERIFIED, self.now_s, dialable=dialable)
        elif not core.leaving and version_of(core)[:2] > version_of(before)[:2]:
            self._peers.move(core.node, Cause.RENEWED, self.now_s)
        if card.vouched:
            self._keep(card)
            self.news.append(core.node)
        peer = self._peers[core.node]
        peer.dialable = dialable
        if dialable and not core.leaving and peer.state is not MemberState.ALIVE:
            self._peers.try_soon(core.node, self.now_s)

    def _keep(self, card: Card) -> None:
        if card.core.leaving:
            self._peers.move(card.core.node, Cause.LEFT, self.now_s)
        self.persist.append(Remember(card.core.node, pack(card.core_signed)))

    def heard(self, node: NodeId) -> None:
        """Note a sign of life of a member; the first one vouches for it."""
        if self._peers.get(node) is None:
            return
        self._peers.heard(node, self.now_s)
        card = self._directory[node]
        if not card.vouched:
            if card.core_stamp.told_by == node:
                self.news.append(node)  # it came to us; of hearsay others have heard, too
            self._directory.vouch(node, self.now_s)
            self._keep(card)

    # -- Memory

    def recall(self, data: bytes) -> None:
        """Take in what `Remember` kept of a member that was vouched for before our start."""
        try:
            signed = unpack(data, Signed)
            core = read_core(signed, self._mesh)
            if core.node == self._me or self._directory.get(core.node) is not None:
                return
            self._directory.merge_core(core, signed, -math.inf, None)
        except (MalformedMessage, BadRecord):
            self.count("forged")
            return
        self._directory.vouch(core.node, -math.inf)
        state = MemberState.LEFT if core.leaving else MemberState.SUSPECT
        self._peers.add(core.node, state, self.now_s, dialable=bool(core.addresses))
        if not core.leaving:
            self._peers[core.node].next_try_s = self.now_s

    def forget(self, node: NodeId) -> None:
        """Forget a member, and for a while whatever others still say of it."""
        self.persist.append(Forget(node))
        self._peers.drop(node)
        self._directory.forget(node, self.now_s + self._config.forgotten_s)
