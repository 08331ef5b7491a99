"""Records on the wire: framed, read and written in batches, never all at once."""

import contextlib
import functools
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence

import trio

from mixins.clock import Clock
from mixins.store_access import StoreAccess
from p2p.codec import MalformedMessage, record_bytes_max
from p2p.envelope import RecordId
from p2p.frames import FrameError, Frames, frame, frame_header_bytes
from p2p.store import NodeStore
from transports.base import Inflow, Interrupted, TransportError

batch_records_max = 1024
batch_bytes_max = 2 * 1024 * 1024
"""What is held in memory of a stream before it is committed."""

batch_s_max = 5.0
"""So long at most, as long as more comes: whenever the stream is cut, little is lost."""

piece_records_max = 256
piece_bytes_max = 256 * 1024
"""Read from the disk and sent at a time, or one record; typically they are 1 or 2 KiB. A peer may
let as many pieces wait as it has connections."""

_slice_bytes = 64 * 1024
"""A push is taken apart so much at a time, so that too many small records cost no memory."""

stream_bytes_max = 1 << 40
stall_s_max = 30.0
progress_bytes_min = 64 * 1024
"""A stream that does not bring so much within that time of waiting is given up."""


def framed(records: Iterable[bytes]) -> bytes:
    """Return records as they go over the wire."""
    return b"".join(map(frame, records))


def split(body: bytes, records_max: int) -> list[bytes]:
    """Take framed records apart. Raises `MalformedMessage`, also if there are too many."""
    decoder = Frames(record_bytes_max)
    records: list[bytes] = []
    try:
        for start in range(0, len(body), _slice_bytes):
            records += decoder.feed(body[start : start + _slice_bytes])
            if len(records) > records_max:
                raise MalformedMessage(f"more than {records_max} records in a push")
        decoder.finish()
    except FrameError as error:
        raise MalformedMessage(str(error)) from None
    return records


async def held_in_batches(
    store: StoreAccess, ids: Sequence[RecordId], *, records_max: int, bytes_max: int
) -> AsyncGenerator[dict[RecordId, bytes], None]:
    """Read those of the records that are held, in this order, each batch when it is asked for.

    A batch has at most so many records, and frames of at most so many bytes or one record.
    """
    for start in range(0, len(ids), records_max):
        some = ids[start : start + records_max]
        for batch in await store.read(functools.partial(_plan, ids=some, bytes_max=bytes_max)):
            yield await store.read(functools.partial(_held, ids=batch))


def _plan(store: NodeStore, *, ids: Sequence[RecordId], bytes_max: int) -> list[list[RecordId]]:
    sizes = store.body_sizes(ids)
    batches: list[list[RecordId]] = []
    room = 0
    for id_ in ids:
        if id_ in sizes:
            size = frame_header_bytes + sizes[id_]
            if size > room or not batches:
                batches.append([])
                room = bytes_max
            batches[-1].append(id_)
            room -= size
    return batches


def _held(store: NodeStore, *, ids: Sequence[RecordId]) -> dict[RecordId, bytes]:
    bodies = store.bodies(ids)
    return {id_: bodies[id_] for id_ in ids if id_ in bodies}


async def framed_answer(
    store: StoreAccess, answer: bytes, ids: Sequence[RecordId]
) -> AsyncIterator[bytes]:
    """Write an answer, then those of the records that are held, in pieces to be sent at once."""
    yield frame(answer)
    pieces = held_in_batches(store, ids, records_max=piece_records_max, bytes_max=piece_bytes_max)
    async with contextlib.aclosing(pieces):
        async for piece in pieces:
            data = framed(piece.values())
            piece.clear()  # or memory would hold it twice while it is sent
            yield data


async def frames_in(inflow: Inflow, clock: Clock) -> AsyncGenerator[list[bytes], None]:
    """Read frames in batches to be committed at once.

    Raises `MalformedMessage` if the stream is no sequence of whole frames, and `TransportError` if
    it is cut or too slow. Every whole frame before the fault has been yielded.
    """
    decoder = Frames(record_bytes_max)
    chunks = _Paced(inflow.chunks(stream_bytes_max), clock)
    batch: list[bytes] = []
    size = 0
    since_s = clock.monotonic_s()
    fault: FrameError | TransportError | None = None
    try:
        while (chunk := await chunks.next()) is not None:
            batch += decoder.feed(chunk)
            size += len(chunk)
            aged = clock.monotonic_s() - since_s >= batch_s_max
            if len(batch) >= batch_records_max or size >= batch_bytes_max or (batch and aged):
                yield batch
                batch, size, since_s = [], 0, clock.monotonic_s()
        decoder.finish()
    except (FrameError, TransportError) as error:
        fault = error
    if batch:
        yield batch
    if isinstance(fault, FrameError):
        raise MalformedMessage(str(fault))
    if fault is not None:
        raise fault


class _Paced:
    """The chunks of a stream, as long as it brings enough; only the time waited for it counts."""

    def __init__(self, chunks: AsyncIterator[bytes], clock: Clock) -> None:
        self._chunks = chunks
        self._clock = clock
        self._left_s = stall_s_max
        self._brought_bytes = 0

    async def next(self) -> bytes | None:
        """Return the next chunk, or None at the end. Raises `Interrupted` if it is too slow."""
        since_s = self._clock.monotonic_s()
        with trio.move_on_after(max(0.0, self._left_s)):
            chunk = await anext(self._chunks, None)
            self._left_s -= self._clock.monotonic_s() - since_s
            self._brought_bytes += len(chunk or b"")
            if self._brought_bytes >= progress_bytes_min:
                self._left_s, self._brought_bytes = stall_s_max, 0
            return chunk
        raise Interrupted(
            f"a stream brought {self._brought_bytes} bytes in {stall_s_max:.0f} s: too slow"
        )
