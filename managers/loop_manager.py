"""Keeps every loop of the node running, and measures whether the event loop itself keeps up.

A loop that fails is logged with its traceback and started again after a backoff; it never takes
another loop or the node with it. `DAEMON_STATUS_CHANGED` tells the node of every change. What keeps
the store from its work is no fault of the loop that meets with it, and is told by `StoreAccess`.
"""

import collections
import dataclasses
import enum
from collections.abc import Iterable, Mapping
from typing import ClassVar

import trio

from mixins.backoff import backoff_s
from mixins.base import Loop, P2PMixinBase
from mixins.faults import leaves
from mixins.runtime import Runtime
from p2p.events import DaemonStatusChanged, Event
from p2p.store import StoreFault

backoff_s_first = 0.5
backoff_s_max = 60.0
steady_s = 60.0
"""A loop that has run this long is forgiven its earlier failures."""

_lag_interval_s = 0.1
_lag_samples = 600


class LoopState(enum.Enum):
    """Where a loop is in its life. It moves only in `LoopManager._supervise`."""

    STARTING = "starting"
    RUNNING = "running"
    WAITING = "waiting to restart"


@dataclasses.dataclass(slots=True)
class _Supervised:
    loop: Loop
    state: LoopState = LoopState.STARTING
    restarts: int = 0
    failures_in_a_row: int = 0
    last_error: str = ""
    is_told: bool = False
    """Whether it ended by a fault of the store, which is told elsewhere for as long as it lasts."""


class LoopManager(P2PMixinBase):
    """Supervises the loops of all managers, its own watchdog among them."""

    name: ClassVar[str] = "loop_manager"
    publishes: ClassVar[tuple[type[Event], ...]] = (DaemonStatusChanged,)

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)
        self._supervised: list[_Supervised] = []
        self._lags_s: collections.deque[float] = collections.deque(maxlen=_lag_samples)

    def loops(self) -> Iterable[Loop]:
        """Return the watchdog."""
        return (Loop("watchdog", self._watch),)

    def supervise(self, managers: Iterable[P2PMixinBase]) -> None:
        """Take charge of the loops of these managers. Call before `run`."""
        for manager in managers:
            self._supervised += [_Supervised(loop) for loop in manager.loops()]

    async def run(self) -> None:
        """Run every loop until cancelled."""
        async with trio.open_nursery() as nursery:
            for supervised in self._supervised:
                nursery.start_soon(self._supervise, supervised)

    async def _supervise(self, supervised: _Supervised) -> None:
        while True:
            self._move(supervised, LoopState.RUNNING, "")
            started_s = self.runtime.clock.monotonic_s()
            reason = await self._run_once(supervised)
            if self.runtime.clock.monotonic_s() - started_s >= steady_s:
                supervised.failures_in_a_row = 0
            supervised.failures_in_a_row += 1
            supervised.restarts += 1
            delay_s = backoff_s(backoff_s_first, backoff_s_max, supervised.failures_in_a_row)
            self._move(supervised, LoopState.WAITING, reason)
            await trio.sleep(delay_s * self.runtime.rng.uniform(0.8, 1.2))

    async def _run_once(self, supervised: _Supervised) -> str:
        loop, supervised.is_told = supervised.loop, False
        faults: list[BaseException] = []
        try:
            await loop.run()
        except* Exception as group:  # noqa: BLE001 - the one place that must outlive any bug of ours
            faults += leaves(group)
        if not faults:
            self.log.error("loop %s ended, though loops never do", loop.name)
            return "ended"
        supervised.is_told = all(isinstance(fault, StoreFault) for fault in faults)
        if supervised.is_told:
            return "; ".join(dict.fromkeys(map(str, faults)))
        for fault in faults:
            self.log.error("loop %s failed", loop.name, exc_info=fault)
        return "; ".join(f"{type(fault).__name__}: {fault}" for fault in faults)

    def _move(self, supervised: _Supervised, state: LoopState, reason: str) -> None:
        supervised.state = state
        supervised.last_error = reason
        self.emit(DaemonStatusChanged(supervised.loop.name, state.value, reason))

    async def _watch(self) -> None:
        while True:
            due_s = self.runtime.clock.monotonic_s() + _lag_interval_s
            await trio.sleep(_lag_interval_s)
            self._lags_s.append(max(0.0, self.runtime.clock.monotonic_s() - due_s))

    def loop_lag_ms_p99(self) -> float | None:
        """Return how late the event loop was, in milliseconds: the 99th of 100 over a minute.

        None until something has been measured.
        """
        if not self._lags_s:
            return None
        ordered = sorted(self._lags_s)
        return round(1000 * ordered[int(0.99 * (len(ordered) - 1))], 2)

    def status(self) -> Mapping[str, object]:
        """Return `{"loops": [{"name", "state", "restarts"}], "loop_lag_ms_p99"}`."""
        return {
            "loops": [
                {"name": s.loop.name, "state": s.state.value, "restarts": s.restarts}
                for s in self._supervised
            ],
            "loop_lag_ms_p99": self.loop_lag_ms_p99(),
        }

    def health(self) -> Iterable[str]:
        """Name the loops that are down, but for those that wait for the store."""
        for supervised in self._supervised:
            if supervised.state is LoopState.WAITING and not supervised.is_told:
                yield f"loop {supervised.loop.name} failed and restarts: {supervised.last_error}"
