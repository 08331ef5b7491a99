"""Whose records did not replay: kept by the peer that gave them, across restarts, bounded.

Only the source is certain. A source that makes producers up uses its own room and nobody else's.
"""

from collections.abc import Mapping
from typing import Annotated, TypeAlias

import msgspec

from p2p.envelope import RecordId
from p2p.identity.ids import NodeId

sources_max = 64
"""Of so many peers it is known, here and in the tallies, what became of what they gave."""

producers_max = 8
"""Those that a source named first; its records by others are counted together."""

reason_chars_max = 160
"""So long that all of it fits into a setting, even if JSON escapes every character."""

recent_ms_max = 24 * 3_600_000
"""What is older is a problem no more."""

_Count: TypeAlias = Annotated[int, msgspec.Meta(ge=1)]


class Failed(msgspec.Struct, frozen=True):
    """What is known of the records of one source that have failed here."""

    by_producer: dict[str, _Count]
    """How many, by the id of who they say has made them, in hex."""
    others: Annotated[int, msgspec.Meta(ge=0)]
    """How many say that they are by further producers."""
    latest: str
    """The id of the latest, in hex."""
    producer: str
    """Who the latest says has made it, in hex."""
    reason: str
    """The beginning of it, with all but printable ASCII escaped."""
    time_ms: int
    """When it failed, by this box's clock."""

    @property
    def count(self) -> int:
        """How many have failed."""
        return sum(self.by_producer.values()) + self.others


class Failures:
    """The failures of `sources_max` sources that have any, by their ids in hex.

    Beyond, the one whose latest failure is the oldest is forgotten.
    """

    def __init__(self, by_source: Mapping[str, Failed] | None = None) -> None:
        self._by_source = dict(by_source or {})

    @classmethod
    def parse(cls, value: object) -> "Failures":
        """Read what `data` returned; None is nothing. Raises `ValueError` for anything else."""
        return cls() if value is None else cls(msgspec.convert(value, dict[str, Failed]))

    def data(self) -> object:
        """Return all of it, as JSON can say it."""
        return msgspec.to_builtins(self._by_source)

    def add(
        self, source: NodeId, producer: NodeId, record: RecordId, reason: str, now_ms: int
    ) -> None:
        """Note that a record has failed."""
        before = self._by_source.pop(source.hex(), None)
        by_producer = {} if before is None else dict(before.by_producer)
        others = 0 if before is None else before.others
        name = producer.hex()
        if name in by_producer or len(by_producer) < producers_max:
            by_producer[name] = by_producer.get(name, 0) + 1
        else:
            others += 1
        written = ascii(reason)[1:-1][:reason_chars_max]
        self._by_source[source.hex()] = Failed(
            by_producer, others, record.hex(), name, written, now_ms
        )
        if len(self._by_source) > sources_max:
            del self._by_source[next(iter(self._by_source))]

    def all(self) -> Mapping[str, Failed]:
        """Return all of them, the oldest first."""
        return self._by_source

    def recent(self, now_ms: int) -> Mapping[str, Failed]:
        """Return those whose latest failure is less than a day old."""
        return {
            source: failed
            for source, failed in self._by_source.items()
            if now_ms - failed.time_ms < recent_ms_max
        }
