"""Merging records: order and repetition do not matter, and only the owner's newest counts."""

import functools
import itertools
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2p.membership.directory import Card, Directory, Merged, Parcel, highest_id, lowest_id
from p2p.membership.messages import digests_max
from p2p.records import BadRecord, Core, Signed, Status, content_hash, sign_core, sign_status
from tests.membership.world import make_core, make_id, make_key, mesh

Record = tuple[Core, Signed] | tuple[Status, Signed]


@functools.cache
def core_record(
    number: int, epoch: int = 1, incarnation: int = 0, version: int = 0, variant: str = "a"
) -> tuple[Core, Signed]:
    core = make_core(number, epoch=epoch, incarnation=incarnation, version=version)
    core = msgspec.structs.replace(core, zone=variant)
    return core, sign_core(make_key(number), core)


@functools.cache
def status_record(
    number: int, epoch: int = 1, version: int = 1, variant: str = "a"
) -> tuple[Status, Signed]:
    status = Status(make_id(number), epoch, version, {"variant": variant})
    return status, sign_status(make_key(number), mesh, status)


def put(directory: Directory, record: Record) -> Merged:
    match record:
        case Core() as core, signed:
            return directory.merge_core(core, signed, 0.0, None)
        case Status() as status, signed:
            return directory.merge_status(status, signed, 0.0, None)


def directory_of(records: list[Record]) -> Directory:
    directory = Directory(mesh)
    for record in records:
        put(directory, record)
    return directory


def vouch_for_all(directory: Directory) -> None:
    for card in tuple(directory.cards()):
        directory.vouch(card.core.node, 0.0)


numbers = st.integers(1, 3)
small = st.integers(0, 1)
variants = st.sampled_from("ab")
cores = st.builds(core_record, numbers, st.integers(1, 2), small, small, variants)
statuses = st.builds(status_record, numbers, st.integers(1, 2), st.integers(1, 2), variants)
first_cores: list[Record] = [core_record(number) for number in (1, 2, 3)]


@given(st.lists(cores, max_size=8), st.randoms(use_true_random=False))
def test_cores_may_come_in_any_order_and_often(records: list[Record], rng: Random) -> None:
    shuffled = [*records, *records]
    rng.shuffle(shuffled)
    assert directory_of(shuffled).root == directory_of(records).root


@given(st.lists(statuses, max_size=8), st.randoms(use_true_random=False))
def test_statuses_may_come_in_any_order_and_often(records: list[Record], rng: Random) -> None:
    shuffled = [*records, *records]
    rng.shuffle(shuffled)
    assert (
        directory_of([*first_cores, *shuffled]).root == directory_of([*first_cores, *records]).root
    )


def sync(one: Directory, other: Directory) -> None:
    """Do what an exchange does, between two directories."""
    for asker, answerer in ((one, other), (other, one)):
        page = answerer.page(lowest_id)
        parcel = Parcel()
        for held in asker.wanted(page, 0.0, 100):
            answerer.add_newer(parcel, held)
        for signed in parcel.cores:
            core = msgspec.msgpack.decode(signed.payload, type=Core)
            asker.merge_core(core, signed, 0.0, None)
        for signed in parcel.statuses:
            status = msgspec.msgpack.decode(signed.payload, type=Status)
            asker.merge_status(status, signed, 0.0, None)
        vouch_for_all(asker)


@settings(max_examples=50)
@given(*[st.lists(cores | statuses, max_size=6)] * 3, st.permutations(range(3)))
def test_nodes_that_exchange_agree_whoever_speaks_first(
    a: list[Record], b: list[Record], c: list[Record], order: list[int]
) -> None:
    """Merging what nodes hold is commutative, associative and idempotent, over the wire."""
    three = [directory_of([*first_cores, *records]) for records in (a, b, c)]
    others = [directory_of([*first_cores, *records]) for records in (a, b, c)]
    for mesh_of_three in (three, [others[index] for index in order]):
        for directory in mesh_of_three:
            vouch_for_all(directory)
        for one, other in 3 * tuple(itertools.combinations(mesh_of_three, 2)):
            sync(one, other)
    assert len({directory.root for directory in (*three, *others)}) == 1


def test_the_larger_epoch_wins_then_the_incarnation_then_the_version() -> None:
    ascending = [
        core_record(1, 1, 0, 0),
        core_record(1, 1, 0, 1),
        core_record(1, 1, 1, 0),
        core_record(1, 2, 0, 0),
    ]
    for older, newer in itertools.pairwise(ascending):
        directory = directory_of([older])
        assert put(directory, newer) is Merged.NEWER
        assert put(directory, older) is Merged.STALE
        assert directory[make_id(1)].core == newer[0]


def test_of_two_records_with_one_version_the_lower_hash_is_kept_and_the_fraud_noticed() -> None:
    low, high = sorted(
        (core_record(1, variant=variant) for variant in "ab"),
        key=lambda record: content_hash(record[1]),
    )
    directory = directory_of([low])
    assert put(directory, high) is Merged.CONFLICT_KEPT
    assert directory[make_id(1)].core == low[0]
    directory = directory_of([high])
    assert put(directory, low) is Merged.CONFLICT_REPLACED
    assert directory[make_id(1)].core == low[0]


def test_a_forged_record_changes_nothing() -> None:
    directory = directory_of([core_record(1)])
    root = directory.root
    for core, signed in (core_record(1, version=1), core_record(2)):
        forged = msgspec.structs.replace(signed, signature=bytes(64))
        with pytest.raises(BadRecord):
            directory.merge_core(core, forged, 0.0, None)
    status, signed_status = status_record(1)
    with pytest.raises(BadRecord):
        directory.merge_status(
            status, msgspec.structs.replace(signed_status, signature=bytes(64)), 0.0, None
        )
    assert directory.root == root
    assert directory.get(make_id(2)) is None


def test_a_status_counts_only_with_the_core_of_its_epoch() -> None:
    directory = directory_of([core_record(1, 1), status_record(1, 1)])
    assert directory[make_id(1)].status == status_record(1, 1)[0]
    put(directory, core_record(1, 2))
    assert directory[make_id(1)].status is None
    put(directory, status_record(1, 2))
    assert directory[make_id(1)].status == status_record(1, 2)[0]


def test_a_status_of_nobody_known_is_not_kept() -> None:
    directory = directory_of([status_record(1), core_record(1)])
    assert directory[make_id(1)].status is None


def test_pages_of_digests_cover_everyone_once() -> None:
    directory = Directory(mesh)
    count = 2 * digests_max + 5
    signed = core_record(1)[1]
    for number in range(count):
        node = number.to_bytes(16, "big")
        core = msgspec.structs.replace(core_record(1)[0], node=node)
        directory._cards[core.node] = Card(core, signed)
    seen: list[bytes] = []
    first = lowest_id
    while True:
        page = directory.page(first)
        assert len(page.offered) + len(page.withheld) <= digests_max
        seen += [digest.node for digest in (*page.offered, *page.withheld)]
        if page.last == highest_id:
            break
        first = type(first)((int.from_bytes(page.last, "big") + 1).to_bytes(16, "big"))
    assert seen == [number.to_bytes(16, "big") for number in range(count)]
