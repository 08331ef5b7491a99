"""Bloom filters of pybloom-live, made and asked many ids at a time.

The library hashes one key after the other in Python. Here the same hashes are taken apart by numpy
and set in the library's own bits, which is ten times as fast. What the bits mean is the library's
business, so its version is part of the wire format (`hashing`). Every key is salted, and the salt
is fresh for every request: an id that one filter hides, the next shows.
"""

import binascii
import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy
import numpy.typing
import xxhash
from bitarray import bitarray
from pybloom_live import BloomFilter

from p2p.codec import MalformedMessage
from p2p.envelope import RecordId
from p2p.reconcile.messages import Filter

_Array = numpy.typing.NDArray[Any]

_word_bytes = 2
"""The library takes hashes apart into 16-bit words, as long as a slice has fewer than 2^15 bits:
that is ensured by `Filter`'s limits."""


def build(ids: Sequence[RecordId], salt: bytes, error_rate: float) -> Filter:
    """See `filters.build`."""
    bloom = BloomFilter(max(1, len(ids)), error_rate)
    bits = numpy.zeros(bloom.num_bits, numpy.bool_)
    bits[_places(bloom, ids, salt)] = True
    bloom.bitarray = bitarray(buffer=numpy.packbits(bits, bitorder="little"), endian="little")
    return Filter(bloom.capacity, error_rate, bloom.bitarray.tobytes())


def missing(filter_: Filter, ids: Sequence[RecordId], salt: bytes) -> list[RecordId]:
    """See `filters.missing`."""
    bloom = BloomFilter(filter_.n, filter_.error_rate)
    if len(filter_.bits) != (bloom.num_bits + 7) // 8:
        raise MalformedMessage(
            f"a filter of {len(filter_.bits)} bytes, where {filter_.n} ids at "
            f"{filter_.error_rate:.3g} take {bloom.num_bits} bits"
        )
    bits = numpy.unpackbits(numpy.frombuffer(filter_.bits, numpy.uint8), bitorder="little")
    if numpy.count_nonzero(bits) > filter_.n * bloom.num_slices:
        raise MalformedMessage(f"a filter with more bits than {filter_.n} ids can set")
    seem_in = numpy.all(bits[_places(bloom, ids, salt)], axis=1)
    return [ids[index] for index in numpy.flatnonzero(~seem_in).tolist()]


def _places(bloom: BloomFilter, ids: Sequence[RecordId], salt: bytes) -> _Array:
    """Return the places of each id's bits, one row for each: as `BloomFilter.make_hashes` does."""
    digest, digest_bytes = _hash(bloom)
    start = bloom.hashfn(struct.pack("I", 0)).digest() + salt.hex().encode()
    hexlify = binascii.hexlify
    joined = b"".join([digest(start + hexlify(id_)) for id_ in ids])
    words = numpy.frombuffer(joined, "<u2").reshape(-1, digest_bytes // _word_bytes)
    places = words[:, : bloom.num_slices] % numpy.uint16(bloom.bits_per_slice)
    marks: _Array = (
        places + numpy.arange(bloom.num_slices, dtype=numpy.uint32) * bloom.bits_per_slice
    )
    return marks


def _hash(bloom: BloomFilter) -> tuple[Callable[[bytes], bytes], int]:
    """Return the filter's hash function in one call, and how many bytes it returns."""
    if bloom.hashfn is xxhash.xxh128:
        return xxhash.xxh128_digest, 16
    hash_: Callable[[bytes], Any] = bloom.hashfn
    return (lambda data: hash_(data).digest()), hash_(b"").digest_size
