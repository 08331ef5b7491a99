"""Checked, hashed, summed up and committed, beside a loop that only inserts.

Both are closed within the time, so that each pays for every page that it has changed.
"""

import os
import tempfile
import time
from pathlib import Path

from managers.state.store import SqliteStore
from p2p.kinds import Kinds
from scripts.benchmarks import plain
from scripts.benchmarks.common import Metric, alternate, batches, records

_count = 20_000


def measure() -> dict[str, Metric]:
    """Return the rates for 20,000 records of 2 KB in batches of 1,000."""
    made = list(batches(records(_count)))
    return {"records_per_s": alternate(lambda: _ours(made), lambda: plain.rate(made), "records/s")}


def _ours(made: list[list[bytes]]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder) / "records.db", Kinds(), os.urandom)
        started = time.perf_counter()
        for batch in made:
            store.ingest(batch, 0)
        assert store.view().root().known.count == _count
        store.close()
        elapsed = time.perf_counter() - started
    return _count / elapsed
