"""What two nodes say to each other to find out which records either of them lacks.

Requests come from the initiator, answers from the responder; each fits in one message. Only
`FiltersAnswer` and `ExactAnswer` have a tail: the records that the initiator lacks, framed.
`docs/manifests.md` shows the course of an exchange.
"""

from collections.abc import Sequence
from typing import Annotated, TypeAlias, cast

from msgspec import Meta

from p2p.codec import MalformedMessage, Message, message_bytes_max, unpack
from p2p.envelope import RecordId
from p2p.manifest import Digest, MonthKey, SegmentKey, key_bytes, leaf_bits_stored
from p2p.store import Ingested, View

store_id_bytes = 8
digest_bytes = 16
ping_digest_bytes = 12
"""Shorter, for two of them travel every second both ways."""

snapshot_rows_max = 100_000
"""A responder answers about a snapshot until more rows have come after it: some questions read all
of them, in about 0.2 s. What an exchange has not moved by then, the next one does."""

segments_per_month_max = message_bytes_max // 30
"""As many as a message has room for. An honest month has 31, but the keys of months can collide."""

salt_bytes = 16
short_id_bytes = 8

leaf_digest_bytes = 8
leaf_count_bytes = 4
leaf_entry_bytes = leaf_digest_bytes + leaf_count_bytes
leaves_per_answer_max = 5120
cuts_per_request_max = 1024
"""The leaves of as many parts as an answer has room for."""

part_bits_max = 56
"""Deep enough that no one can craft ids that share so many bits by the thousand."""

parts_per_request_max = 4096

hashing = 4
"""How a filter's bits follow from ids: by pybloom-live's version 4."""

filter_ids_max = 16_384
error_rate_min = 2.0**-32
error_rate_max = 0.5
filters_per_request_max = 1024

records_per_answer_max = 4096
"""After this many records to send, an answer ends with the part that it has come to."""

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

LeafDigest = Annotated[bytes, Meta(min_length=leaf_digest_bytes, max_length=leaf_digest_bytes)]
LeafTable = Annotated[bytes, Meta(max_length=leaf_entry_bytes << leaf_bits_stored)]
"""For each leaf of a part: 8 bytes of its salted digest, 4 of its count, big-endian."""


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

        Whatever either has refused: equal digests of what is held are about nothing else, and who
        knows the same and refuses nothing holds all of it.
        """
        has_all = self.known == other.known and self.refuses_nothing
        return self.scope == other.scope and (has_all or self.held == other.held)


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
    segments: Annotated[tuple[SegmentDigest, ...], Meta(max_length=segments_per_month_max)]


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


class Cut(Message, frozen=True):
    """A part, and by how many more bits of the ids to cut it into leaves.

    The sums of leaves of 8 bits are kept; a cut does not go past those and below them at once.
    """

    part: Part
    bits: Annotated[int, Meta(ge=1, le=leaf_bits_stored)]


class LeavesRequest(Message, frozen=True, tag=2):
    """How do the leaves of these parts look to you?"""

    at: Snapshot
    salt: Salt
    cuts: Annotated[tuple[Cut, ...], Meta(min_length=1, max_length=cuts_per_request_max)]
    """At most `leaves_per_answer_max` leaves in all."""


class LeavesAnswer(Message, frozen=True, tag=2):
    """The leaves of the first parts; the others are to be asked about again."""

    tables: Annotated[tuple[LeafTable, ...], Meta(max_length=cuts_per_request_max)]


class Filter(Message, frozen=True):
    """A set of ids as a Bloom filter, under the salt of the request; see `filters`."""

    n: Annotated[int, Meta(ge=1, le=filter_ids_max)]
    """How many ids are in it."""
    error_rate: Annotated[float, Meta(ge=error_rate_min, le=error_rate_max)]
    """How many of the ids that are not in it seem to be."""
    bits: Annotated[bytes, Meta(max_length=65_536)]


class PartFilter(Message, frozen=True):
    """Every id that the initiator knows of one part, in a filter."""

    part: Part
    filter: Filter


class FiltersRequest(Message, frozen=True, tag=4):
    """These ids I know: send the records that I lack for certain."""

    hashing: Annotated[int, Meta(ge=0, lt=2**16)]
    """How the bits follow from the ids; a responder that does not know it answers about no part."""
    at: Snapshot
    salt: Salt
    filters: Annotated[
        tuple[PartFilter, ...], Meta(min_length=1, max_length=filters_per_request_max)
    ]


class PartAnswer(Message, frozen=True):
    """What the responder knows of one part, for the initiator to check what it has then."""

    count: Count
    digest: LeafDigest
    """Salted, as those of leaves."""
    records: Count
    """How many ids the initiator lacks for certain."""
    filter: Filter | None
    """Every id that the responder knows; left out if by the counts it lacks none."""

    def sums_up(self, digest: Digest, salt: bytes) -> bool:
        """Tell whether this is what the responder knows of the part."""
        return (digest.count, digest.short(leaf_digest_bytes, salt)) == (self.count, self.digest)


class FiltersAnswer(Message, frozen=True, tag=4):
    """Answers for the first parts; the others are to be asked about again.

    If there are none, the initiator goes on with lists. The records that it lacks follow, less
    those refused here.
    """

    parts: Annotated[tuple[PartAnswer, ...], Meta(max_length=filters_per_request_max)]


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
    """There is no such snapshot: the store was renewed, has lost rows, or has gone on too far."""

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


Request: TypeAlias = SegmentsRequest | LeavesRequest | FiltersRequest | ExactRequest
Answer: TypeAlias = SegmentsAnswer | LeavesAnswer | FiltersAnswer | ExactAnswer | Stale


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
