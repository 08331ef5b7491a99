"""Cutting a part of a segment loses no id and names none twice."""

import functools
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2p.envelope import RecordId, record_id
from p2p.manifest import Digest, SegmentKey
from p2p.reconcile import parts
from p2p.reconcile.messages import Part, part_bits_max
from tests.reconcile.peers import IndexedView, Peer, make


@functools.cache
def segment() -> tuple[IndexedView, SegmentKey, list[RecordId]]:
    """Return a segment of 300 records: its store, its key and its ids."""
    peer = Peer(1, map(make, range(300)))
    return peer.view(), peer.rows[0].key, sorted(peer.known)


def listed(part: Part) -> list[RecordId]:
    """List a part as both sides do."""
    view, _, _ = segment()
    return parts.ids_of(view, part)


@given(st.integers(0, 7), st.integers(0, 6))
@settings(deadline=None, max_examples=25)
def test_the_pieces_of_a_part_hold_each_of_its_ids_once(coarse: int, more: int) -> None:
    _, key, ids = segment()
    pieces = [
        piece for part in parts.cut(Part(key, 0, 0), coarse) for piece in parts.cut(part, more)
    ]
    assert [id_ for piece in pieces for id_ in listed(piece)] == ids
    assert {piece.bits for piece in pieces} == {coarse + more}


@given(st.integers(1, 310))
@settings(deadline=None, max_examples=25)
def test_a_part_is_read_in_pages_that_miss_and_repeat_none(ids_max: int) -> None:
    view, key, ids = segment()
    with mock.patch.object(parts, "page_ids_max", ids_max):
        pages = list(parts.pages(view, Part(key, 0, 0)))
    assert [id_ for page in pages for id_ in page] == ids
    assert max(map(len, pages)) <= ids_max


def test_a_part_of_many_bits_holds_the_ids_that_begin_with_them() -> None:
    _, key, ids = segment()
    for bits in (8, 9, 16, 31, part_bits_max):
        leaf = int.from_bytes(ids[150], "big") >> (256 - bits)
        expected = [id_ for id_ in ids if int.from_bytes(id_, "big") >> (256 - bits) == leaf]
        assert listed(Part(key, bits, leaf)) == expected


@given(st.integers(1, 40), st.integers(1, 40))
@settings(deadline=None, max_examples=30)
def test_a_part_is_listed_in_pieces_that_fit(ids_max: int, aim: int) -> None:
    view, key, ids = segment()
    with (
        mock.patch.object(parts, "part_ids_max", ids_max),
        mock.patch.object(parts, "part_ids_aim", min(aim, ids_max)),
    ):
        pieces = list(parts.fitting(view, Part(key, 0, 0)))
    assert [id_ for piece in pieces for id_ in piece.ids] == ids
    assert max(len(piece.ids) for piece in pieces) <= ids_max


def test_a_part_is_cut_to_its_last_bit_and_no_further() -> None:
    _, key, _ = segment()
    finest = Part(key, part_bits_max, 0)
    assert list(parts.cut(finest, 0)) == [finest]
    with pytest.raises(parts.PartTooLarge, match="share their first 56 bits"):
        list(parts.cut(finest, 1))


@pytest.mark.parametrize(
    ("count", "bits"), [(1, 0), (2048, 0), (2049, 1), (4097, 2), (2**32 - 1, 21)]
)
def test_a_part_is_cut_by_as_many_bits_as_its_count_asks_for(count: int, bits: int) -> None:
    assert parts.bits_to_cut(count) == bits


def test_names_have_these_bytes_for_ever_and_change_with_the_salt() -> None:
    one = record_id(b"one")
    assert parts.short_ids([one], bytes(16)) == [bytes.fromhex("aecc06e29d7c414b")]
    assert parts.short_ids([one], b"1" * 16) != parts.short_ids([one], bytes(16))
    table = parts.leaf_table([Digest.of([one]), Digest()], bytes(16))
    assert table.hex() == "c6458447dce4c84c00000001d4817aa5497628e700000000"
    assert parts.leaf_table([Digest.of([one]), Digest()], b"1" * 16) != table
