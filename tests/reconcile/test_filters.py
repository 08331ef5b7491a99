"""Filters say what pybloom-live says, bit by bit, and err as often as they were asked to."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pybloom_live import BloomFilter

from p2p.codec import MalformedMessage, pack, unpack
from p2p.envelope import RecordId
from p2p.reconcile import filters, parts
from p2p.reconcile.messages import (
    Filter,
    error_rate_max,
    error_rate_min,
    filter_ids_max,
    hashing,
    salt_bytes,
)

id_sets = st.sets(st.binary(min_size=32, max_size=32).map(RecordId), max_size=60).map(sorted)
salts = st.binary(min_size=salt_bytes, max_size=salt_bytes)
rates = st.one_of(
    st.floats(error_rate_min, error_rate_max),
    st.integers(1, 32).map(lambda bits: 2.0**-bits),
    st.integers(1, filter_ids_max).map(parts.error_rate),
)


def by_the_library(ids: list[RecordId], salt: bytes, error_rate: float) -> BloomFilter:
    """Return a filter made one id at a time, by the library's own `add`."""
    bloom = BloomFilter(max(1, len(ids)), error_rate)
    for id_ in ids:
        bloom.add(salt.hex() + id_.hex())
    return bloom


@given(id_sets, id_sets, salts, rates)
@settings(max_examples=150, deadline=None)
def test_a_filter_is_bit_by_bit_what_the_library_makes_and_answers_as_it_does(
    ids: list[RecordId], others: list[RecordId], salt: bytes, error_rate: float
) -> None:
    bloom = by_the_library(ids, salt, error_rate)
    built = filters.build(ids, salt, error_rate)
    assert built == Filter(max(1, len(ids)), error_rate, bloom.bitarray.tobytes())
    asked = [*others, *ids]
    expected = [id_ for id_ in asked if salt.hex() + id_.hex() not in bloom]
    assert filters.missing(unpack(pack(built), Filter), asked, salt) == expected
    assert not set(ids) & set(expected)


@pytest.mark.parametrize("error_rate", [error_rate_max, 0.03, 0.03 / 256, error_rate_min])
def test_a_large_filter_is_bit_by_bit_what_the_library_makes(error_rate: float) -> None:
    rng = random.Random(1)
    ids = [RecordId(rng.randbytes(32)) for _ in range(1000)]
    built = filters.build(ids, bytes(16), error_rate)
    assert built.bits == by_the_library(ids, bytes(16), error_rate).bitarray.tobytes()


def test_the_limits_of_a_filter_keep_its_hashes_at_16_bits() -> None:
    for bits in range(1, 321):
        bloom = BloomFilter(filter_ids_max, 2.0 ** (-bits / 10))
        assert bloom.bits_per_slice < 2**15
        assert bloom.num_slices <= 32


@pytest.mark.parametrize("error_rate", [0.5, 0.1, 0.03, 0.004, 0.0005])
def test_filters_err_as_often_as_they_were_asked_to(error_rate: float) -> None:
    rng = random.Random(2)
    asked = [RecordId(rng.randbytes(32)) for _ in range(40_000)]
    seem_in = 0
    for _ in range(5):
        ids = [RecordId(rng.randbytes(32)) for _ in range(500)]
        salt = rng.randbytes(16)
        built = filters.build(ids, salt, error_rate)
        assert filters.missing(built, ids, salt) == []
        seem_in += len(asked) - len(filters.missing(built, asked, salt))
    # The library rounds the number of hashes up, which makes some filters better than asked.
    assert 0.6 * error_rate < seem_in / (5 * len(asked)) < 1.25 * error_rate


def test_what_one_salt_hides_another_shows() -> None:
    rng = random.Random(3)
    ids, others = ([RecordId(rng.randbytes(32)) for _ in range(400)] for _ in range(2))
    hidden = set(others)
    for round_ in range(20):
        salt = rng.randbytes(16)
        hidden -= set(filters.missing(filters.build(ids, salt, 0.5), others, salt))
        assert len(hidden) < 400 * 0.75**round_
    assert not hidden


def test_a_filter_has_these_bytes_for_ever() -> None:
    assert hashing == 4
    ids = [RecordId(bytes([number]) * 32) for number in range(6)]
    assert (
        pack(filters.build(ids, bytes(range(16)), 0.03)).hex()
        == "9306cb3f9eb851eb851eb8c4066d6ff8625cb5"
    )
    assert (
        pack(filters.build(ids[:2], bytes(16), 2.0**-32)).hex()
        == "9302cb3df0000000000000c40ced667b8a6da9b66a775db9a4"
    )


@pytest.mark.parametrize(
    ("filter_", "reason"),
    [
        (Filter(5, 0.01, bytes(6)), "a filter of 6 bytes, where 5 ids at 0.01 take 49 bits"),
        (Filter(5, 0.01, bytes(8)), "a filter of 8 bytes"),
        (Filter(5, 0.01, b"\xff" * 7), "a filter with more bits than 5 ids can set"),
    ],
)
def test_a_filter_that_nobody_can_have_made_is_malformed(filter_: Filter, reason: str) -> None:
    with pytest.raises(MalformedMessage, match=reason):
        filters.missing(filter_, [RecordId(bytes(32))], bytes(16))


def test_the_error_rate_follows_from_what_is_expected_to_differ() -> None:
    rates = [parts.error_rate(expected) for expected in (-5, 0, 1, 2, 10, 2**32)]
    assert rates == [0.03, 0.03, 0.03, 0.015, 0.003, error_rate_min]
