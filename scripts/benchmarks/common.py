"""What the benchmarks share."""

import dataclasses
import os
import random
import statistics
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from p2p.envelope import make_record
from p2p.identity.ids import NodeId

project = Path(__file__).resolve().parent.parent.parent
environment = {
    name: value for name, value in os.environ.items() if not name.startswith("RINGRIFT_")
} | {"PYTHONPATH": str(project)}
agent = [sys.executable, "-P", "-m", "ringrift"]

_day_ms = 86_400_000
_start_ms = 1_790_000_000_000


@dataclasses.dataclass(frozen=True, slots=True)
class Metric:
    """What was measured, and what a peer needed for the same; None where there is no peer."""

    ours: float
    peer: float | None
    unit: str

    @property
    def ratio(self) -> float | None:
        """Ours divided by the peer's."""
        return None if not self.peer else self.ours / self.peer

    def as_json(self) -> dict[str, object]:
        """Return it for a program to read."""
        return {"ours": self.ours, "peer": self.peer, "ratio": self.ratio, "unit": self.unit}


def alternate(
    ours: Callable[[], float], peer: Callable[[], float] | None, unit: str, turns: int = 5
) -> Metric:
    """Measure both in turn and return the medians."""
    measured = [(ours(), peer() if peer else None) for _ in range(turns)]
    theirs = [second for _, second in measured if second is not None]
    return Metric(
        statistics.median(first for first, _ in measured),
        statistics.median(theirs) if theirs else None,
        unit,
    )


def records(count: int, size: int = 2048, seed: int = 1) -> Iterator[bytes]:
    """Make records of about `size` bytes, over twelve configs and ten days."""
    rng = random.Random(seed)
    for number in range(count):
        yield make_record(
            "game",
            65535,
            f"config_{number % 12}",
            _start_ms + number % 10 * _day_ms,
            NodeId(bytes(16)),
            rng.randbytes(size - 60),
        )
