"""A new agent takes a million records of 2 KB from another, beside a loop that only inserts.

Both agents are processes as a user starts them, over mutual TLS on loopback; the time runs from
the new one's start, with joining in it, until it holds the last record.
"""

import contextlib
import tempfile
import time
from pathlib import Path

from ringrift.home import Home
from scripts.benchmarks import plain
from scripts.benchmarks.agents import joining, memory_mb_max, running, status
from scripts.benchmarks.common import Metric, batches, load, records

_count = 1_000_000
_take_s_max = 600.0
_poll_s = 0.25


def measure() -> dict[str, Metric]:
    """Return the records taken a second, and the most memory that it took."""
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        giver, taker = (Path(name) / each for each in ("giver", "taker"))
        load(Home.find(str(giver)).store, records(_count))
        _, socket = stack.enter_context(running(giver))
        join = joining(giver, socket)
        started = time.perf_counter()
        pid, socket = stack.enter_context(running(taker, *join))
        _await_all(socket)
        elapsed = time.perf_counter() - started
        memory = memory_mb_max(pid)
    peer = plain.rate(batches(records(_count)))
    return {
        "records_per_s": Metric(_count / elapsed, peer, "records/s"),
        "seconds": Metric(elapsed, _count / peer, "s"),
        "memory_mb": Metric(memory, None, "MB at most, who takes"),
    }


def _await_all(socket: Path) -> None:
    deadline_s = time.monotonic() + _take_s_max
    while status(socket)["records"]["games"]["stored"] < _count:
        if time.monotonic() > deadline_s:
            raise RuntimeError(f"not all records after {_take_s_max:.0f} s: {status(socket)}")
        time.sleep(_poll_s)
