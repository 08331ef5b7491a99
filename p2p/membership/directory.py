"""The records held of every member: how they merge, are summed up, and compared with a peer's.

Merging takes the larger version, so the order in which records come in, and how often, does not
matter. Records of *withheld* members (strangers, not vouched for) count in the root, since both
sides hold them, but are not passed on.
"""

import dataclasses
import enum
import hashlib
from collections.abc import Iterable

from p2p.codec import pack
from p2p.identity.ids import MeshId, NodeId, node_id_bytes
from p2p.membership.messages import (
    Digest,
    DigestPage,
    check_bytes,
    digests_max,
    records_bytes_max,
    root_bytes,
    wants_max,
)
from p2p.records import (
    Core,
    Signed,
    Status,
    check_core,
    check_status,
    content_hash,
)

lowest_id = NodeId(bytes(node_id_bytes))
highest_id = NodeId(b"\xff" * node_id_bytes)

forgotten_max = 4096
news_max = 16


class Merged(enum.Enum):
    """What became of a record."""

    STALE = enum.auto()
    """Held already, or older than what is held."""
    NEWER = enum.auto()
    CONFLICT_KEPT = enum.auto()
    """Equal version, other content: what was held is kept."""
    CONFLICT_REPLACED = enum.auto()
    """Equal version, other content: this one has the lower hash, and replaces."""

    @property
    def changed(self) -> bool:
        """Tell whether the record is held now, and was not before."""
        return self in {Merged.NEWER, Merged.CONFLICT_REPLACED}


@dataclasses.dataclass(frozen=True, slots=True)
class Stamp:
    """When, and through whom, a record came to be as it is."""

    change: int = 0
    """Our count of changes, this one included."""
    at_s: float = 0.0
    told_by: NodeId | None = None
    """The peer that brought it; None for ourselves."""

    def is_news(self, peer: NodeId, told: int, since_s: float) -> bool:
        """Tell whether `peer`, told of all up to change `told`, should hear of this unasked."""
        return self.change > told and self.at_s >= since_s and self.told_by != peer


@dataclasses.dataclass(slots=True)
class Card:
    """What is held of one member."""

    core: Core
    core_signed: Signed
    vouched: bool = False
    """An exchange with it has succeeded, so its records are passed on."""
    core_stamp: Stamp = Stamp()
    status_stamp: Stamp = Stamp()
    status: Status | None = None
    """Always of the epoch of `core`."""
    status_signed: Signed | None = None
    digest: Digest = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.sum_up()

    def sum_up(self) -> None:
        """Compute the digest anew."""
        core, status, signed = self.core, self.status, self.status_signed
        content = content_hash(self.core_signed) + (content_hash(signed) if signed else b"")
        self.digest = Digest(
            core.node,
            core.epoch,
            core.incarnation,
            core.version,
            0 if status is None else status.version,
            hashlib.sha256(content).digest()[:check_bytes],
        )


def core_ahead(one: Digest, other: Digest) -> bool:
    """Tell whether one side's Core should go to the other; true both ways where both conflict."""
    ours, theirs = version_of(one), version_of(other)
    return ours > theirs or (ours == theirs and _conflict(one, other))


def status_ahead(one: Digest, other: Digest) -> bool:
    """Tell whether one side's Status should go to the other; true both ways where both conflict."""
    if one.status_version == 0:
        return False
    ours, theirs = (one.epoch, one.status_version), (other.epoch, other.status_version)
    return ours > theirs or (ours == theirs and _conflict(one, other))


def version_of(one: Core | Digest) -> tuple[int, int, int]:
    """Return what orders the Cores of one member: the larger replaces the smaller."""
    return one.epoch, one.incarnation, one.version


def _conflict(one: Digest, other: Digest) -> bool:
    return one.status_version == other.status_version and one.check != other.check


def nothing_of(node: NodeId) -> Digest:
    """Return the digest of a member of which nothing is held."""
    return Digest(node, 0, 0, 0, 0, bytes(check_bytes))


class Parcel:
    """Records for one message, up to its limit."""

    def __init__(self) -> None:
        self.cores: list[Signed] = []
        self.statuses: list[Signed] = []
        self._room_bytes = records_bytes_max

    def add(self, card: Card, *, core: bool, status: bool) -> None:
        """Put in a member's records if there is room; if not, they wait for a later message."""
        if core:
            self._put(self.cores, card.core_signed)
        if status and card.status_signed is not None:
            self._put(self.statuses, card.status_signed)

    def _put(self, where: list[Signed], signed: Signed) -> None:
        size = len(pack(signed))
        if size <= self._room_bytes and signed not in where:
            where.append(signed)
            self._room_bytes -= size

    def __bool__(self) -> bool:
        return bool(self.cores or self.statuses)


class Directory:
    """The records of everyone known, ourselves included."""

    def __init__(self, mesh: MeshId) -> None:
        self._mesh = mesh
        self._cards: dict[NodeId, Card] = {}
        self._forgotten: dict[NodeId, tuple[tuple[int, ...], float]] = {}
        self._root: bytes | None = None
        self.changes = 0
        """How many changes there have been."""
        self.vouched = 0
        """How many members are passed on."""

    @property
    def strangers(self) -> int:
        """How many members are not passed on."""
        return len(self._cards) - self.vouched

    def __getitem__(self, node: NodeId) -> Card:
        return self._cards[node]

    def get(self, node: NodeId) -> Card | None:
        """Return what is held of a member."""
        return self._cards.get(node)

    def cards(self) -> Iterable[Card]:
        """Return what is held of every member, in no particular order."""
        return self._cards.values()

    @property
    def root(self) -> bytes:
        """Eight bytes that differ, almost surely, where two directories differ."""
        if self._root is None:
            content = hashlib.sha256()
            for node in sorted(self._cards):
                content.update(pack(self._cards[node].digest))
            self._root = content.digest()[:root_bytes]
        return self._root

    def merge_core(
        self, core: Core, signed: Signed, now_s: float, told_by: NodeId | None
    ) -> Merged:
        """Take in a Core and the bytes it was read from. Raises `BadRecord`: nothing has changed.

        The signature is checked unless the record is stale.
        """
        card = self._cards.get(core.node)
        if card is None:
            merged = Merged.NEWER
        else:
            merged = _compare(version_of(core), signed, version_of(card.core), card.core_signed)
        if merged is Merged.STALE:
            return merged
        check_core(signed, self._mesh)
        if card is None:
            card = self._cards[core.node] = Card(core, signed)
            self._forgotten.pop(core.node, None)
        if merged.changed:
            if core.epoch != card.core.epoch:
                card.status = card.status_signed = None
            card.core, card.core_signed = core, signed
            card.core_stamp = self._stamp(card, now_s, told_by)
        return merged

    def merge_status(
        self, status: Status, signed: Signed, now_s: float, told_by: NodeId | None
    ) -> Merged:
        """Take in a Status, as `merge_core` does.

        It is stale unless a Core of its epoch is held; if that is yet to come, digests will show
        the difference.
        """
        card = self._cards.get(status.node)
        if card is None or status.epoch != card.core.epoch:
            return Merged.STALE
        if card.status is None or card.status_signed is None:
            merged = Merged.NEWER
        else:
            merged = _compare((status.version,), signed, (card.status.version,), card.status_signed)
        if merged is Merged.STALE:
            return merged
        check_status(signed, self._mesh)
        if merged.changed:
            card.status, card.status_signed = status, signed
            card.status_stamp = self._stamp(card, now_s, told_by)
        return merged

    def _stamp(self, card: Card, now_s: float, told_by: NodeId | None) -> Stamp:
        card.sum_up()
        self._root = None
        self.changes += 1
        return Stamp(self.changes, now_s, told_by)

    def vouch(self, node: NodeId, now_s: float) -> None:
        """Pass a member's records on from now on: an exchange with it has succeeded."""
        card = self._cards[node]
        card.vouched = True
        card.core_stamp = card.status_stamp = self._stamp(card, now_s, node)
        self.vouched += 1

    def forget(self, node: NodeId, until_s: float) -> None:
        """Drop a member's records, and hearsay of them until `until_s`."""
        card = self._cards.pop(node)
        self.vouched -= card.vouched
        self._root = None
        if len(self._forgotten) >= forgotten_max:
            del self._forgotten[next(iter(self._forgotten))]
        self._forgotten[node] = version_of(card.core), until_s

    def is_forgotten(self, one: Core | Digest, now_s: float) -> bool:
        """Tell whether hearsay of this version is to be ignored."""
        version, until_s = self._forgotten.get(one.node, ((), 0.0))
        return now_s < until_s and version_of(one) <= version

    def add_news(self, parcel: Parcel, peer: NodeId, told: int, since_s: float) -> None:
        """Put in what `peer`, told of all up to change `told`, should hear of unasked.

        Of much news only the latest: the rest is cheaper to find by digests.
        """
        news: list[tuple[int, Card, bool]] = []
        for card in self._cards.values():
            if card.vouched and card.core.node != peer:
                for stamp, is_core in ((card.core_stamp, True), (card.status_stamp, False)):
                    if stamp.is_news(peer, told, since_s):
                        news.append((stamp.change, card, is_core))
        news.sort(key=lambda item: item[0])
        for _, card, is_core in news[-news_max:]:
            parcel.add(card, core=is_core, status=not is_core)

    def add_newer(self, parcel: Parcel, held: Digest) -> None:
        """Put in what we may pass on that is newer than what a peer holds of one member."""
        card = self._cards.get(held.node)
        if card is not None and card.vouched:
            parcel.add(
                card,
                core=core_ahead(card.digest, held),
                status=status_ahead(card.digest, held),
            )

    def page(self, first: NodeId) -> DigestPage:
        """List what we hold, from `first` as far as one message goes."""
        nodes = sorted(node for node in self._cards if node >= first)
        last = highest_id if len(nodes) <= digests_max else nodes[digests_max - 1]
        cards = [self._cards[node] for node in nodes[:digests_max]]
        return DigestPage(
            first,
            last,
            tuple(card.digest for card in cards if card.vouched),
            tuple(card.digest for card in cards if not card.vouched),
        )

    def add_lacking(self, parcel: Parcel, page: DigestPage) -> None:
        """Put in what the sender of a page lacks."""
        theirs = {digest.node: digest for digest in (*page.offered, *page.withheld)}
        for node in sorted(self._cards):
            if page.first <= node <= page.last:
                self.add_newer(parcel, theirs.get(node) or nothing_of(node))

    def wanted(self, page: DigestPage, now_s: float, strangers_max: int) -> tuple[Digest, ...]:
        """Return what we hold of those on a page of whom its sender offers more.

        Of members unknown here, no more than would make `strangers_max` strangers.
        """
        want: list[Digest] = []
        room = strangers_max - self.strangers
        for digest in page.offered:
            card = self._cards.get(digest.node)
            if card is None and (room <= 0 or self.is_forgotten(digest, now_s)):
                continue
            room -= card is None
            held = nothing_of(digest.node) if card is None else card.digest
            if core_ahead(digest, held) or status_ahead(digest, held):
                want.append(held)
        return tuple(want[:wants_max])


def _compare(
    theirs: tuple[int, ...], signed: Signed, ours: tuple[int, ...], held: Signed
) -> Merged:
    if theirs != ours:
        return Merged.NEWER if theirs > ours else Merged.STALE
    if signed.payload == held.payload:
        return Merged.STALE
    lower = content_hash(signed) < content_hash(held)
    return Merged.CONFLICT_REPLACED if lower else Merged.CONFLICT_KEPT
