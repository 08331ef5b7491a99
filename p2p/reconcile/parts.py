"""Parts of segments: which ids they hold, how they are cut smaller, and what stands for them.

That is a salted digest, a filter, or a list of salted short names. Salts are fresh for every
request, so what collides once does not collide again.
"""

import dataclasses
import hashlib
from collections.abc import Iterable, Iterator, Sequence

from p2p.codec import MalformedMessage
from p2p.envelope import RecordId
from p2p.manifest import Digest, leaf_bits_stored, leaf_of
from p2p.reconcile.messages import (
    Cut,
    Part,
    error_rate_max,
    error_rate_min,
    leaf_count_bytes,
    leaf_digest_bytes,
    part_bits_max,
    short_id_bytes,
)
from p2p.store import View

filter_ids_aim = 256
"""Parts are cut into leaves of about this many ids or half as many: smaller ones would cost more in
digests, larger ones more in filters, where one record of a thousand differs."""

error_rate_of_a_leaf = 0.03
"""How many of the filters are to hide a record."""

part_ids_aim = 2048
"""Parts to be listed are cut so that they probably hold at most this many ids."""

part_ids_max = 4096
"""What a list in one request holds at most."""

page_ids_max = 1024
"""What is read from a store at a time: enough to make up for the price of a query."""

_id_bytes = 32


@dataclasses.dataclass(frozen=True, slots=True)
class Told:
    """What filters have told of a part that has to be listed all the same."""

    lacking: int | None
    """How many of our ids the peer's filter did not hold, if it has sent one."""
    withheld: int
    """How many ids it has announced whose records it does not hold."""


@dataclasses.dataclass(frozen=True, slots=True)
class Listed:
    """A part and all ids known of it."""

    part: Part
    ids: Sequence[RecordId]
    told: Told | None = None


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


def error_rate(expected: int) -> float:
    """Return the error rate of a filter that is asked about `expected` ids that are not in it."""
    rate = error_rate_of_a_leaf / max(1, expected)
    return min(error_rate_max, max(error_rate_min, rate))


def into_leaves(part: Part, count: int) -> Cut:
    """Return the cut of a part of `count` ids into leaves of about `filter_ids_aim`.

    Raises `PartTooLarge` if it would come to more than `part_bits_max`.
    """
    stored = leaf_bits_stored - part.bits
    bits = min(((count - 1) // filter_ids_aim).bit_length(), leaf_bits_stored)
    bits = min(bits, stored) if stored > 0 else bits
    _check_bits(part, bits)
    return Cut(part, bits)


def sums(view: View, cut_: Cut) -> list[Digest]:
    """Sum up each leaf of a part. Raises `MalformedMessage` if there is no such cut."""
    part, bits = check(cut_.part), cut_.part.bits + cut_.bits
    if bits > part_bits_max or part.bits < leaf_bits_stored < bits:
        raise MalformedMessage(f"a part of {part.bits} bits cut by {cut_.bits} more")
    width = 1 << max(0, leaf_bits_stored - bits)
    if bits <= leaf_bits_stored:
        stored = view.leaves(part.segment)
        first = part.leaf << cut_.bits
        return [
            sum(stored[leaf * width : (leaf + 1) * width], Digest())
            for leaf in range(first, first + (1 << cut_.bits))
        ]
    leaves: list[list[RecordId]] = [[] for _ in range(1 << cut_.bits)]
    for id_ in ids_of(view, part):
        leaves[leaf_of(id_, bits) - (part.leaf << cut_.bits)].append(id_)
    return [Digest.of(ids) for ids in leaves]


def check(part: Part) -> Part:
    """Raise `MalformedMessage` if there is no such part."""
    if part.leaf >> part.bits:
        raise MalformedMessage(f"leaf {part.leaf} does not fit in {part.bits} bits")
    return part


def bits_to_cut(count: int) -> int:
    """Return by how many bits to cut a part of `count` ids to reach `part_ids_aim`."""
    return ((count - 1) // part_ids_aim).bit_length()


def cut(part: Part, bits: int) -> Iterator[Part]:
    """Cut a part by so many more bits.

    Raises `PartTooLarge` if it would come to more than `part_bits_max`.
    """
    _check_bits(part, bits)
    first = part.leaf << bits
    for leaf in range(first, first + (1 << bits)):
        yield Part(part.segment, part.bits + bits, leaf)


def _check_bits(part: Part, more: int) -> None:
    if part.bits + more > part_bits_max:
        raise PartTooLarge(f"too many ids share their first {part.bits} bits")


def fitting(view: View, part: Part) -> Iterator[Listed]:
    """List a part, in smaller parts if it holds more than `part_ids_max` ids.

    Raises `PartTooLarge` if no part is small enough.
    """
    ids = ids_of(view, part)
    if len(ids) <= part_ids_max:
        yield Listed(part, ids)
    else:
        for piece in cut(part, bits_to_cut(len(ids))):
            yield from fitting(view, piece)


def split(listed: Listed, bits: int) -> list[Listed]:
    """Cut a listed part by so many more bits. Raises `PartTooLarge` as `cut` does."""
    first = listed.part.leaf << bits
    ids: list[list[RecordId]] = [[] for _ in range(1 << bits)]
    for id_ in listed.ids:
        ids[leaf_of(id_, listed.part.bits + bits) - first].append(id_)
    return [Listed(piece, ids[piece.leaf - first]) for piece in cut(listed.part, bits)]


def ids_of(view: View, part: Part) -> list[RecordId]:
    """List all ids of a part, ascending."""
    return [id_ for page in pages(view, part) for id_ in page]


def pages(view: View, part: Part) -> Iterator[Sequence[RecordId]]:
    """Read the ids of a part, ascending, `page_ids_max` at a time."""
    rest_bits = 8 * _id_bytes - part.bits
    first = (part.leaf << rest_bits).to_bytes(_id_bytes, "big")
    last = (((part.leaf + 1) << rest_bits) - 1).to_bytes(_id_bytes, "big")
    while page := view.ids(part.segment, first, last, page_ids_max):
        yield page
        if len(page) < page_ids_max:
            return
        first = page[-1] + bytes(1)  # comes next in the order of bytes
