"""Records are never held in memory all at once, nor waited for too long."""

import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from managers.state.store import SqliteStore
from managers.sync_planner import bulk
from managers.sync_planner.bulk import (
    framed_answer,
    frames_in,
    held_in_batches,
    piece_bytes_max,
    split,
    stall_s_max,
)
from mixins.runtime import Runtime
from p2p.codec import MalformedMessage
from p2p.envelope import make_record, record_id
from p2p.frames import Frames, frame
from tests.rig import VirtualClock, epoch_ms, in_virtual_time, me, pass_s, rig
from transports.base import Inflow, Interrupted


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    with rig(tmp_path) as runtime:
        yield runtime


def record(number: int, size: int) -> bytes:
    """Return a record of about this size."""
    return make_record("game", 1, "square8_2p", epoch_ms, me, ["good", number, bytes(size)])


def test_held_records_are_read_a_batch_at_a_time_by_their_size(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [record(n, size) for n, size in enumerate([100, 3000, 100, 100, 9000, 100])]
    ids = [record_id(data) for data in records]
    read: list[int] = []
    honest: Callable[..., object] = SqliteStore.bodies

    def counted(store: SqliteStore, ids: list[bytes]) -> object:
        read.append(len(ids))
        return honest(store, ids)

    async def story() -> None:
        await runtime.store.ingest(records, 0)
        monkeypatch.setattr(SqliteStore, "bodies", counted)
        wanted = [*ids[:3], record_id(b"not held"), *ids[3:]]
        batches = held_in_batches(runtime.store, wanted, records_max=5, bytes_max=4000)
        found = [await anext(batches)]
        assert read == [4]
        found += [batch async for batch in batches]
        assert [list(batch) for batch in found] == [ids[:4], ids[4:5], ids[5:]]
        assert [data for batch in found for data in batch.values()] == records

    in_virtual_time(story)


def test_an_answer_is_sent_in_pieces_of_a_bounded_size(runtime: Runtime) -> None:
    records = [record(n, 100_000) for n in range(30)]

    async def story() -> None:
        await runtime.store.ingest(records, 0)
        ids = [record_id(data) for data in records]
        pieces = [piece async for piece in framed_answer(runtime.store, b"answer", ids)]
        assert max(map(len, pieces)) <= piece_bytes_max
        assert len(pieces) <= 16
        assert Frames(1 << 20).feed(b"".join(pieces)) == [b"answer", *records]

    in_virtual_time(story)


def inflow(piece: bytes, interval_s: float, count: int) -> Inflow:
    """Return a body that brings so many pieces, each after a while."""
    left = [piece] * count

    async def receive() -> bytes:
        await pass_s(interval_s)
        return left.pop() if left else b""

    return Inflow(receive)


async def read(body: Inflow, into: list[bytes]) -> None:
    """Read all frames until the end."""
    async for batch in frames_in(body, VirtualClock()):
        into += batch


def test_a_stream_that_trickles_is_given_up_and_what_came_is_kept() -> None:
    async def story() -> None:
        clock = VirtualClock()
        got: list[bytes] = []
        with pytest.raises(Interrupted, match="too slow"):
            await read(inflow(frame(b"x" * 10), 4, 1000), got)
        assert clock.monotonic_s() == pytest.approx(stall_s_max)
        assert got == [b"x" * 10] * 7

    in_virtual_time(story)


def test_a_slow_stream_that_makes_progress_is_read_to_its_end() -> None:
    async def story() -> None:
        data = b"x" * 70_000
        got: list[bytes] = []
        await read(inflow(frame(data), 25, 40), got)
        assert got == [data] * 40

    in_virtual_time(story)


def test_a_piece_that_comes_late_but_comes_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "stall_s_max", -1.0)  # as if it came after its time, unnoticed

    async def story() -> None:
        with pytest.raises(Interrupted, match="too slow"):
            await read(inflow(frame(b"x"), 1, 1), [])

    in_virtual_time(story)


def test_a_push_of_too_many_records_is_refused_before_all_are_taken_apart() -> None:
    body = frame(b"") * 500_000
    tracemalloc.start()
    try:
        with pytest.raises(MalformedMessage, match="more than 2048 records"):
            split(body, 2048)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 4 * 1024 * 1024
