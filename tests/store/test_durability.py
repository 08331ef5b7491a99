"""What was acknowledged is there, whatever happens to the process or the disk."""

import contextlib
import errno
import itertools
import os
import random
import resource
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from managers.state import database
from managers.state.errors import (
    StoreBarred,
    StoreBusy,
    StoreDamaged,
    StoreError,
    StoreFailing,
    StoreFull,
)
from p2p.envelope import RecordId
from p2p.store import View
from tests.memory_store import MemoryStore
from tests.store.samples import Disk, game, kinds, numbered, open_store


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


@contextlib.contextmanager
def files_of_at_most(limit_bytes: int) -> Iterator[None]:
    """Let no file of this process grow beyond this."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_log_that_has_no_room_left_makes_room_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "log_bytes_min", database.log_bytes_max)
    path, log = tmp_path / "store.db", tmp_path / "store.db-wal"
    with contextlib.closing(open_store(path)) as store:
        for number in range(30):
            store.ingest([game(number)], 0)
        with files_of_at_most(log.stat().st_size + 100_000):
            expected = rf"{path} cannot be used .*ulimit -f"
            with pytest.raises(StoreFailing, match=expected):  # noqa: PT012 - some one of them
                for number in range(30, 60):
                    store.ingest([game(number)], 0)
            held = store.max_seq()
            assert held >= 30
            assert log.stat().st_size == 0
            assert len(store.ingest(numbered(10), 0).stored) == 10
        assert store.max_seq() == held + 10


def test_the_log_does_not_grow_beyond_its_bound(tmp_path: Path) -> None:
    path, log = tmp_path / "store.db", tmp_path / "store.db-wal"
    disk = Disk(path)
    sizes = []
    with contextlib.closing(open_store(path, connect=disk.connect)) as store:
        for number in range(200):
            store.ingest([game(number)], 0)
            sizes.append(log.stat().st_size)
        assert path.stat().st_size < 1024 * 1024
    assert 1024 * 1024 < max(sizes) < database.log_bytes_min * 1.2


def test_the_log_leaves_room_to_be_folded_on_a_small_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, log = tmp_path / "store.db", tmp_path / "store.db-wal"
    room = 1024 * 1024

    def rest(_: Path) -> os.statvfs_result:
        used = sum(file.stat().st_size for file in (path, log) if file.exists())
        return os.statvfs_result((1, 1, 0, 0, room - used, 0, 0, 0, 0, 255))

    monkeypatch.setattr(os, "statvfs", rest)
    disk = Disk(path)
    with contextlib.closing(open_store(path, connect=disk.connect)) as store:
        for day in range(40):
            store.ingest(numbered(10, size=500, day=day), 0)
            free = room - path.stat().st_size
            assert log.stat().st_size < max(free, 200_000)
        assert path.stat().st_size > 300_000


def test_a_disk_that_does_not_tell_its_room_may_still_take_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with contextlib.closing(open_store(tmp_path / "store.db")) as store:
        monkeypatch.setattr(os, "statvfs", fail)
        assert len(store.ingest([game(1)], 0).stored) == 1


class Refusing:
    """Connections to one file, of which the writer begins nothing; it keeps what it was told."""

    def __init__(self, path: Path, code: int) -> None:
        self.path = path
        self.code = code
        self.statements: list[str] = []
        self.refuses = False

    def connect(self) -> sqlite3.Connection:
        """Open a connection."""
        disk = self

        class Connection(sqlite3.Connection):
            def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
                disk.statements.append(sql)
                if disk.refuses and sql == "BEGIN IMMEDIATE":
                    error = sqlite3.OperationalError("it failed")
                    error.sqlite_errorcode = disk.code
                    raise error
                return super().execute(sql, parameters)

        return sqlite3.connect(self.path, check_same_thread=False, factory=Connection)


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        (sqlite3.SQLITE_FULL, StoreFull, "free some disk space"),
        (sqlite3.SQLITE_IOERR_WRITE, StoreFailing, "see that its disk works"),
        (sqlite3.SQLITE_READONLY, StoreBarred, "this user may write there"),
        (sqlite3.SQLITE_BUSY, StoreBusy, "another program holds it"),
        (sqlite3.SQLITE_LOCKED, StoreBusy, "another program holds it"),
        (sqlite3.SQLITE_CORRUPT, StoreDamaged, "move it away"),
    ],
)
def test_the_log_is_folded_only_for_a_change_that_may_then_be_made(
    tmp_path: Path, code: int, kind: type[StoreError], said: str
) -> None:
    disk = Refusing(tmp_path / "store.db", code)
    with contextlib.closing(open_store(disk.path, connect=disk.connect)) as store:
        disk.statements.clear()
        disk.refuses = True
        with pytest.raises(kind, match=said):
            store.ingest([game(1)], 0)
        told = [sql for sql in disk.statements if "checkpoint(" in sql or "busy" in sql]
    fold = ["busy_timeout = 0", "wal_checkpoint(TRUNCATE)", "busy_timeout = 5000"]
    assert told == ([f"PRAGMA {each}" for each in fold] if kind.may_pass else [])
    assert kind.may_pass == (kind in {StoreFull, StoreFailing})


def test_the_log_of_a_large_store_may_be_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "log_bytes_min", 256 * 1024)
    disk = Disk(tmp_path / "store.db")
    logged = []
    with contextlib.closing(open_store(disk.path, connect=disk.connect)) as store:
        for day in range(50):
            store.ingest(numbered(200, size=2000, day=day), 0)
            logged.append(disk.path.with_name("store.db-wal").stat().st_size)
        size = disk.path.stat().st_size
    assert max(logged[:3]) < 2 * 1024 * 1024
    assert size / 6 < max(logged) < size / 2


def test_what_sqlite_does_not_explain_stays_its_own_error(tmp_path: Path) -> None:
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
