"""Filters of 256 and 4,096 ids made and asked, beside rbloom and beside pybloom-live's own way.

rbloom, written in Rust, gets the same keys as ours: the id in hex after a salt. Its natural use is
measured too, `bare`: ids as they are under Python's own hash, so that no other process could ask
the filter anything. Half of the ids that are asked about are in the filter.
"""

import functools
import importlib
import importlib.util
import random
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from pybloom_live import BloomFilter

from p2p.envelope import RecordId
from p2p.reconcile import filters, parts
from p2p.reconcile.messages import Filter
from scripts.benchmarks.common import Metric, alternate

_rbloom: Any = importlib.import_module("rbloom") if importlib.util.find_spec("rbloom") else None

_sizes = (256, 4096)
_error_rate = parts.error_rate(1)
_salt = bytes(range(16))
_start = _salt.hex()
_repeats = 5
_turns = 21

_Ids = Sequence[RecordId]
_Build = Callable[[_Ids], Any]
_Query = Callable[[Any, _Ids], _Ids]


def measure() -> dict[str, Metric]:
    """Return the milliseconds to make a filter of so many ids, and to ask it about as many."""
    if _rbloom is None:
        sys.stderr.write("rbloom is not installed: `pip install rbloom` puts it beside ours\n")
    return {
        f"n{size}_{name}": metric
        for size in _sizes
        for peer, build, query in (
            ("rbloom", _rbloom_build, _rbloom_query),
            ("rbloom_bare", _bare_build, _bare_query),
            ("pybloom", _pybloom_build, _pybloom_query),
        )
        for name, metric in _compare(size, peer, build, query).items()
    }


def _compare(size: int, peer: str, build: _Build, query: _Query) -> dict[str, Metric]:
    rng = random.Random(size)
    known, others = ([RecordId(rng.randbytes(32)) for _ in range(size)] for _ in range(2))
    asked = [*known[: size // 2], *others[: size // 2]]
    there = peer == "pybloom" or _rbloom is not None
    ours, theirs = _build(known), build(known) if there else None
    return {
        f"build_ms_{peer}": alternate(
            functools.partial(_ms, lambda: _build(known)),
            functools.partial(_ms, lambda: build(known)) if there else None,
            "ms",
            turns=_turns,
        ),
        f"query_ms_{peer}": alternate(
            functools.partial(_ms, lambda: filters.missing(ours, asked, _salt)),
            functools.partial(_ms, lambda: query(theirs, asked)) if there else None,
            "ms",
            turns=_turns,
        ),
    }


def _ms(task: Callable[[], object]) -> float:
    started = time.perf_counter()
    for _ in range(_repeats):
        task()
    return 1000 * (time.perf_counter() - started) / _repeats


def _build(ids: _Ids) -> Filter:
    return filters.build(ids, _salt, _error_rate)


def _rbloom_build(ids: _Ids) -> Any:
    bloom = _rbloom.Bloom(len(ids), _error_rate)
    bloom.update([_start + id_.hex() for id_ in ids])
    return bloom


def _rbloom_query(bloom: Any, ids: _Ids) -> _Ids:
    return [id_ for id_ in ids if _start + id_.hex() not in bloom]


def _bare_build(ids: _Ids) -> Any:
    bloom = _rbloom.Bloom(len(ids), _error_rate)
    bloom.update(ids)
    return bloom


def _bare_query(bloom: Any, ids: _Ids) -> _Ids:
    return [id_ for id_ in ids if id_ not in bloom]


def _pybloom_build(ids: _Ids) -> BloomFilter:
    bloom = BloomFilter(len(ids), _error_rate)
    for id_ in ids:
        bloom.add(_start + id_.hex())
    return bloom


def _pybloom_query(bloom: BloomFilter, ids: _Ids) -> _Ids:
    return [id_ for id_ in ids if _start + id_.hex() not in bloom]
