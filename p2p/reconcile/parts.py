"""Parts of segments: which ids they hold, how they are cut smaller, and their salted short names.

Salts are fresh for every request, so names that collide once do not collide again.
"""

import dataclasses
import hashlib
from collections.abc import Iterable, Iterator, Sequence

from p2p.codec import MalformedMessage
from p2p.envelope import RecordId
from p2p.manifest import Digest, leaf_bits_stored
from p2p.reconcile.messages import (
    Part,
    leaf_count_bytes,
    leaf_digest_bytes,
    part_bits_max,
    short_id_bytes,
)
from p2p.store import View

part_ids_aim = 2048
"""Parts are cut so that they probably hold at most this many ids."""

part_ids_max = 4096
"""What a list in one request holds at most."""

_claim_bits_max = 16  # a peer's claim about a count costs us at most 65,536 parts


@dataclasses.dataclass(frozen=True, slots=True)
class Listed:
    """A part and all ids known of it, ascending."""

    part: Part
    ids: Sequence[RecordId]


class PartTooLarge(ValueError):
    """A part that cannot be cut any smaller."""


def short_ids(ids: Iterable[RecordId], salt: bytes) -> list[bytes]:
    """Return the 8-byte names of these ids under a salt (keyed BLAKE2b)."""
    return [hashlib.blake2b(id_, digest_size=short_id_bytes, key=salt).digest() for id_ in ids]


def split_short_ids(joined: bytes) -> list[bytes]:
    """Take joined short ids apart. Raises `MalformedMessage` if some bytes are left over."""
    if len(joined) % short_id_bytes:
        raise MalformedMessage(f"{len(joined)} bytes of short ids of {short_id_bytes} bytes each")
    return [
        joined[start : start + short_id_bytes] for start in range(0, len(joined), short_id_bytes)
    ]


def leaf_table(leaves: Iterable[Digest], salt: bytes) -> bytes:
    """Return the salted digests and counts of a segment's leaves, 12 bytes each."""
    return b"".join(
        leaf.short(leaf_digest_bytes, salt) + leaf.count.to_bytes(leaf_count_bytes, "big")
        for leaf in leaves
    )


def bits_to_cut(count: int) -> int:
    """Return by how many bits to cut a part of `count` ids, at least 1, to reach `part_ids_aim`."""
    return min(((count - 1) // part_ids_aim).bit_length(), _claim_bits_max)


def cut(part: Part, bits: int) -> Iterator[Part]:
    """Cut a part by so many more bits.

    Raises `PartTooLarge` if it would come to more than `part_bits_max`.
    """
    if part.bits + bits > part_bits_max:
        raise PartTooLarge(f"too many ids share their first {part.bits} bits")
    first = part.leaf << bits
    for leaf in range(first, first + (1 << bits)):
        yield Part(part.segment, part.bits + bits, leaf)


def fitting(view: View, part: Part) -> Iterator[Listed]:
    """List a part, in smaller parts if it holds more than `part_ids_max` ids.

    Raises `PartTooLarge` if no part is small enough.
    """
    ids = [id_ for leaf in stored_leaves(view, part) for id_ in within(part, leaf)]
    if len(ids) <= part_ids_max:
        yield Listed(part, ids)
    else:
        for piece in cut(part, bits_to_cut(len(ids))):
            yield from fitting(view, piece)


def stored_leaves(view: View, part: Part) -> Iterator[Sequence[RecordId]]:
    """Read the stored leaves that a part is made of, or is `within`, one at a time."""
    below = leaf_bits_stored - part.bits
    if below <= 0:
        yield view.ids(part.segment, part.leaf >> -below)
        return
    leaves = view.leaves(part.segment)
    for leaf in range(part.leaf << below, (part.leaf + 1) << below):
        if leaves[leaf].count:
            yield view.ids(part.segment, leaf)


def within(part: Part, ids: Sequence[RecordId]) -> Sequence[RecordId]:
    """Return those ids of one of a part's stored leaves that belong to the part."""
    if part.bits <= leaf_bits_stored:
        return ids
    shift = part_bits_max - part.bits
    size = part_bits_max // 8
    return [id_ for id_ in ids if int.from_bytes(id_[:size], "big") >> shift == part.leaf]
