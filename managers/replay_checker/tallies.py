"""What became of the records that were drawn: in all and by source, since the start, bounded."""

import collections
import dataclasses
import math
from collections.abc import Iterator, Mapping

from managers.replay_checker.failures import recent_ms_max, sources_max
from managers.replay_checker.replayer import Verdict
from p2p.envelope import RecordId
from p2p.identity.ids import NodeId

lately_max = 50
"""Of so many judged last, those that cannot be judged here are weighed against the others."""

lately_min = 20
"""Of fewer, nothing is concluded."""

ended_min = 3
"""Of fewer records over which the process ended within a day, nothing is said."""


@dataclasses.dataclass(frozen=True, slots=True)
class Unjudged:
    """A record that cannot be judged here: of another version, or the process ends over it."""

    id: RecordId
    producer: NodeId
    """Who made it, as the record says."""
    reason: str
    time_ms: int
    """When that was found, by this box's clock."""

    def is_recent(self, now_ms: int) -> bool:
        """Return whether that was less than a day ago."""
        return now_ms - self.time_ms < recent_ms_max


def _none_yet() -> dict[Verdict, int]:
    return dict.fromkeys(Verdict, 0)


@dataclasses.dataclass(slots=True)
class Tally:
    """What became of the records drawn of those that one source, or all of them, gave."""

    counts: dict[Verdict, int] = dataclasses.field(default_factory=_none_yet)
    not_replayed: int = 0
    aside_until_s: float = -math.inf
    """Until then, nothing that this source gave is replayed."""
    latest_unknown: Unjudged | None = None
    ended: int = 0
    """Records over which the process has ended twice; they are among those not replayed."""
    _lately: collections.deque[Verdict] = dataclasses.field(
        default_factory=lambda: collections.deque(maxlen=lately_max)
    )
    _latest_ended: collections.deque[Unjudged] = dataclasses.field(
        default_factory=lambda: collections.deque(maxlen=ended_min)
    )

    def add(self, verdict: Verdict) -> None:
        """Count a record that has been judged."""
        self.counts[verdict] += 1
        self._lately.append(verdict)

    def add_ended(self, record: Unjudged) -> None:
        """Count a record over which the process has ended twice."""
        self.ended += 1
        self._latest_ended.append(record)

    def status(self) -> Mapping[str, int]:
        """Return the counts, as `docs/status.md` has them."""
        return {
            "good": self.counts[Verdict.GOOD],
            "bad": self.counts[Verdict.BAD],
            "unknown": self.counts[Verdict.UNKNOWN],
            "not_replayed": self.not_replayed,
        }

    def often_ended(self, now_ms: int) -> Unjudged | None:
        """Return the latest record that ended the process, if within a day `ended_min` did."""
        latest = self._latest_ended
        return latest[-1] if len(latest) == ended_min and latest[0].is_recent(now_ms) else None

    def mostly_unknown(self, now_ms: int) -> tuple[int, int, Unjudged] | None:
        """Return how many of how many judged last are unknown, and the latest, if most are.

        None too if there were few, or if the latest is a day old.
        """
        unknown, judged = self._lately.count(Verdict.UNKNOWN), len(self._lately)
        latest = self.latest_unknown
        if latest is None or judged < lately_min or 2 * unknown <= judged:
            return None
        return (unknown, judged, latest) if latest.is_recent(now_ms) else None


class Tallies:
    """A tally for each of `sources_max` sources.

    Beyond, the one of which nothing was drawn for the longest time is forgotten.
    """

    def __init__(self) -> None:
        self._by_source: dict[NodeId, Tally] = {}

    def __iter__(self) -> Iterator[tuple[NodeId, Tally]]:
        """Yield each source with its tally."""
        yield from self._by_source.items()

    def of(self, source: NodeId) -> Tally:
        """Return the tally of a source of which something was drawn, made now if it had none."""
        tally = self._by_source.pop(source, None) or Tally()
        self._by_source[source] = tally
        if len(self._by_source) > sources_max:
            del self._by_source[next(iter(self._by_source))]
        return tally
