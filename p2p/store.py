"""What the protocols ask of a node's record store. SQLite implements it in `managers.state`.

Calls are synchronous and may touch the disk: managers make them in the runtime's threads. A
*sequence* numbers the rows of one store in the order they were committed, without reuse; together
with the store's id it names a fixed set of rows, so a snapshot needs no open transaction.
"""

import dataclasses
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import ClassVar, Protocol

import msgspec

from p2p.envelope import RecordId
from p2p.identity.ids import NodeId
from p2p.manifest import Digest, MonthKey, SegmentKey


class Stored(msgspec.Struct, frozen=True, gc=False):
    """One row that a batch added: where it came from is the caller's business."""

    seq: int
    id: RecordId
    kind: str
    config: str
    producer: NodeId


@dataclasses.dataclass(frozen=True, slots=True)
class Refusal:
    """One record that was not taken, by id, with the reason that `status` and the log show."""

    id: RecordId
    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class Ingested:
    """What became of a batch. Every record of it is in exactly one of the four."""

    stored: tuple[Stored, ...] = ()
    known: tuple[RecordId, ...] = ()
    """Held before, or twice in the batch."""
    refused: tuple[Refusal, ...] = ()
    refused_before: tuple[RecordId, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Mark:
    """How far a store has come."""

    store: bytes
    """The store's id: 8 random bytes."""
    seq: int


@dataclasses.dataclass(frozen=True, slots=True)
class Root:
    """A whole store in one line, as of `seq`."""

    store: bytes
    """The store's id: 8 random bytes, renewed when the store may have lost rows."""
    seq: int
    known: Digest
    """Every id, held or refused."""
    held: Digest
    """The ids whose records are here: known, less refused."""


class StoreFault(Exception):
    """The store could not do what was asked, and has changed nothing: the message says why."""

    may_pass: ClassVar[bool] = False
    """Whether the same change may succeed at once, for the store has tried to make room."""
    lasts: ClassVar[bool] = False
    """Whether it stays until somebody mends the store, even if something else works meanwhile."""


class View(Protocol):
    """A store as it was at one sequence; later rows do not show. Keys unknown to us are empty."""

    @property
    def seq(self) -> int:
        """The sequence as of which it is."""

    def root(self) -> Root:
        """Sum up everything known."""

    def months(self) -> Mapping[MonthKey, Digest]:
        """Sum up each month; empty ones are left out."""

    def segments(
        self, months: Collection[MonthKey]
    ) -> Mapping[MonthKey, Mapping[SegmentKey, Digest]]:
        """Sum up each segment of these months; months without any are left out."""

    def leaves(self, segment: SegmentKey) -> Sequence[Digest]:
        """Sum up each of a segment's 256 leaves."""

    def ids(
        self, segment: SegmentKey, first: bytes, last: bytes, ids_max: int
    ) -> Sequence[RecordId]:
        """List the known ids from `first` to `last`, ascending: the lowest `ids_max` of them."""


class Store(Protocol):
    """A node's records."""

    id: bytes

    def view(self, seq: int | None = None) -> View:
        """Return the store as of `seq`, by default now. Raises `ValueError` if `seq` is ahead."""

    def ingest(self, batch: Iterable[bytes], now_ms: int) -> Ingested:
        """Check and store a batch in one transaction, synced to disk on return."""

    def bodies(self, ids: Collection[RecordId]) -> Mapping[RecordId, bytes]:
        """Return the bytes of those records that are held; refused and unknown ones are absent."""


@dataclasses.dataclass(frozen=True, slots=True)
class Safety:
    """How well the held records of one kind are kept, as far as there is evidence."""

    stored: int
    safe: int
    """Held by enough durable members besides their producer."""
    only_here: int
    """No other member that counts is known to hold these."""
    overdue: int
    """Those that are not safe among the rows up to the sequence asked about."""


class NodeStore(Store, Protocol):
    """All that the managers of a node ask of its store, beyond what the protocols do."""

    def ingest(
        self,
        batch: Iterable[bytes],
        now_ms: int,
        *,
        source: NodeId | None = None,
        source_at: Mark | None = None,
    ) -> Ingested:
        """Check and store a batch; `source` is the peer that sent it, None if it was made here.

        A bad record's dead letter names the peer. If `source_at` says how far the peer's store has
        come, the same transaction notes that it holds what was not refused, as `note_receipts`.
        """

    def get_setting(self, name: str) -> object:
        """Return a small value kept for the node, or None."""

    def renew_store_id(self, new_id: Callable[[int], bytes]) -> None:
        """Take a new id, so that peers void what they noted of this store."""

    def set_setting(self, name: str, value: object) -> None:
        """Keep a small value (anything that JSON can say) for the node."""

    def reserve(self, name: str, block: int) -> int:
        """Return the first of `block` numbers that are given out this once, across restarts."""

    def remember_member(self, node: NodeId, record: bytes, heard_ms: int) -> None:
        """Keep a member's own signed words for the next start."""

    def members(self) -> Sequence[tuple[NodeId, bytes, int]]:
        """Return what was kept of members: (node, record, when heard in ms)."""

    def forget_member(self, node: NodeId) -> None:
        """Drop what was kept of a member."""

    def own_after(
        self, producer: NodeId, seq: int, limit: int, bytes_max: int
    ) -> Sequence[tuple[int, RecordId, bytes]]:
        """Return held records of one producer after a sequence: (seq, id, bytes), in order."""

    def body_sizes(self, ids: Collection[RecordId]) -> Mapping[RecordId, int]:
        """Return the sizes in bytes of those records that are held."""

    def note_receipts(self, peer: NodeId, peer_at: Mark, ids: Collection[RecordId]) -> None:
        """Note that a peer has committed these records. Another store id voids older notes."""

    def note_watermark(self, peer: NodeId, peer_at: Mark, seq: int) -> None:
        """Note that a peer holds all our rows up to `seq`. Another store id voids older notes."""

    def void_evidence(self, peer: NodeId, peer_at: Mark) -> None:
        """Drop all that was noted of a peer, whose store is now this far."""

    def seen(self) -> Mapping[NodeId, Mark]:
        """Return the furthest that each peer's store had come when there was evidence of it."""

    def watermark(self, peer: NodeId) -> int:
        """Return the sequence up to which the peer holds all our rows; 0 if nothing is known."""

    def safety(
        self,
        kind: str,
        me: NodeId,
        durable: Collection[NodeId],
        others: Collection[NodeId],
        upto: int,
    ) -> Safety:
        """Count the held records of a kind by how well they are kept; see `Safety`.

        `durable` includes this node if it is; `others` are the members whose copies count against
        `only_here`, durable or not; `overdue` is about the rows up to sequence `upto`.
        """

    def only_here_ids(
        self, kind: str, others: Collection[NodeId], limit: int
    ) -> Sequence[RecordId]:
        """List held records of a kind that none of `others` is known to hold."""

    def count_by_config(self, kind: str) -> Mapping[str, int]:
        """Count the held records of a kind, by config."""

    def held_digest(self, kind: str) -> Digest:
        """Sum up the held records of a kind."""

    def dead_letter_count(self) -> int:
        """Count the records that were refused as invalid."""

    def iterate_ids(self, kind: str, config: str | None = None) -> Iterable[Sequence[RecordId]]:
        """List the held records of a kind in pages."""
