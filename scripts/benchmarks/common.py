"""What the benchmarks share."""

import contextlib
import dataclasses
import itertools
import os
import random
import shutil
import statistics
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from managers.state.store import SqliteStore
from p2p.envelope import make_record
from p2p.identity.ids import NodeId
from p2p.kinds import Kinds

project = Path(__file__).resolve().parent.parent.parent
environment = {
    name: value for name, value in os.environ.items() if not name.startswith("RINGRIFT_")
} | {"PYTHONPATH": str(project)}
agent = [sys.executable, "-P", "-m", "ringrift"]

ItemT = TypeVar("ItemT")

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


def records(count: int, size: int = 2048) -> Iterator[bytes]:
    """Make records of about `size` bytes, over twelve configs and ten days."""
    rng = random.Random(1)
    for number in range(count):
        yield record(rng, number % 12, number % 10, size)


def record(rng: random.Random, config: int, day: int, size: int) -> bytes:
    """Make one record of about `size` bytes."""
    return make_record(
        "game",
        65535,
        f"config_{config}",
        _start_ms + day * _day_ms,
        NodeId(bytes(16)),
        rng.randbytes(size - 60),
    )


def batches(items: Iterable[ItemT]) -> Iterator[list[ItemT]]:
    """Take items a thousand at a time."""
    rest = iter(items)
    while batch := list(itertools.islice(rest, 1000)):
        yield batch


def load(path: Path, made: Iterable[bytes]) -> None:
    """Put records into the store in this file, and close it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.closing(SqliteStore(path, Kinds(), os.urandom)) as store:
        for batch in batches(made):
            store.ingest(batch, 0)


def copied(base: Path, path: Path) -> SqliteStore:
    """Open a copy of a store that is closed, under an id of its own."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    store = SqliteStore(Path(shutil.copyfile(base, path)), Kinds(), os.urandom)
    store.renew_store_id(os.urandom)
    return store
