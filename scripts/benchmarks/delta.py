"""What an exchange moves besides records, by how much two stores differ.

One store has n small records over 12 configs and 30 days. The other, which answers, has d more:
`scattered` over all of these, or `recent`, of the last day. Beside it, a plain list of n ids.
"""

import contextlib
import itertools
import random
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from managers.state.store import SqliteStore
from p2p.reconcile import Ask, Done, Initiator, Outcome, Push, Responder
from scripts.benchmarks.common import Metric, batches, copied, load, record

_counts = (100_000, 1_000_000)
_differences = (1, 1000, 10_000)
_configs = 12
_days = 30
_size = 120
_id_bytes = 32


def measure() -> dict[str, Metric]:
    """Return bytes, phases and seconds of exchanges; records count for the seconds only."""
    metrics: dict[str, Metric] = {}
    for count in _counts:
        with tempfile.TemporaryDirectory() as name:
            base = Path(name) / "base.db"
            load(base, _records(1, count, range(_days)))
            for difference, (where, days) in itertools.product(
                _differences, (("scattered", range(_days)), ("recent", range(_days - 1, _days)))
            ):
                outcome, seconds = _exchange(base, _records(2, difference, days))
                assert outcome.complete
                assert outcome.taken == difference
                size = outcome.message_bytes
                key = f"n{count}_d{difference}_{where}"
                metrics |= {
                    f"{key}_bytes": Metric(size, count * _id_bytes, "B, beside all ids"),
                    f"{key}_bytes_over_minimum": Metric(
                        size, difference * _id_bytes, "B, beside the ids that differ"
                    ),
                    f"{key}_phases": Metric(outcome.phases, None, ""),
                    f"{key}_seconds": Metric(seconds, None, "s"),
                }
    return metrics


def _records(seed: int, count: int, days: range) -> Iterator[bytes]:
    """Make records spread evenly over all configs and these days."""
    rng = random.Random(seed)
    places = itertools.cycle(itertools.product(days, range(_configs)))
    for day, config in itertools.islice(places, count):
        yield record(rng, config, day, _size)


def _exchange(base: Path, more: Iterable[bytes]) -> tuple[Outcome, float]:
    """Take what a copy of the store that has `more` holds, into a second copy."""
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        ours, theirs = (
            stack.enter_context(contextlib.closing(copied(base, Path(name) / each)))
            for each in ("ours.db", "theirs.db")
        )
        for batch in batches(more):
            theirs.ingest(batch, 0)
        started = time.perf_counter()
        outcome = _run(ours, theirs)
        return outcome, time.perf_counter() - started


def _run(ours: SqliteStore, theirs: SqliteStore) -> Outcome:
    """Run an exchange as the managers do, without a network in between."""
    machine, responder = Initiator(ours.view(), random.Random(1)), Responder(theirs)
    while True:
        match machine.next():
            case Ask(request):
                reply = responder.answer(request)
                machine.receive(reply.answer)
                for ids in batches(reply.records):
                    bodies = list(theirs.bodies(ids).values())
                    ours.ingest(bodies, 0)
                    machine.received(bodies)
            case Push(ids):
                raise AssertionError(f"{len(ids)} records pushed that were there already")
            case Done(outcome):
                return outcome
