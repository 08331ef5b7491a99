"""What was acknowledged is there, whatever happens to the process or the disk."""

import contextlib
import itertools
import random
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from managers.state.errors import StoreDamaged, StoreFull
from p2p.envelope import RecordId
from p2p.store import View
from tests.memory_store import MemoryStore
from tests.store.samples import Disk, kinds, numbered, open_store


def sums(view: View) -> object:
    """Return what a view sums up, at every level."""
    months = view.months()
    segments = view.segments(months.keys())
    return (
        view.root().known,
        months,
        segments,
        {key: view.leaves(key) for key in itertools.chain(*segments.values())},
    )


def test_a_log_cut_off_anywhere_leaves_the_batches_acknowledged_before(tmp_path: Path) -> None:
    path, copy = tmp_path / "store.db", tmp_path / "copy.db"
    log, copied_log = tmp_path / "store.db-wal", tmp_path / "copy.db-wal"
    open_store(path).close()  # so that the log holds batches alone
    reference = MemoryStore(kinds)
    acknowledged = [(0, 0, sums(reference.view()))]
    rng = random.Random(0)
    with contextlib.closing(open_store(path)) as store:
        for day in range(10):
            batch = numbered(rng.randrange(1, 30), day=day, size=rng.randrange(4000))
            last = store.ingest(batch, 0).stored[-1].seq
            reference.ingest(batch, 0)
            acknowledged.append((log.stat().st_size, last, sums(reference.view())))
        size = log.stat().st_size
        for cut in (*(rng.randrange(size) for _ in range(40)), size):
            shutil.copy(path, copy)
            shutil.copy(log, copied_log)
            with copied_log.open("r+b") as file:
                file.truncate(cut)
            _, last, expected = max(a for a in acknowledged if a[0] <= cut)
            with contextlib.closing(open_store(copy)) as recovered:
                assert recovered.max_seq() == last
                assert sums(recovered.view()) == expected


def test_a_killed_process_leaves_every_batch_that_it_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    command = [sys.executable, "-m", "tests.store.ingest_for_ever", str(path)]
    acknowledged: list[RecordId] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(8):
            acknowledged += [RecordId(bytes.fromhex(x)) for x in process.stdout.readline().split()]
        process.kill()
        acknowledged += [
            RecordId(bytes.fromhex(id_)) for line in process.stdout for id_ in line.split()
        ]
    assert len(acknowledged) >= 8
    with contextlib.closing(open_store(path)) as store:
        bodies = store.bodies(acknowledged)
        assert set(acknowledged) <= set(bodies)
        held = [id_ for page in store.iterate_ids("game") for id_ in page]
        reference = MemoryStore(kinds)
        reference.ingest(store.bodies(held).values(), 0)
        assert sums(store.view()) == sums(reference.view())


def test_a_full_disk_refuses_a_batch_whole_and_takes_it_once_there_is_room(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    connections: list[sqlite3.Connection] = []

    def connect() -> sqlite3.Connection:
        connections.append(sqlite3.connect(path, check_same_thread=False))
        return connections[-1]

    with contextlib.closing(open_store(path, connect=connect)) as store:
        writer = connections[0]
        store.ingest(numbered(1), 0)
        before = sums(store.view())
        (pages,) = writer.execute("PRAGMA page_count").fetchone()
        writer.execute(f"PRAGMA max_page_count = {pages + 5}")
        batch = numbered(100, size=2000)
        with pytest.raises(StoreFull, match=rf"{path}.*free some disk space"):
            store.ingest(batch, 0)
        assert sums(store.view()) == before
        writer.execute("PRAGMA max_page_count = 1000000")
        assert len(store.ingest(batch, 0).stored) == 100


def test_other_faults_of_the_disk_are_sqlites_own_errors(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "store.db")
    with contextlib.closing(open_store(disk.path, connect=disk.connect)) as store:
        disk.statements_left = 3
        with pytest.raises(sqlite3.OperationalError, match="disk I/O error"):
            store.ingest(numbered(3), 0)


def test_damage_that_shows_in_use_is_named(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with contextlib.closing(open_store(path)) as store:
        store.ingest(numbered(200, size=2000), 0)
    with path.open("r+b") as file:
        file.seek(16 * 1024)
        file.write(b"\xff" * (path.stat().st_size - 16 * 1024))
    with (
        pytest.raises(StoreDamaged, match=rf"{path} is damaged.*move it away"),
        contextlib.closing(open_store(path)) as store,
    ):
        store.ingest(numbered(1), 0)
