"""The file's layout: who made it, which version, and how it changes."""

import contextlib
import hashlib
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from managers.state import schema
from managers.state.database import Database
from managers.state.errors import ForeignFile, SchemaTooNew, StoreDamaged, StoreError
from tests.store.samples import Disk, numbered, open_store

published = ["738134166a829e0da64a85ec13bf39884a85b74ad1f3cdccf87c00a559da03d3"]
next_step = ("CREATE TABLE added (x)", "INSERT INTO added SELECT count(*) FROM records")


def open_database(path: Path, steps: Sequence[Sequence[str]]) -> Database:
    return Database(path, os.urandom, steps=steps)


def test_published_steps_are_never_edited() -> None:
    digests = [hashlib.sha256("\0".join(step).encode()).hexdigest() for step in schema.steps]
    assert digests == published, "change the schema by a new step, and add its digest here"


def test_an_older_schema_is_backed_up_and_brought_up_to_date(tmp_path: Path) -> None:
    path, backup = tmp_path / "store.db", tmp_path / "store.db.v1.bak"
    with contextlib.closing(open_store(path)) as store:
        store.ingest(numbered(5), 0)
        root = store.view().root()
    database = open_database(path, [*schema.steps, next_step])
    with contextlib.closing(database), database.reading() as db:
        assert db.execute("SELECT x FROM added").fetchone() == (5,)
        assert db.execute("PRAGMA user_version").fetchone() == (2,)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["store.db", "store.db.v1.bak"]
    with contextlib.closing(open_store(backup)) as store:
        assert store.view().root() == root


def test_a_file_with_pages_of_another_size_keeps_them_and_takes_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "store.db"
    monkeypatch.setattr(schema, "page_bytes", 2 * schema.page_bytes)
    with contextlib.closing(open_store(path)) as store:
        store.ingest(numbered(3), 0)
    monkeypatch.undo()
    with contextlib.closing(open_store(path)) as store:
        assert len(store.ingest(numbered(5), 0).stored) == 2
    with contextlib.closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA page_size").fetchone() == (2 * schema.page_bytes,)


def test_a_migration_that_fails_changes_nothing_and_can_be_repeated(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with contextlib.closing(open_store(path)) as store:
        store.ingest(numbered(5), 0)
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        open_database(path, [*schema.steps, (*next_step, "DROP TABLE never_there")])
    with contextlib.closing(open_store(path)) as store:
        assert store.max_seq() == 5
    open_database(path, [*schema.steps, next_step]).close()


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    open_database(path, [*schema.steps, next_step]).close()
    before = path.read_bytes()
    with pytest.raises(SchemaTooNew, match=rf"{path} has schema 2.*knows 1: upgrade"):
        open_store(path)
    assert path.read_bytes() == before


def test_a_database_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE theirs (x)")
    before = path.read_bytes()
    with pytest.raises(ForeignFile, match=rf"{path} is a database of another program"):
        open_store(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "content", [b"not a database" * 400, b"SQLite format 3\0" + b"\xff" * 9000]
)
def test_a_file_that_is_no_database_is_refused_and_left_alone(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(content)
    with pytest.raises(StoreDamaged, match=rf"{path} is damaged"):
        open_store(path)
    assert path.read_bytes() == content


def test_a_place_without_room_for_a_log_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot have a log beside it"):
        open_store(tmp_path / "store.db", connect=lambda: sqlite3.connect(":memory:"))


@pytest.mark.parametrize("statements", range(0, 40, 3))
def test_a_creation_cut_short_leaves_a_file_that_opens(tmp_path: Path, statements: int) -> None:
    disk = Disk(tmp_path / "store.db")
    disk.statements_left = statements
    with contextlib.suppress(sqlite3.OperationalError):
        open_store(disk.path, connect=disk.connect).close()
    with contextlib.closing(open_store(disk.path)) as store:
        assert len(store.ingest(numbered(2), 0).stored) == 2


def test_the_writer_alone_checkpoints_and_every_commit_is_synced(tmp_path: Path) -> None:
    with contextlib.closing(open_database(tmp_path / "store.db", schema.steps)) as database:
        with database.reading() as db:
            assert db.execute("PRAGMA wal_autocheckpoint").fetchone() == (0,)
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                db.execute("DELETE FROM store")
        with database.writing() as db:
            assert db.execute("PRAGMA wal_autocheckpoint").fetchone() != (0,)
            assert db.execute("PRAGMA synchronous").fetchone() == (2,)
            assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
            assert db.execute("PRAGMA page_size").fetchone() == (schema.page_bytes,)
