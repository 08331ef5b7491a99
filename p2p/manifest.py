"""How two nodes name what they know: segments, months, leaves and digests that add up.

Every known record id, held or refused, is counted in exactly one *leaf*, a leaf in one *segment*,
a segment in one *month*. Each level's digest is the sum of the one below, so a difference can be
walked down to, and equality at any level ends the walk. `docs/manifests.md` tells the whole story.
"""

import dataclasses
import datetime
import functools
import hashlib
from collections.abc import Iterable
from typing import NewType

from p2p.codec import canonical
from p2p.envelope import RecordId, Segment

SegmentKey = NewType("SegmentKey", bytes)
"""8 bytes that name a segment on the wire; a node can so ask for a segment it has never seen."""

MonthKey = NewType("MonthKey", bytes)
"""8 bytes that name all segments of one kind, config and calendar month."""

key_bytes = 8
leaf_bits_stored = 8
"""Leaves are kept at this depth; finer ones are computed from the ids when a leaf is large."""

_modulus = 1 << 256
_keys_kept = 4096


@dataclasses.dataclass(frozen=True, slots=True)
class Digest:
    """A set of record ids, summed up: how many, and their sum mod 2^256."""

    count: int = 0
    total: int = 0

    def __add__(self, other: "Digest") -> "Digest":
        return Digest(self.count + other.count, (self.total + other.total) % _modulus)

    def __sub__(self, other: "Digest") -> "Digest":
        return Digest(self.count - other.count, (self.total - other.total) % _modulus)

    @classmethod
    def of(cls, ids: Iterable[RecordId]) -> "Digest":
        """Sum up a set of ids."""
        numbers = [int.from_bytes(id_, "big") for id_ in ids]
        return cls(len(numbers), sum(numbers) % _modulus)

    @property
    def total_bytes(self) -> bytes:
        """The sum as 32 big-endian bytes."""
        return self.total.to_bytes(32, "big")

    def short(self, size: int, salt: bytes = b"") -> bytes:
        """Return `size` bytes that differ, almost surely, where the sets differ."""
        content = salt + self.count.to_bytes(8, "big") + self.total_bytes
        return hashlib.sha256(content).digest()[:size]


@functools.lru_cache(maxsize=_keys_kept)
def segment_key(segment: Segment) -> SegmentKey:
    """Return the name of a segment on the wire."""
    name = canonical([segment.kind, segment.config, segment.day])
    return SegmentKey(hashlib.sha256(name).digest()[:key_bytes])


@functools.lru_cache(maxsize=_keys_kept)
def month_key(segment: Segment) -> MonthKey:
    """Return the name on the wire of the month that a segment belongs to."""
    day = datetime.date(1970, 1, 1) + datetime.timedelta(days=segment.day)
    name = canonical([segment.kind, segment.config, f"{day.year:04}-{day.month:02}"])
    return MonthKey(hashlib.sha256(name).digest()[:key_bytes])


def leaf_of(record: RecordId, bits: int = leaf_bits_stored) -> int:
    """Return the leaf of a record: the first `bits` bits of its id, 64 at most, as a number."""
    return int.from_bytes(record[:8], "big") >> (64 - bits)
