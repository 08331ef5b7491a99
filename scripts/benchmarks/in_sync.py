"""What two agents that hold the same records say to each other, and that it does not grow."""

import contextlib
import tempfile
import time
from pathlib import Path

from ringrift.home import Home
from scripts.benchmarks.agents import joining, running, snapshot, status
from scripts.benchmarks.common import Metric, copied, load, records

_counts = (10_000, 1_000_000)
_size = 120
_settle_s = 15.0
_measure_s = 30.0


def measure() -> dict[str, Metric]:
    """Return the bytes of an exchange's bodies and the CPU both spend on it, by their records."""
    return {f"n{count}_{name}": metric for count in _counts for name, metric in _at(count).items()}


def _at(count: int) -> dict[str, Metric]:
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        homes = [Path(name) / each for each in ("a", "b")]
        files = [Home.find(str(home)).store for home in homes]
        load(files[0], records(count, _size))
        copied(*files).close()
        first = stack.enter_context(running(homes[0]))
        join = joining(homes[0], first[1])
        agents = [first, stack.enter_context(running(homes[1], *join))]
        time.sleep(_settle_s)
        before = [snapshot(pid, path) for pid, path in agents]
        time.sleep(_measure_s)
        after = [snapshot(pid, path) for pid, path in agents]
        for _, path in agents:
            found = status(path)
            assert found["records"]["games"]["stored"] == count
            assert found["traffic"]["sync"]["exchanges"] == 0
    change = {
        key: sum(late[key] - early[key] for early, late in zip(before, after, strict=True))
        for key in ("exchanges", "body_bytes", "cpu_s")
    }
    return {
        "bytes": Metric(change["body_bytes"] / change["exchanges"], None, "B an exchange"),
        "cpu_ms": Metric(
            1000 * change["cpu_s"] / change["exchanges"], None, "ms an exchange, idle time included"
        ),
        "memory_mb": Metric(max(each["memory_mb"] for each in after), None, "MB, the larger"),
    }
