"""Sets of ids as Bloom filters.

What makes them, `p2p.reconcile.bloom`, takes 20 MB of memory for its libraries. It is loaded with
the first filter, so that a node that is in sync does without.
"""

import importlib
from collections.abc import Sequence
from types import ModuleType

from p2p.envelope import RecordId
from p2p.reconcile.messages import Filter


def build(ids: Sequence[RecordId], salt: bytes, error_rate: float) -> Filter:
    """Return a filter of these ids; about `error_rate` of all others will seem to be in it."""
    built: Filter = _bloom().build(ids, salt, error_rate)
    return built


def missing(filter_: Filter, ids: Sequence[RecordId], salt: bytes) -> list[RecordId]:
    """Return those of `ids` that are certainly not in a peer's filter, in their order.

    Raises `MalformedMessage` if the filter has another length than its fields say, or more bits
    than so many ids can set: one that would match everything.
    """
    found: list[RecordId] = _bloom().missing(filter_, ids, salt)
    return found


def _bloom() -> ModuleType:
    return importlib.import_module("p2p.reconcile.bloom")
