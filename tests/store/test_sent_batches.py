"""A batch and the proof that its sender holds it: on the disk together, or not at all."""

import contextlib
import itertools
import shutil
import sqlite3
from pathlib import Path

import pytest

from managers.state.store import SqliteStore
from p2p.envelope import record_id
from p2p.identity.ids import NodeId
from p2p.store import Ingested, Mark
from tests.store.samples import Disk, game, numbered, open_store

sender = NodeId(b"the sending peer")
sender_at = Mark(b"store--1", 7)
counted_max = 10_000


def send(store: SqliteStore, batch: list[bytes]) -> Ingested:
    """Store what the peer has sent."""
    return store.ingest(batch, 0, source=sender, source_at=sender_at)


def receipted(path: Path) -> list[int]:
    """Return the sequences for which the file holds receipts."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        return [seq for (seq,) in db.execute("SELECT seq FROM receipts ORDER BY seq")]


def test_a_bad_record_in_the_middle_costs_the_others_nothing(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    held, bad = numbered(5), [game(1, bad=True), b"\xc1"]
    with contextlib.closing(open_store(path)) as store:
        store.ingest(held[:2], 0)
        done = send(store, [*held[1:3], *bad, *held[3:], held[3]])
        assert [row.id for row in done.stored] == [record_id(data) for data in held[2:]]
        assert {refusal.id for refusal in done.refused} == {record_id(data) for data in bad}
        assert store.only_here_ids("game", [sender], counted_max) == [record_id(held[0])]
        assert receipted(path) == sorted([2, *(row.seq for row in done.stored)])
        send(store, bad)
        assert len(receipted(path)) == 4


def test_what_was_made_here_or_came_from_an_unknown_store_proves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with contextlib.closing(open_store(path)) as store:
        store.ingest(numbered(3), 0)
        store.ingest(numbered(3, day=1), 0, source=sender)
        assert store.seen() == {}
    assert receipted(path) == []


def test_what_a_watermark_proves_needs_no_receipt(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with contextlib.closing(open_store(path)) as store:
        send(store, numbered(4))
        store.note_watermark(sender, sender_at, 4)
        send(store, [*numbered(4), game(1)])
        assert store.only_here_ids("game", [sender], counted_max) == []
        assert len(receipted(path)) == 1


def test_a_batch_from_a_new_store_of_a_peer_voids_what_the_old_one_held(tmp_path: Path) -> None:
    with contextlib.closing(open_store(tmp_path / "store.db")) as store:
        old, new = numbered(2), numbered(2, day=1)
        send(store, old)
        store.ingest(new, 0, source=sender, source_at=Mark(b"store--2", 2))
        assert store.seen() == {sender: Mark(b"store--2", 2)}
        lost = [record_id(data) for data in old]
        assert store.only_here_ids("game", [sender], counted_max) == lost


def test_a_disk_that_fails_at_any_statement_keeps_neither_records_nor_proof(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "store.db")
    batch = [*numbered(2), game(1, bad=True), *numbered(2, day=1)]
    with contextlib.closing(open_store(disk.path, connect=disk.connect)) as store:
        for statements in itertools.count():
            disk.statements_left = statements
            try:
                done = send(store, batch)
            except sqlite3.OperationalError:
                pass
            else:
                break
            finally:
                disk.statements_left = None
            assert (store.max_seq(), store.seen(), store.dead_letter_count()) == (0, {}, 0)
        assert statements > 10
        assert len(done.stored) == 4
        assert store.only_here_ids("game", [sender], counted_max) == []


def test_a_log_cut_off_anywhere_leaves_no_record_without_its_proof(tmp_path: Path) -> None:
    path, copy = tmp_path / "store.db", tmp_path / "copy.db"
    open_store(path).close()  # so that the log holds batches alone
    sizes = [0]
    with contextlib.closing(open_store(path)) as store:
        for day in range(5):
            send(store, numbered(10, day=day, size=500))
            sizes.append(path.with_name("store.db-wal").stat().st_size)
        steps = [(after - before) // 4 for before, after in itertools.pairwise(sizes)]
        for batch, quarter in itertools.product(range(5), range(1, 5)):
            shutil.copy(path, copy)
            log = shutil.copy(path.with_name("store.db-wal"), copy.with_name("copy.db-wal"))
            with Path(log).open("r+b") as file:
                file.truncate(sizes[batch] + quarter * steps[batch])
            with contextlib.closing(open_store(copy)) as recovered:
                assert recovered.max_seq() in {10 * batch, 10 * batch + 10}
                assert recovered.only_here_ids("game", [sender], counted_max) == []


@pytest.mark.parametrize("batch", [[], [b"\xc1"], [game(1, bad=True)]])
def test_a_batch_with_nothing_good_has_nothing_noted_of_the_peer(
    tmp_path: Path, batch: list[bytes]
) -> None:
    with contextlib.closing(open_store(tmp_path / "store.db")) as store:
        send(store, batch)
        assert store.seen() == {}
    assert receipted(tmp_path / "store.db") == []
