"""Whose records did not replay: what is kept across restarts, bounded."""

from collections.abc import Mapping
from typing import Annotated

import msgspec

from p2p.envelope import RecordId
from p2p.identity.ids import NodeId

producers_max = 64
"""Beyond, the one whose latest failure is the oldest is forgotten: anybody can make names up."""

recent_ms_max = 24 * 3_600_000


class Failure(msgspec.Struct, frozen=True):
    """What is known of one producer."""

    count: Annotated[int, msgspec.Meta(ge=1)]
    """Its records that have failed here."""
    latest: str
    """The id of the latest, in hex."""
    source: str
    """The peer that gave it, in hex."""
    reason: str
    time_ms: int
    """When it failed, by this box's clock."""


class Failures:
    """The failures of every producer that has any, by its id in hex."""

    def __init__(self, by_producer: Mapping[str, Failure] | None = None) -> None:
        self._by_producer = dict(by_producer or {})

    @classmethod
    def parse(cls, value: object) -> "Failures":
        """Read what `data` returned; None is nothing. Raises `ValueError` for anything else."""
        return cls() if value is None else cls(msgspec.convert(value, dict[str, Failure]))

    def data(self) -> object:
        """Return all of it, as JSON can say it."""
        return msgspec.to_builtins(self._by_producer)

    def add(
        self, producer: NodeId, record: RecordId, source: NodeId, reason: str, now_ms: int
    ) -> None:
        """Note that a record has failed."""
        before = self._by_producer.pop(producer.hex(), None)
        count = 1 if before is None else before.count + 1
        self._by_producer[producer.hex()] = Failure(
            count, record.hex(), source.hex(), reason, now_ms
        )
        if len(self._by_producer) > producers_max:
            del self._by_producer[next(iter(self._by_producer))]

    def all(self) -> Mapping[str, Failure]:
        """Return all of them, the oldest first."""
        return self._by_producer

    def recent(self, now_ms: int) -> Mapping[str, Failure]:
        """Return those whose latest failure is less than a day old."""
        return {
            producer: failure
            for producer, failure in self._by_producer.items()
            if now_ms - failure.time_ms < recent_ms_max
        }
