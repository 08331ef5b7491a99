"""Loops are supervised: they come back, with backoff, and take nobody with them."""

import itertools
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import ClassVar

import pytest
import trio

from managers.loop_manager import LoopManager
from mixins.base import Loop, P2PMixinBase
from mixins.runtime import Runtime
from p2p.events import DaemonStatusChanged
from p2p.store import StoreFault
from tests.rig import in_virtual_time, rig


class Fragile(P2PMixinBase):
    """A manager with one loop that fails, and one that does not."""

    name: ClassVar[str] = "fragile"

    def __init__(self, runtime: Runtime, faults: Sequence[Exception]) -> None:
        super().__init__(runtime)
        self.faults = faults
        self.starts_s: list[float] = []
        self.ticks = 0

    def loops(self) -> Iterable[Loop]:
        """Return both."""
        return (Loop("fails", self._fail), Loop("ticks", self._tick))

    async def _fail(self) -> None:
        self.starts_s.append(trio.current_time())
        raise ExceptionGroup("two at once", list(self.faults))

    async def _tick(self) -> None:
        while True:
            self.ticks += 1
            await trio.lowlevel.checkpoint()
            with trio.move_on_after(1):
                await trio.sleep_forever()


two_faults = (ValueError("first"), OSError("second"))


def supervised(
    folder: Path, seconds: float, faults: Sequence[Exception] = two_faults
) -> tuple[Fragile, LoopManager, list[str]]:
    """Run a fragile manager for some virtual time."""
    folder.mkdir(exist_ok=True)

    async def story() -> tuple[Fragile, LoopManager, list[str]]:
        events: list[str] = []

        def tell(event: DaemonStatusChanged) -> None:
            events.append(f"{event.loop} {event.state}")

        with rig(folder) as runtime:
            fragile, loops = Fragile(runtime, faults), LoopManager(runtime)
            runtime.bus.subscribe("test", DaemonStatusChanged, tell)
            loops.supervise([fragile, loops])
            with trio.move_on_after(seconds):
                await loops.run()
            return fragile, loops, events

    return in_virtual_time(story)


def test_a_failing_loop_comes_back_ever_later_and_others_go_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fragile, _, _ = supervised(tmp_path, 600)
    waits = [later - earlier for earlier, later in itertools.pairwise(fragile.starts_s)]
    assert waits[0] < 1
    assert all(later > earlier for earlier, later in itertools.pairwise(waits[:6]))
    assert 45 < max(waits) < 75
    assert fragile.ticks >= 599
    assert "loop fails failed" in caplog.text


def test_a_failing_loop_is_a_problem_and_an_event(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    _, loops, told = supervised(tmp_path, 10)
    assert list(loops.health()) == [
        "loop fails failed and restarts: ValueError: first; OSError: second"
    ]
    shown = {loop["name"]: loop for loop in loops.status()["loops"]}  # type: ignore[attr-defined]
    assert shown["fails"]["restarts"] >= 3
    assert shown["ticks"] == {"name": "ticks", "state": "running", "restarts": 0}
    assert [each for each in told if "fails" in each][:3] == [
        "fails running",
        "fails waiting to restart",
        "fails running",
    ]


def test_a_fault_of_the_store_has_no_traceback_and_is_no_problem_of_the_loop(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    full = [StoreFault("no room"), ExceptionGroup("", [StoreFault("no room")])]
    _, loops, _ = supervised(tmp_path / "a", 10, full)
    assert list(loops.health()) == []
    assert loops.status()["loops"][0]["restarts"] > 1  # type: ignore[index]
    assert caplog.messages == []
    _, loops, _ = supervised(tmp_path / "b", 10, [*full, *two_faults])
    assert "ValueError: first" in caplog.text
    assert len(list(loops.health())) == 1


def test_a_loop_that_ends_after_a_fault_of_the_store_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def end_later(self: Fragile) -> None:
        self.starts_s.append(trio.current_time())
        if len(self.starts_s) == 1:
            raise StoreFault("no room")

    monkeypatch.setattr(Fragile, "_fail", end_later)
    _, loops, _ = supervised(tmp_path, 10)
    assert list(loops.health()) == ["loop fails failed and restarts: ended"]


def test_the_lag_of_the_event_loop_is_unknown_until_measured(tmp_path: Path) -> None:
    async def story() -> float | None:
        with rig(tmp_path) as runtime:
            return LoopManager(runtime).loop_lag_ms_p99()

    assert in_virtual_time(story) is None
    _, loops, _ = supervised(tmp_path, 5)
    assert loops.loop_lag_ms_p99() == 0.0
