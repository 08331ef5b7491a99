"""The registry of record kinds. The product registers its own; the protocols know none."""

import dataclasses
from collections.abc import Callable, Iterable

from p2p.envelope import Record


@dataclasses.dataclass(frozen=True, slots=True)
class Kind:
    """One kind of record: its name, the newest format we read, and how to tell a bad one."""

    name: str
    format: int
    check: Callable[[Record], None]
    """Raises `RecordRefused` with the reason. Pure and quick: it runs for every record received."""


class Kinds:
    """The kinds this node can judge. Unknown kinds and newer formats are kept unjudged."""

    def __init__(self, kinds: Iterable[Kind] = ()) -> None:
        """Raise `ValueError` if two kinds share a name."""
        self._kinds: dict[str, Kind] = {}
        for kind in kinds:
            if kind.name in self._kinds:
                raise ValueError(f"kind {kind.name!r} is registered twice")
            self._kinds[kind.name] = kind

    def check(self, record: Record) -> None:
        """Raise `RecordRefused` if the record breaks the rules of a kind and format we know."""
        kind = self._kinds.get(record.kind)
        if kind is not None and record.format <= kind.format:
            kind.check(record)
