"""What the protocols ask of a node's record store. SQLite implements it in `managers.state`.

Calls are synchronous and may touch the disk: managers make them in the runtime's threads. A
*sequence* numbers the rows of one store in the order they were committed, without reuse; together
with the store's id it names a fixed set of rows, so a snapshot needs no open transaction.
"""

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

from p2p.envelope import RecordId
from p2p.identity.ids import NodeId
from p2p.manifest import Digest, MonthKey, SegmentKey


@dataclasses.dataclass(frozen=True, slots=True)
class Stored:
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
class Root:
    """A whole store in one line, as of `seq`."""

    store: bytes
    """The store's id: 8 random bytes, renewed when the store may have lost rows."""
    seq: int
    known: Digest
    refused: int
    """How many of the known ids are refused; only if 0 does an equal digest prove copies."""


class View(Protocol):
    """A store as it was at one sequence; later rows do not show. Keys unknown to us are empty."""

    seq: int

    def root(self) -> Root:
        """Sum up everything known."""

    def months(self) -> Mapping[MonthKey, Digest]:
        """Sum up each month; empty ones are left out."""

    def segments(self, months: Collection[MonthKey]) -> Mapping[SegmentKey, Digest]:
        """Sum up each segment of these months."""

    def leaves(self, segment: SegmentKey) -> Sequence[Digest]:
        """Sum up each of a segment's 256 leaves."""

    def ids(self, segment: SegmentKey, leaf: int) -> Sequence[RecordId]:
        """List the known ids of one leaf, ascending."""


class Store(Protocol):
    """A node's records."""

    id: bytes

    def view(self, seq: int | None = None) -> View:
        """Return the store as of `seq`, by default now. Raises `ValueError` if `seq` is ahead."""

    def ingest(self, batch: Iterable[bytes], now_ms: int) -> Ingested:
        """Check and store a batch in one transaction, synced to disk on return."""

    def bodies(self, ids: Collection[RecordId]) -> Mapping[RecordId, bytes]:
        """Return the bytes of those records that are held; refused and unknown ones are absent."""
