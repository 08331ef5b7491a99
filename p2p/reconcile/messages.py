"""What two nodes say to each other to find out which records either of them lacks.

Requests come from the initiator, answers from the responder; each fits in one message. Only an
`ExactAnswer` has a tail: the records that the initiator lacks, framed. `docs/manifests.md` shows
the course of an exchange.
"""

from collections.abc import Sequence
from typing import Annotated, TypeAlias, cast

from msgspec import Meta

from p2p.codec import MalformedMessage, Message, unpack
from p2p.envelope import RecordId
from p2p.manifest import MonthKey, SegmentKey, key_bytes, leaf_bits_stored
from p2p.store import Ingested, View

store_id_bytes = 8
digest_bytes = 16
ping_digest_bytes = 12
"""Shorter, for two of them travel every second both ways."""

salt_bytes = 16
short_id_bytes = 8

leaves_per_segment = 1 << leaf_bits_stored
leaf_digest_bytes = 8
leaf_count_bytes = 4
leaf_entry_bytes = leaf_digest_bytes + leaf_count_bytes
leaf_table_bytes = leaves_per_segment * leaf_entry_bytes

segments_per_request_max = 21
"""As many as the answer has room for the leaves of."""

part_bits_max = 56
"""Deep enough that no one can craft ids that share so many bits by the thousand."""

parts_per_request_max = 4096

push_records_max = 2048
push_bytes_max = 4 * 1024 * 1024
"""A body of pushed records has at most this many records, and frames of at most so many bytes."""

reason_chars_max = 80
reasons_per_receipt_max = 128
"""Refusals beyond these carry no reason, so that a receipt fits in a message."""

StoreId = Annotated[bytes, Meta(min_length=store_id_bytes, max_length=store_id_bytes)]
Seq = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Count = Annotated[int, Meta(ge=0, lt=2**32)]
DigestBytes = Annotated[bytes, Meta(min_length=digest_bytes, max_length=digest_bytes)]
PingDigest = Annotated[bytes, Meta(min_length=ping_digest_bytes, max_length=ping_digest_bytes)]
Salt = Annotated[bytes, Meta(min_length=salt_bytes, max_length=salt_bytes)]
Month = Annotated[MonthKey, Meta(min_length=key_bytes, max_length=key_bytes)]
SegmentName = Annotated[SegmentKey, Meta(min_length=key_bytes, max_length=key_bytes)]
ShortIds = Annotated[bytes, Meta(max_length=65_536)]
"""Salted short ids of 8 bytes, one after the other."""

LeafTable = Annotated[bytes, Meta(min_length=leaf_table_bytes, max_length=leaf_table_bytes)]
"""For each of a segment's 256 leaves: 8 bytes of its salted digest, 4 of its count, big-endian."""


class Snapshot(Message, frozen=True):
    """A fixed set of rows: those of one store up to one sequence."""

    store: StoreId
    seq: Seq


class Ping(Message, frozen=True):
    """A whole store in at most 50 bytes; rides on the membership exchange, both ways."""

    store: StoreId
    seq: Seq
    known: PingDigest
    """Digest of every known id, held or refused."""
    held: PingDigest
    """Digest of those of them whose records are there."""
    scope: Annotated[bytes, Meta(max_length=16)] = b""
    """Which records this is about; empty for all of them."""

    @property
    def refuses_nothing(self) -> bool:
        """Whether every known record is held."""
        return self.held == self.known

    def agrees(self, other: "Ping") -> bool:
        """Tell whether there is nothing to exchange: both know, or both hold, the same ids."""
        return self.scope == other.scope and (self.known == other.known or self.held == other.held)

    def proves_copies(self, other: "Ping") -> bool:
        """Tell whether the sender holds every record that the store behind `other` holds.

        Whatever either has refused: equal digests of what is held are about nothing else.
        """
        return self.held == other.held and self.scope == other.scope


class MonthDigest(Message, frozen=True):
    """All that the initiator knows of one month, summed up."""

    month: Month
    digest: DigestBytes


class SegmentDigest(Message, frozen=True):
    """All that the responder knows of one segment, summed up."""

    segment: SegmentName
    count: Annotated[int, Meta(ge=1, lt=2**32)]
    digest: DigestBytes


class MonthSegments(Message, frozen=True):
    """A month that differs, and every segment of it that the responder knows."""

    month: Month
    segments: Annotated[tuple[SegmentDigest, ...], Meta(max_length=31)]


class Part(Message, frozen=True):
    """The ids of a segment whose first `bits` bits are `leaf`; with 0 bits all of them."""

    segment: SegmentName
    bits: Annotated[int, Meta(ge=0, le=part_bits_max)]
    leaf: Annotated[int, Meta(ge=0, lt=1 << part_bits_max)]


class SegmentsRequest(Message, frozen=True, tag=1):
    """Which months differ, of those whose keys lie from `first` to `last`, both included?"""

    at: Snapshot | None
    """The responder's snapshot; None asks it to take one, which its answer names."""
    first: Month
    last: Month
    months: Annotated[tuple[MonthDigest, ...], Meta(max_length=2400)]
    """Every month of the initiator in that range."""


class SegmentsAnswer(Message, frozen=True, tag=1):
    """The months that differ, ascending, as far as there was room."""

    of: Ping
    """The responder's snapshot, summed up."""
    months: Annotated[tuple[MonthSegments, ...], Meta(max_length=5500)]
    next: Month | None
    """Where to go on from, if there was no room for the whole range."""


class LeavesRequest(Message, frozen=True, tag=2):
    """How do the leaves of these segments look to you?"""

    at: Snapshot
    salt: Salt
    segments: Annotated[
        tuple[SegmentName, ...], Meta(min_length=1, max_length=segments_per_request_max)
    ]


class LeavesAnswer(Message, frozen=True, tag=2):
    """The leaves of each segment asked for, in that order."""

    tables: Annotated[tuple[LeafTable, ...], Meta(max_length=segments_per_request_max)]


class PartIds(Message, frozen=True):
    """Every id that the initiator knows of one part."""

    part: Part
    ids: ShortIds


class ExactRequest(Message, frozen=True, tag=3):
    """These ids I know: send the records I lack, and name those you want."""

    at: Snapshot
    salt: Salt
    parts: Annotated[tuple[PartIds, ...], Meta(min_length=1, max_length=parts_per_request_max)]


class Wanted(Message, frozen=True):
    """What the responder lacks of one part."""

    part: Annotated[int, Meta(ge=0, lt=parts_per_request_max)]
    """The part's index in the request."""
    ids: ShortIds


class ExactAnswer(Message, frozen=True, tag=3):
    """What each side lacks of the first `done` parts; the others are to be asked about again.

    With `done` 0, the first part holds too many ids for one answer: take more bits.
    """

    done: Annotated[int, Meta(ge=0, le=parts_per_request_max)]
    wanted: Annotated[tuple[Wanted, ...], Meta(max_length=parts_per_request_max)]
    records: Count
    """How many ids the initiator lacks. As many records follow, less those refused here."""


class Stale(Message, frozen=True, tag=0):
    """There is no such snapshot: the store was renewed, or has lost rows."""

    now: Snapshot


class Refused(Message, frozen=True):
    """One pushed record that was not taken."""

    index: Annotated[int, Meta(ge=0, lt=push_records_max)]
    """Its place in the body."""
    reason: Annotated[str, Meta(max_length=reason_chars_max)]


class Receipt(Message, frozen=True):
    """Sent once pushed records are committed: the node holds all of them but those refused."""

    store: StoreId
    refused: Annotated[tuple[Refused, ...], Meta(max_length=push_records_max)] = ()

    def held(self, ids: Sequence[RecordId]) -> list[RecordId]:
        """Return those of the pushed `ids`, in the body's order, that the peer now holds.

        Raises `MalformedMessage` if the receipt refuses a record that was not pushed.
        """
        refused = {entry.index for entry in self.refused}
        if refused and max(refused) >= len(ids):
            raise MalformedMessage(f"a receipt that refuses record {max(refused)} of {len(ids)}")
        return [id_ for index, id_ in enumerate(ids) if index not in refused]


Request: TypeAlias = SegmentsRequest | LeavesRequest | ExactRequest
Answer: TypeAlias = SegmentsAnswer | LeavesAnswer | ExactAnswer | Stale


def unpack_request(data: bytes) -> Request:
    """Decode a request of any type. Raises `MalformedMessage`."""
    return unpack(data, cast("type[Request]", Request))


def unpack_answer(data: bytes) -> Answer:
    """Decode an answer of any type. Raises `MalformedMessage`."""
    return unpack(data, cast("type[Answer]", Answer))


def ping(view: View) -> Ping:
    """Sum up a store."""
    root = view.root()
    known, held = root.known.short(ping_digest_bytes), root.held.short(ping_digest_bytes)
    return Ping(root.store, root.seq, known, held)


def receipt(store: bytes, ids: Sequence[RecordId], ingested: Ingested) -> Receipt:
    """Return the receipt for pushed records with these `ids`, in the body's order."""
    reasons = {refusal.id: refusal.reason for refusal in ingested.refused}
    reasons.update(dict.fromkeys(ingested.refused_before, "refused before"))
    refused: list[Refused] = []
    for index, id_ in enumerate(ids):
        if id_ in reasons:
            room = len(refused) < reasons_per_receipt_max
            refused.append(Refused(index, reasons[id_][:reason_chars_max] if room else ""))
    return Receipt(store, tuple(refused))
