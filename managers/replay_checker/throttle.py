"""Keeps a flood out of the log: a line for each source and interval, and nothing lost count of."""

import dataclasses
import math
from collections.abc import Iterator

from p2p.identity.ids import NodeId


@dataclasses.dataclass(slots=True)
class _Told:
    """When a source's latest line was logged, and what has come since."""

    time_s: float
    untold: int = 0


class Throttle:
    """Says when a line about a source may be logged. It remembers those of the last interval."""

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._told: dict[NodeId, _Told] = {}

    def passes(self, source: NodeId, now_s: float) -> bool:
        """Return whether to log a line now; if not, `due` tells of it later."""
        told = self._told.get(source)
        if told is None:
            self._told[source] = _Told(now_s)
            return True
        told.untold += 1
        return False

    def due_s(self) -> float:
        """Return when the next interval is over; infinity if none is under way."""
        return min((told.time_s for told in self._told.values()), default=math.inf) + (
            self._interval_s
        )

    def due(self, now_s: float) -> Iterator[tuple[NodeId, int]]:
        """Yield the sources whose interval is over, with how much was kept back, if anything."""
        for source, told in list(self._told.items()):
            if now_s < told.time_s + self._interval_s:
                continue
            if told.untold:
                self._told[source] = _Told(now_s)
                yield source, told.untold
            else:
                del self._told[source]
