"""What three agents with nothing to tell each other cost."""

import contextlib
import os
import subprocess
import tempfile
import time
from pathlib import Path

from scripts.benchmarks.agents import running, status
from scripts.benchmarks.common import Metric, agent, environment

_settle_s = 12.0
_measure_s = 30.0


def measure() -> dict[str, Metric]:
    """Return bytes an exchange, CPU and memory, over half a minute of silence."""
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        first = stack.enter_context(running(folder / "a"))
        token = folder / "token"
        token.write_text(_token(folder / "a"))
        seed = status(first[1])["node"]["listen"]
        join = ("--join", seed, "--token-file", str(token))
        agents = [first, *(stack.enter_context(running(folder / n, *join)) for n in ("b", "c"))]
        time.sleep(_settle_s)
        before = [_snapshot(pid, path) for pid, path in agents]
        wire_before = _loopback_bytes()
        time.sleep(_measure_s)
        wire = _loopback_bytes() - wire_before
        after = [_snapshot(pid, path) for pid, path in agents]
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


def _token(home: Path) -> str:
    made = subprocess.run(
        [*agent, "token", "--home", str(home)],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return made.stdout


def _snapshot(pid: int, path: Path) -> dict[str, float]:
    gossip = status(path)["traffic"]["gossip"]
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return {
        "exchanges": gossip["exchanges"],
        "body_bytes": gossip["body_bytes"],
        "cpu_s": ticks / os.sysconf("SC_CLK_TCK"),
        "memory_mb": pages * os.sysconf("SC_PAGE_SIZE") / 1e6,
    }


def _loopback_bytes() -> int:
    """Return what has gone over loopback so far, headers of TCP and IP included."""
    for line in Path("/proc/net/dev").read_text().splitlines():
        name, _, counts = line.partition(":")
        if name.strip() == "lo":
            return int(counts.split()[0])
    raise RuntimeError("there is no loopback interface in /proc/net/dev")
