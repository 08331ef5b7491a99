"""What keeps the store from its work is told once, and until it is over."""

import contextlib
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from managers.state.errors import StoreDamaged, StoreFull
from managers.state.store import SqliteStore
from mixins.runtime import Runtime
from mixins.store_access import queries_in_a_row
from p2p.store import StoreFault
from tests.managers.sync_mesh import game
from tests.rig import in_virtual_time, me, rig


class Failing:
    """Stands in for a method of the store, which then fails so many times."""

    def __init__(
        self,
        original: Callable[..., object],
        times: int,
        fault: str = "full",
        kind: type[StoreFault] = StoreFull,
    ) -> None:
        self.original = original
        self.times = times
        self.fault = fault
        self.kind = kind

    def __get__(self, store: object, _: type | None = None) -> Callable[..., object]:
        def call(*arguments: object, **named: object) -> object:
            if self.times:
                self.times -= 1
                raise self.kind(self.fault)
            return self.original(store, *arguments, **named)

        return call


async def keep(runtime: Runtime, number: int) -> None:
    """Store a game."""
    await runtime.store.ingest([game(me, number)], 0)


def problems(runtime: Runtime) -> list[str]:
    """Return what does not work."""
    return list(runtime.store.faults())


def test_a_change_that_fails_is_tried_once_more_and_nobody_hears_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        with rig(tmp_path) as runtime:
            monkeypatch.setattr(SqliteStore, "ingest", Failing(SqliteStore.ingest, 1))
            await keep(runtime, 1)
            assert problems(runtime) == []
            monkeypatch.setattr(SqliteStore, "ingest", Failing(SqliteStore.ingest, 2))
            with pytest.raises(StoreFault):
                await keep(runtime, 2)

    in_virtual_time(story)
    assert caplog.messages == ["records cannot be stored: full"]


def test_a_change_that_would_fail_again_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        with rig(tmp_path) as runtime:
            failing = Failing(SqliteStore.ingest, 2, "busy", StoreFault)
            monkeypatch.setattr(SqliteStore, "ingest", failing)
            with pytest.raises(StoreFault):
                await keep(runtime, 1)
            assert failing.times == 1

    in_virtual_time(story)


def test_only_a_record_that_is_stored_ends_a_fault_of_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        with rig(tmp_path) as runtime:
            await keep(runtime, 1)
            failing = Failing(SqliteStore.ingest, 2)
            monkeypatch.setattr(SqliteStore, "ingest", failing)
            for _ in range(2):
                with pytest.raises(StoreFault):
                    await keep(runtime, 2)
                await keep(runtime, 1)
                failing.times = 2
            assert problems(runtime) == ["records cannot be stored: full"]

    in_virtual_time(story)
    assert caplog.messages == ["records cannot be stored: full"]


def test_a_fault_is_logged_once_until_it_changes_or_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def story() -> None:
        with rig(tmp_path) as runtime:
            failing = Failing(SqliteStore.ingest, 99)
            monkeypatch.setattr(SqliteStore, "ingest", failing)
            for number in range(3):
                with pytest.raises(StoreFault):
                    await keep(runtime, number)
            await runtime.store.write(lambda store: store.set_setting("small", 1))
            assert problems(runtime) == ["records cannot be stored: full"]
            failing.fault = "worn out"
            with pytest.raises(StoreFault):
                await keep(runtime, 3)
            failing.times = 0
            await keep(runtime, 4)
            assert problems(runtime) == []
            failing.times = 2
            with pytest.raises(StoreFault):
                await keep(runtime, 5)

    in_virtual_time(story)
    full, worn = "records cannot be stored: full", "records cannot be stored: worn out"
    assert caplog.messages == [full, worn, "records can be stored again", worn]


def test_a_change_that_is_no_record_ends_only_a_fault_of_its_like(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        with rig(tmp_path) as runtime:
            failing = Failing(SqliteStore.set_setting, 2)
            monkeypatch.setattr(SqliteStore, "set_setting", failing)
            with pytest.raises(StoreFault):
                await runtime.store.write(lambda store: store.set_setting("small", 1))
            assert problems(runtime) == ["notes cannot be stored: full"]
            await runtime.store.write(lambda store: store.set_setting("small", 1))
            assert problems(runtime) == []

    in_virtual_time(story)


def test_a_record_that_is_stored_ends_a_fault_of_notes_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        with rig(tmp_path) as runtime:
            monkeypatch.setattr(SqliteStore, "set_setting", Failing(SqliteStore.set_setting, 2))
            with pytest.raises(StoreFault):
                await runtime.store.write(lambda store: store.set_setting("small", 1))
            await keep(runtime, 1)
            assert problems(runtime) == []

    in_virtual_time(story)


async def list_members(runtime: Runtime) -> None:
    """Read something."""
    await runtime.store.read(lambda store: store.members())


def test_what_cannot_be_read_is_told_until_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        with rig(tmp_path) as runtime:
            failing = Failing(SqliteStore.members, 99, "worn out", StoreFault)
            monkeypatch.setattr(SqliteStore, "members", failing)
            monkeypatch.setattr(SqliteStore, "ingest", Failing(SqliteStore.ingest, 99))
            for _ in range(2):
                with pytest.raises(StoreFault):
                    await list_members(runtime)
                with pytest.raises(StoreFault):
                    await keep(runtime, 1)
            assert problems(runtime) == [
                "records cannot be stored: full",
                "the store cannot be read: worn out",
            ]
            for times in (1, 0):
                for _ in range(queries_in_a_row - 1):
                    await runtime.store.read(lambda store: store.seen())
                failing.times = times
                assert len(problems(runtime)) == 2
                with contextlib.suppress(StoreFault):
                    await list_members(runtime)
            assert problems(runtime) == ["records cannot be stored: full"]
            failing.times = 1
            with pytest.raises(StoreFault):
                await list_members(runtime)

    in_virtual_time(story)
    unread = "the store cannot be read: worn out"
    full, over = "records cannot be stored: full", "the store can be read again"
    assert caplog.messages == [unread, full, over, unread]


def test_damage_is_told_once_although_some_queries_succeed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        with rig(tmp_path) as runtime:
            failing = Failing(SqliteStore.members, 99, "damaged", StoreDamaged)
            monkeypatch.setattr(SqliteStore, "members", failing)
            for _ in range(2):
                with pytest.raises(StoreFault):
                    await list_members(runtime)
                for _ in range(queries_in_a_row):
                    await runtime.store.read(lambda store: store.seen())
            assert problems(runtime) == ["the store cannot be read: damaged"]

    in_virtual_time(story)
    assert caplog.messages == ["the store cannot be read: damaged"]
