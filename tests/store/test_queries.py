"""What managers ask of the store besides the protocols, and what the answers cost."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from managers.state import store as store_module
from managers.state.store import SqliteStore
from p2p.envelope import Segment, record_id
from p2p.identity.ids import NodeId
from p2p.manifest import Digest, segment_key
from p2p.store import Mark
from tests.store.samples import Meter, game, numbered, open_store, producers


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with contextlib.closing(open_store(tmp_path / "store.db")) as store:
        yield store


def reopened(store: SqliteStore, path: Path) -> SqliteStore:
    store.close()
    return open_store(path)


def test_a_producers_rows_come_in_order_whatever_their_kind(store: SqliteStore) -> None:
    records = [
        game(n, kind=("game", "unheard_of")[n % 2], producer=producers[n % 3], bad=n == 6)
        for n in range(12)
    ]
    store.ingest(records, 0)
    own = [(n + 1, record_id(data), data) for n, data in enumerate(records) if n in {0, 3, 9}]
    assert store.own_after(producers[0], 0, 10, 10**6) == own
    assert store.own_after(producers[0], 1, 10, 10**6) == own[1:]
    assert store.own_after(producers[0], 0, 2, 10**6) == own[:2]
    assert store.own_after(producers[0], 10, 2, 10**6) == []
    assert store.own_after(NodeId(bytes(16)), 0, 2, 10**6) == []


def test_rows_are_returned_up_to_a_size_but_always_one(store: SqliteStore) -> None:
    records = numbered(5)
    store.ingest(records, 0)
    size = len(records[0])
    for bytes_max, rows in ((0, 1), (2 * size, 2), (3 * size - 1, 2), (10 * size, 5)):
        assert len(store.own_after(producers[0], 0, 10, bytes_max)) == rows


def test_held_records_are_counted_summed_and_listed_by_kind_and_config(store: SqliteStore) -> None:
    here = [game(n, config="square8_2p", day=n % 60) for n in range(4200)]
    there = [game(n, config="hex8_3p") for n in range(7)]
    store.ingest([*here, game(1, bad=True), *there, game(1, kind="unheard_of")], 0)
    ids = [record_id(data) for data in (*here, *there)]
    assert store.count_by_config("game") == {"square8_2p": 4200, "hex8_3p": 7}
    assert store.count_by_config("never_seen") == {}
    assert store.held_digest("game") == Digest.of(ids)
    assert store.held_digest("never_seen") == Digest()
    pages = list(store.iterate_ids("game"))
    assert [id_ for page in pages for id_ in page] == ids
    assert max(map(len, pages)) <= 4096
    assert [id_ for page in store.iterate_ids("game", "hex8_3p") for id_ in page] == ids[-7:]
    assert list(store.iterate_ids("never_seen")) == []


def test_a_listing_ends_with_what_was_there_when_it_began(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "page_rows", 2)
    ids = [row.id for row in store.ingest(numbered(3), 0).stored]
    listing = store.iterate_ids("game")
    assert next(listing) == ids[:2]
    store.ingest([game(1), game(2)], 0)
    assert list(listing) == [ids[2:]]


def test_settings_survive_and_nothing_large_is_one(store: SqliteStore, tmp_path: Path) -> None:
    assert store.get_setting("paused") is None
    store.set_setting("paused", {"since": [1, 2.5, None, True, "x"]})
    store.set_setting("epoch", 3)
    store.set_setting("epoch", 4)
    store = reopened(store, tmp_path / "store.db")
    assert store.get_setting("paused") == {"since": [1, 2.5, None, True, "x"]}
    assert store.get_setting("epoch") == 4
    with pytest.raises(ValueError, match="setting 'large' has 70002 > 65536 characters"):
        store.set_setting("large", "x" * 70_000)
    with pytest.raises(ValueError, match="not JSON compliant"):
        store.set_setting("odd", float("nan"))
    store.close()


def test_numbers_reserved_once_are_never_reserved_again(store: SqliteStore, tmp_path: Path) -> None:
    firsts = [store.reserve("seeds", 10), store.reserve("seeds", 1)]
    store = reopened(store, tmp_path / "store.db")
    firsts += [store.reserve("seeds", 5), store.reserve("seeds", 5), store.reserve("other", 5)]
    assert firsts == [0, 10, 11, 16, 0]
    with pytest.raises(ValueError, match="cannot reserve 0 numbers of 'seeds'"):
        store.reserve("seeds", 0)
    store.close()


def test_members_are_remembered_until_forgotten(store: SqliteStore, tmp_path: Path) -> None:
    a, b = producers[:2]
    store.remember_member(b, b"b", 2)
    store.remember_member(a, b"old", 1)
    store.remember_member(a, b"new", 3)
    store = reopened(store, tmp_path / "store.db")
    assert store.members() == [(a, b"new", 3), (b, b"b", 2)]
    store.forget_member(a)
    store.forget_member(a)
    assert store.members() == [(b, b"b", 2)]
    store.close()


def test_the_store_id_stays_until_it_is_renewed(store: SqliteStore, tmp_path: Path) -> None:
    first = store.id
    store = reopened(store, tmp_path / "store.db")
    assert store.id == first
    assert len(first) == 8
    store.renew_store_id(lambda size: b"x" * size)
    assert store.view().root().store == store.id == b"x" * 8
    store = reopened(store, tmp_path / "store.db")
    assert store.id == b"x" * 8
    store.close()


@pytest.mark.parametrize("seq", [-1, 4])
def test_a_sequence_that_was_never_given_out_is_refused(store: SqliteStore, seq: int) -> None:
    store.ingest(numbered(3), 0)
    with pytest.raises(ValueError, match=f"sequence {seq} is not from 0 to 3"):
        store.view(seq)
    with pytest.raises(ValueError, match=f"sequence {seq} is not from 0 to 3"):
        store.note_watermark(producers[1], Mark(b"store--1", 0), seq)


questions: dict[str, Callable[[SqliteStore], object]] = {
    "root": lambda store: store.view().root(),
    "months": lambda store: store.view().months(),
    "segments": lambda store: store.view().segments(store.view().months().keys()),
    "leaves": lambda store: store.view().leaves(segment_key(Segment("game", "square8_2p", 20_600))),
    "counts": lambda store: store.count_by_config("game"),
    "held digest": lambda store: store.held_digest("game"),
    "dead letters": lambda store: store.dead_letter_count(),
    "safety": lambda store: store.safety("game", producers[0], producers, producers[1:], 10**9),
    "only here": lambda store: store.only_here_ids("game", producers[1:], 9),
    "own": lambda store: store.own_after(producers[0], store.max_seq() - 1, 9, 10**6),
    "bodies": lambda store: store.bodies([record_id(game(1000)), record_id(b"unknown")]),
    "sizes": lambda store: store.body_sizes([record_id(game(1000)), record_id(b"unknown")]),
}


@pytest.mark.parametrize("name", questions)
def test_no_answer_leaves_a_transaction_open(tmp_path: Path, name: str) -> None:
    meter = Meter(tmp_path / "store.db")
    with contextlib.closing(open_store(meter.path, connect=meter.connect)) as store:
        store.ingest(numbered(20), 0)
        questions[name](store)
        writer, _ = meter.connections
        writer.execute("PRAGMA busy_timeout = 0")
        (busy, _, _) = writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        assert not busy


def test_answers_cost_the_same_however_much_is_held(tmp_path: Path) -> None:
    few, many = (costs(tmp_path / f"{count}.db", count) for count in (1000, 8000))
    assert {name: (few[name], many[name]) for name in few if many[name] > 1.1 * few[name]} == {}


def costs(path: Path, count: int) -> dict[str, int]:
    meter = Meter(path)
    with contextlib.closing(open_store(path, connect=meter.connect)) as store:
        store.ingest(numbered(count), 0)
        for peer in producers[1:]:
            store.note_watermark(peer, Mark(b"store--1", 0), count - 10)
        return {
            name: meter.steps(functools.partial(question, store))
            for name, question in questions.items()
        }
