"""How long a person waits for `--help`, beside bare Python."""

import subprocess
import sys
import time
from collections.abc import Sequence

from scripts.benchmarks.common import Metric, agent, alternate, environment


def measure() -> dict[str, Metric]:
    """Return the milliseconds of `--help`, and what it takes more than Python itself."""
    both = alternate(
        lambda: _ms([*agent, "--help"]), lambda: _ms([sys.executable, "-c", ""]), "ms", turns=15
    )
    assert both.peer is not None
    return {"help_ms": both, "help_over_python_ms": Metric(both.ours - both.peer, None, "ms")}


def _ms(command: Sequence[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    return 1000 * (time.perf_counter() - started)
