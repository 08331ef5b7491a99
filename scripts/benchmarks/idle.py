"""What three agents with nothing to tell each other cost."""

import contextlib
import tempfile
import time
from pathlib import Path

from scripts.benchmarks.agents import joining, running, snapshot
from scripts.benchmarks.common import Metric

_settle_s = 12.0
_measure_s = 30.0


def measure() -> dict[str, Metric]:
    """Return bytes an exchange, CPU and memory, over half a minute of silence."""
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        first = stack.enter_context(running(folder / "a"))
        join = joining(folder / "a", first[1])
        agents = [first, *(stack.enter_context(running(folder / n, *join)) for n in ("b", "c"))]
        time.sleep(_settle_s)
        before = [snapshot(pid, path) for pid, path in agents]
        wire_before = _loopback_bytes()
        time.sleep(_measure_s)
        wire = _loopback_bytes() - wire_before
        after = [snapshot(pid, path) for pid, path in agents]
    change = {
        key: sum(late[key] - early[key] for early, late in zip(before, after, strict=True))
        for key in ("exchanges", "body_bytes", "cpu_s")
    }
    return {
        "body_bytes_per_exchange": Metric(change["body_bytes"] / change["exchanges"], None, "B"),
        "wire_bytes_per_exchange": Metric(wire / change["exchanges"], None, "B"),
        "exchanges_per_s": Metric(change["exchanges"] / _measure_s, None, "1/s"),
        "cpu_percent": Metric(100 * change["cpu_s"] / _measure_s / 3, None, "% of a core, each"),
        "memory_mb": Metric(max(each["memory_mb"] for each in after), None, "MB, the largest"),
    }


def _loopback_bytes() -> int:
    """Return what has gone over loopback so far, headers of TCP and IP included."""
    for line in Path("/proc/net/dev").read_text().splitlines():
        name, _, counts = line.partition(":")
        if name.strip() == "lo":
            return int(counts.split()[0])
    raise RuntimeError("there is no loopback interface in /proc/net/dev")
