"""An audit trusts no digest: whatever differs comes to light, leaf by leaf."""

import random
from collections.abc import Iterator
from unittest import mock

import pytest

from p2p.manifest import Digest, leaf_bits_stored
from p2p.reconcile import Initiator, Ping, ping
from p2p.reconcile.messages import ExactRequest, short_id_bytes
from tests.reconcile.peers import Course, Exchange, Peer, differing, make

leaves = range(1 << leaf_bits_stored)


def audit(
    ours: Peer, theirs: Peer, leaf: int, rng: random.Random, of: Ping | None = None
) -> Exchange:
    """Run one audit, begun by `ours`."""
    machine = Initiator.audit(ours.view(), rng, of or ping(theirs.view()), leaf)
    return Course(ours, theirs, rng, machine=machine).run()


@pytest.fixture
def sums_that_agree() -> Iterator[None]:
    """Make all sums look alike, short and long, as if records had been crafted for it."""
    with mock.patch.object(Digest, "short", lambda digest, size, salt=b"": bytes(size)):
        yield


@pytest.mark.usefixtures("sums_that_agree")
def test_a_round_of_audits_finds_what_crafted_sums_hide() -> None:
    ours, theirs = differing(shared=300, ours=20, theirs=20, segments=3)
    union = ours.known | theirs.known
    assert ping(ours.view()).agrees(ping(theirs.view()))
    assert Course(ours, theirs, random.Random(1)).run().outcome.requests == 1
    assert ours.known != theirs.known
    rng = random.Random(2)
    taken = given = 0
    for leaf in rng.sample(leaves, len(leaves)):
        seen = audit(ours, theirs, leaf, rng)
        assert seen.outcome.complete
        taken += seen.outcome.taken
        given += seen.outcome.given
    assert ours.known == theirs.known == union
    assert (taken, given) == (20, 20)


@pytest.mark.usefixtures("sums_that_agree")
def test_an_audit_compares_its_leaf_and_no_other() -> None:
    ours, theirs = differing(shared=500, ours=200, theirs=200, segments=2)
    lacked = ours.known ^ theirs.known
    seen = audit(ours, theirs, 7, random.Random(1))
    moved = {*seen.given, *seen.taken}
    assert moved == {id_ for id_ in lacked if id_[0] == 7}
    assert moved


def test_an_audit_sends_lists_alone_8_bytes_for_each_id_and_25_for_each_segment() -> None:
    ours, theirs = differing(shared=3000, ours=0, theirs=0, segments=5)
    (leaf_ids,) = {sum(1 for id_ in ours.known if id_[0] == 9)}
    seen = audit(ours, theirs, 9, random.Random(1))
    (request,) = seen.requests
    assert isinstance(request, ExactRequest)
    assert seen.outcome.requests == 1
    assert seen.outcome.exact_lists == 5
    assert seen.outcome.filters == 0
    assert seen.outcome.message_bytes <= 64 + 25 * 5 + short_id_bytes * leaf_ids


def test_an_audit_proves_no_copies() -> None:
    ours, theirs = differing(shared=100, ours=0, theirs=0, segments=1)
    outcome = audit(ours, theirs, 3, random.Random(1)).outcome
    assert outcome.complete
    assert outcome.is_audit
    assert outcome.peer is not None
    assert outcome.peer.refuses_nothing
    assert not outcome.proves_copies


def test_an_audit_of_a_store_that_was_renewed_ends_with_the_reason() -> None:
    ours, theirs = differing(shared=100, ours=1, theirs=0, segments=1)
    before = ping(theirs.view())
    theirs.id = b"another!"
    outcome = audit(ours, theirs, 3, random.Random(1), of=before).outcome
    assert outcome.reason.endswith("or was renewed; the next exchange goes on from there")
    assert not outcome.complete


def test_an_audit_by_a_store_that_knows_nothing_asks_nothing() -> None:
    outcome = audit(Peer(1), Peer(2, [make(1)]), 0, random.Random(1)).outcome
    assert outcome.complete
    assert outcome.requests == 0
