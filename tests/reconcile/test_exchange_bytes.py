"""What an exchange costs in bytes, beside the sizes promised and beside a linear bound."""

import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2p.codec import pack
from p2p.envelope import RecordId
from p2p.manifest import SegmentKey
from p2p.reconcile import parts
from p2p.reconcile.messages import FiltersAnswer, Part, unpack_answer
from p2p.store import View
from tests.reconcile.peers import Course, Peer, differing, exchange, pairs, rngs

tolerance = 1.2
promised_bytes = {1: 3_400, 1000: 27_000}
"""For 10,000 records that differ by so many, of which the initiator lacks all."""


def cost(shared: int, ours: int, theirs: int, segments: int) -> int:
    """Return the bytes of the messages of one exchange."""
    pair = differing(shared, ours, theirs, segments)
    return exchange(*pair, random.Random(1)).outcome.message_bytes


@pytest.mark.parametrize("segments", [1, 100])
@pytest.mark.parametrize("differ", [1, 1000])
def test_what_the_initiator_lacks_costs_no_more_than_promised(segments: int, differ: int) -> None:
    assert cost(10_000 - differ, 0, differ, segments) <= tolerance * promised_bytes[differ]


@pytest.mark.parametrize(
    ("ours", "theirs", "segments", "bytes_max"),
    [
        (1, 0, 1, 1_500),
        (1, 0, 100, 1_500),
        (1000, 0, 1, 36_000),
        (1000, 0, 100, 40_000),
        (500, 500, 1, 50_000),
        (500, 500, 100, 50_000),
    ],
)
def test_what_the_peer_lacks_or_both_lack_costs_twice_as_much_at_most(
    ours: int, theirs: int, segments: int, bytes_max: int
) -> None:
    assert cost(10_000 - ours - theirs, ours, theirs, segments) <= bytes_max


def linear_bound(mine: View, theirs: View) -> int:
    """Return the bound of `docs/manifests.md`: bytes of all messages, even if every filter errs."""
    months, others = mine.months(), theirs.months()
    apart = [key for key in months.keys() | others.keys() if months.get(key) != others.get(key)]
    ours, peers = (
        {key: sum_ for sums in view.segments(apart).values() for key, sum_ in sums.items()}
        for view in (mine, theirs)
    )
    keys = [key for key in ours.keys() | peers.keys() if ours.get(key) != peers.get(key)]
    differ = sum(len(all_of(mine, key) ^ all_of(theirs, key)) for key in keys)
    return 500 + 29 * len(months) + 1000 * len(apart) + 3200 * len(keys) + 5200 * differ


def all_of(view: View, key: SegmentKey) -> set[RecordId]:
    """Return every id of a segment."""
    return set(parts.ids_of(view, Part(key, 0, 0)))


def as_if_all_filters_erred(data: bytes) -> bytes:
    """Make every part come out wrong, so that it is listed after its filters."""
    answer = unpack_answer(data)
    if not isinstance(answer, FiltersAnswer):
        return data
    wrong = tuple(msgspec.structs.replace(part, digest=bytes(8)) for part in answer.parts)
    return pack(FiltersAnswer(wrong))


@given(pairs(shared_max=3000, own_max=30), st.booleans(), rngs)
@settings(max_examples=15, deadline=None)
def test_no_exchange_costs_more_than_the_linear_bound(
    pair: tuple[Peer, Peer], err: bool, rng: random.Random
) -> None:
    ours, theirs = pair
    bound = linear_bound(ours.view(), theirs.view())
    course = Course(ours, theirs, rng, tamper=as_if_all_filters_erred if err else bytes)
    assert course.run().outcome.message_bytes <= bound


def test_the_linear_bound_is_nearly_reached() -> None:
    ours, theirs = differing(shared=511 * 31, ours=0, theirs=31, segments=31)
    bound = linear_bound(ours.view(), theirs.view())
    course = Course(ours, theirs, random.Random(1), tamper=as_if_all_filters_erred)
    assert 0.5 * bound < course.run().outcome.message_bytes <= bound
