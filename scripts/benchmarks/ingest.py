"""Checked, hashed, summed up and committed, beside a loop that only inserts."""

import os
import sqlite3
import tempfile
import time
from pathlib import Path

from managers.state.store import SqliteStore
from p2p.envelope import record_id
from p2p.kinds import Kinds
from scripts.benchmarks.common import Metric, alternate, records

_count = 20_000
_batch = 1000


def measure() -> dict[str, Metric]:
    """Return the rates for 20,000 records of 2 KB in batches of 1,000."""
    batches = _batches()
    return {
        "records_per_s": alternate(lambda: _ours(batches), lambda: _plain(batches), "records/s")
    }


def _batches() -> list[list[bytes]]:
    made = list(records(_count))
    return [made[start : start + _batch] for start in range(0, _count, _batch)]


def _ours(batches: list[list[bytes]]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder) / "records.db", Kinds(), os.urandom)
        started = time.perf_counter()
        for batch in batches:
            store.ingest(batch, 0)
        elapsed = time.perf_counter() - started
        assert store.view().root().known.count == _count
        store.close()
    return _count / elapsed


def _plain(batches: list[list[bytes]]) -> float:
    named = [[(record_id(record), record) for record in batch] for batch in batches]
    with tempfile.TemporaryDirectory() as folder:
        database = sqlite3.connect(Path(folder) / "plain.db", isolation_level=None)
        database.execute("PRAGMA page_size = 16384")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("PRAGMA cache_size = -16384")
        database.execute("PRAGMA wal_autocheckpoint = 4000")
        database.execute("CREATE TABLE records (id BLOB PRIMARY KEY, body BLOB)")
        started = time.perf_counter()
        for batch in named:
            database.execute("BEGIN IMMEDIATE")
            database.executemany("INSERT OR IGNORE INTO records VALUES (?, ?)", batch)
            database.execute("COMMIT")
        elapsed = time.perf_counter() - started
        database.close()
    return _count / elapsed
