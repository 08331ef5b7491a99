"""What becomes of each record of a batch, and what is remembered of bad ones."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from managers.state import dead_letters, ingest
from managers.state.dead_letters import DeadLetter
from managers.state.store import SqliteStore
from p2p.codec import record_bytes_max
from p2p.envelope import RecordId, Segment, record_id
from p2p.identity.ids import NodeId
from p2p.manifest import Digest, MonthKey, SegmentKey
from p2p.store import Refusal, Root, Stored
from tests.store.samples import game, numbered, open_store, producers

sender = NodeId(b"the sending peer")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with contextlib.closing(open_store(tmp_path / "store.db")) as store:
        yield store


def test_each_record_of_a_batch_has_one_of_four_outcomes(store: SqliteStore) -> None:
    held, bad_before = game(1), game(2, bad=True)
    store.ingest([held, bad_before], 0)
    fresh, bad, junk = game(3), game(4, bad=True), b"\xc1"
    again = [fresh, bad, junk, bad_before]
    done = store.ingest([held, fresh, bad_before, bad, junk, *again], 0)
    assert [row.id for row in done.stored] == [record_id(fresh)]
    assert done.known == (record_id(held), record_id(fresh))
    assert [refusal.id for refusal in done.refused] == [record_id(junk), record_id(bad)]
    assert done.refused_before == tuple(map(record_id, [junk, bad_before, bad, bad_before]))


def test_a_stored_row_tells_where_the_record_belongs(store: SqliteStore) -> None:
    record = game(1, config="hex8_3p", producer=producers[2])
    (row,) = store.ingest([record], 0).stored
    assert row == Stored(1, record_id(record), "game", "hex8_3p", producers[2])


def test_unknown_kinds_and_newer_formats_are_stored_unjudged(store: SqliteStore) -> None:
    records = [game(1, bad=True, kind="unheard_of"), game(2, bad=True, format=2)]
    assert len(store.ingest(records, 0).stored) == 2
    assert store.bodies([record_id(data) for data in records]) == {
        record_id(data): data for data in records
    }


def test_a_refused_record_is_counted_as_known_and_not_held(store: SqliteStore) -> None:
    good, bad = record_id(game(1)), record_id(game(2, bad=True))
    store.ingest([game(1), game(2, bad=True)], 0)
    assert store.view().root() == Root(store.id, 2, Digest.of([good, bad]), Digest.of([good]))
    assert store.bodies([good, bad]) == {good: game(1)}
    assert store.held_digest("game") == Digest.of([good])
    assert store.count_by_config("game") == {"square8_2p": 1}


def test_a_record_without_envelope_is_remembered_but_belongs_nowhere(store: SqliteStore) -> None:
    store.ingest([b"\xc1"], 0)
    assert store.view().root() == Root(store.id, 0, Digest(), Digest())
    assert store.dead_letter_count() == 1
    assert store.ingest([b"\xc1"], 0).refused_before == (record_id(b"\xc1"),)
    assert store.dead_letter_count() == 1


def test_dead_letters_say_what_why_when_and_who(store: SqliteStore) -> None:
    bad, junk = game(2, bad=True), b"\xc1"
    store.ingest([bad], 11, source=sender)
    store.ingest([junk], 12)
    no_envelope, refused = store.dead_letters(10)
    assert refused == DeadLetter(record_id(bad), "marked as bad", "game", 11, sender, bad)
    assert no_envelope.reason.startswith("not msgpack")
    assert no_envelope == DeadLetter(record_id(junk), no_envelope.reason, None, 12, None, junk)
    assert store.dead_letters(1) == [no_envelope]


def test_the_bytes_of_the_oldest_dead_letters_make_room(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "bodies_bytes_max", 1000)
    junk = [b"\xc1" * size for size in (300, 400, 500, 600)]
    for data in junk:
        store.ingest([data], 0)
    kept = {letter.id: letter.body for letter in store.dead_letters(10)}
    assert kept == dict.fromkeys(map(record_id, junk[:3])) | {record_id(junk[3]): junk[3]}
    store.ingest([b"\xc1" * 1001], 0)
    assert store.dead_letter_count() == 5
    assert [letter.body for letter in store.dead_letters(10)] == [None] * 5
    assert len(store.ingest(junk, 0).refused_before) == 4


def test_a_long_reason_is_cut(store: SqliteStore) -> None:
    junk = b"\x82\xa1b\xc0\xd9\xff" + b"a" * 255 + b"\xc0"
    (refusal,) = store.ingest([junk], 0).refused
    assert len(refusal.reason) == dead_letters.reason_chars_max


def test_a_record_too_large_is_a_dead_letter(store: SqliteStore) -> None:
    data = b"\xc6" + (record_bytes_max).to_bytes(4, "big") + bytes(record_bytes_max)
    (refusal,) = store.ingest([data], 0).refused
    reason = f"{len(data)} bytes exceed the limit of {record_bytes_max}"
    assert refusal == Refusal(record_id(data), reason)


def test_sequences_grow_and_batches_without_news_use_none(store: SqliteStore) -> None:
    first = store.ingest(numbered(3), 0).stored
    assert [row.seq for row in first] == [1, 2, 3]
    store.ingest(numbered(3), 0)
    store.ingest([], 0)
    assert store.max_seq() == 3
    second = store.ingest([*numbered(3), game(1)], 0).stored
    assert second[0].seq > 3
    assert store.max_seq() == second[0].seq


def test_names_whose_keys_collide_are_answered_for_together(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = SegmentKey(b"collides")

    def collide(segment: Segment) -> SegmentKey:
        return key

    monkeypatch.setattr(ingest, "segment_key", collide)
    monkeypatch.setattr(ingest, "month_key", collide)
    before = store.view()
    records = [game(n, config=config) for n in range(300) for config in ("here", "there")]
    ids = [record_id(data) for data in records]
    store.ingest(records, 0)
    view = store.view()
    assert list(view.months().values()) == [Digest.of(ids)]
    assert view.segments(view.months().keys()) == {MonthKey(key): {key: Digest.of(ids)}}
    assert sum(view.leaves(key), start=Digest()) == Digest.of(ids)
    assert view.ids(key, bytes(32), b"\xff" * 32, 1000) == sorted(ids)
    assert view.ids(key, bytes(32), b"\xff" * 32, 100) == sorted(ids)[:100]
    assert before.leaves(key) == [Digest()] * 256
    assert store.count_by_config("game") == {"here": 300, "there": 300}


def test_records_are_found_among_ids_that_begin_alike(store: SqliteStore) -> None:
    ids = [row.id for row in store.ingest(numbered(3), 0).stored]
    alike = RecordId(ids[0][:5] + bytes(27))
    assert set(store.bodies([*ids, alike])) == set(ids)
    assert store.bodies([alike]) == {}
    bodies = store.bodies(ids)
    assert store.body_sizes([*ids, alike]) == {id_: len(bodies[id_]) for id_ in ids}
