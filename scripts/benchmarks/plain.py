"""The peer of whatever stores records: a loop that only inserts, with the same pragmas."""

import sqlite3
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from p2p.envelope import record_id

_pragmas = (
    "page_size = 8192",
    "journal_mode = WAL",
    "synchronous = FULL",
    "cache_size = -16384",
    "wal_autocheckpoint = 8192",
)


def rate(batches: Iterable[Sequence[bytes]]) -> float:
    """Return how many records a second it inserts; making and naming them takes none of it.

    Closing takes part, for it folds the rest of the log into the file.
    """
    count, elapsed_s = 0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        database = sqlite3.connect(Path(folder) / "plain.db", isolation_level=None)
        for pragma in _pragmas:
            database.execute(f"PRAGMA {pragma}")
        database.execute("CREATE TABLE records (id BLOB PRIMARY KEY, body BLOB)")
        for batch in batches:
            named = [(record_id(record), record) for record in batch]
            started = time.perf_counter()
            database.execute("BEGIN IMMEDIATE")
            database.executemany("INSERT OR IGNORE INTO records VALUES (?, ?)", named)
            database.execute("COMMIT")
            elapsed_s += time.perf_counter() - started
            count += len(named)
        started = time.perf_counter()
        database.close()
        elapsed_s += time.perf_counter() - started
    return count / elapsed_s
