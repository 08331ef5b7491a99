"""Records on the wire: framed, read and written in batches, never all at once."""

import functools
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence

import trio

from mixins.database import Database
from p2p.codec import MalformedMessage, record_bytes_max
from p2p.envelope import RecordId
from p2p.frames import FrameError, Frames, frame
from p2p.store import NodeStore
from transports.base import Inflow, Interrupted

batch_records_max = 1024
batch_bytes_max = 2 * 1024 * 1024
"""What is held in memory of a stream before it is committed."""

piece_records_max = 256
"""Read from the disk and sent at a time; a record is up to 1 MiB, and typically 1 or 2 KiB."""

stream_bytes_max = 1 << 40
stall_s_max = 30.0
"""A bulk stream that brings nothing for this long is given up."""


def framed(records: Iterable[bytes]) -> bytes:
    """Return records as they go over the wire."""
    return b"".join(map(frame, records))


async def framed_answer(
    store: Database, answer: bytes, ids: Sequence[RecordId]
) -> AsyncIterator[bytes]:
    """Write an answer, then those of the records that are held, in pieces to be sent at once."""
    yield frame(answer)
    for start in range(0, len(ids), piece_records_max):
        some = ids[start : start + piece_records_max]
        yield await store.read(functools.partial(_framed_bodies, ids=some))


def _framed_bodies(store: NodeStore, *, ids: Sequence[RecordId]) -> bytes:
    bodies = store.bodies(ids)
    return framed(bodies[id_] for id_ in ids if id_ in bodies)


async def frames_in(inflow: Inflow) -> AsyncGenerator[list[bytes], None]:
    """Read frames in batches to be committed at once.

    Raises `MalformedMessage` if the stream is no sequence of whole frames, and `Interrupted` if
    it stalls. Every whole frame before the fault has been yielded.
    """
    decoder = Frames(record_bytes_max)
    batch: list[bytes] = []
    size = 0
    fault: FrameError | None = None
    chunks = inflow.chunks(stream_bytes_max)
    while fault is None and (chunk := await _next_chunk(chunks)) is not None:
        try:
            batch += decoder.feed(chunk)
        except FrameError as error:
            fault = error
        size += len(chunk)
        if len(batch) >= batch_records_max or size >= batch_bytes_max:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
    try:
        decoder.finish()
    except FrameError as error:
        fault = fault or error
    if fault is not None:
        raise MalformedMessage(str(fault))


async def _next_chunk(chunks: AsyncIterator[bytes]) -> bytes | None:
    with trio.move_on_after(stall_s_max):
        return await anext(chunks, None)
    raise Interrupted(f"a stream brought nothing for {stall_s_max:.0f} s")
