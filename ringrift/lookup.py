"""Finds a record by its id, or by how that begins."""

import dataclasses
import itertools
import re
from collections.abc import Iterator, Mapping

from p2p.envelope import RecordId
from p2p.store import Store, View
from ringrift.printable import quoted

found_max = 8
"""Of more records than this that an id may mean, these are told, and that there are more."""

_digits = 64


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """The records that an id may mean."""

    bodies: Mapping[RecordId, bytes]
    """At most `found_max`."""
    more: bool
    """Whether there are more than these."""


def find(store: Store, id_: str) -> Found:
    """Return the records held here whose ids begin with some hexadecimal digits.

    Costs a look into the index of each segment. Raises `ValueError` if it is no beginning of an id.
    """
    if not re.fullmatch("[0-9a-f]{1,64}", id_):
        raise ValueError(f"{quoted(id_)} is not 1 to {_digits} digits of 0-9 and a-f")
    first, last = (bytes.fromhex(id_.ljust(_digits, digit)) for digit in "0f")
    ids = list(itertools.islice(_known(store.view(), first, last), found_max + 1))
    return Found(store.bodies(ids[:found_max]), len(ids) > found_max)


def _known(view: View, first: bytes, last: bytes) -> Iterator[RecordId]:
    """Yield the known ids from `first` to `last`."""
    for segments in view.segments(view.months()).values():
        for segment in segments:
            yield from view.ids(segment, first, last, found_max + 1)
