"""Frames come out of a stream as they went in, however it is cut; nothing else does."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2p.frames import FrameCut, FrameError, Frames, FrameTooLarge, frame

bodies = st.lists(st.binary(max_size=40), max_size=8)


def drain(decoder: Frames, stream: bytes, sizes: list[int], found: list[bytes]) -> None:
    """Feed a stream in chunks of these sizes, then what is left of it, and finish."""
    for size in [*sizes, len(stream)]:
        found += decoder.feed(stream[:size])
        stream = stream[size:]
    decoder.finish()


@given(bodies, st.lists(st.integers(0, 50), max_size=20))
def test_frames_are_the_same_however_the_stream_is_cut(
    records: list[bytes], sizes: list[int]
) -> None:
    found: list[bytes] = []
    drain(Frames(40), b"".join(map(frame, records)), sizes, found)
    assert found == records


@given(bodies, st.data())
def test_a_stream_that_ends_within_a_frame_is_cut(
    records: list[bytes], data: st.DataObject
) -> None:
    stream = b"".join(map(frame, [*records, b"the last one"]))
    missing = data.draw(st.integers(1, 15))
    decoder = Frames(40)
    assert decoder.feed(stream[:-missing]) == records
    with pytest.raises(FrameCut):
        decoder.finish()


@given(bodies, st.lists(st.integers(0, 50), max_size=20), st.integers(41, 2**32 - 1))
def test_every_frame_before_one_that_is_too_large_is_returned_first(
    records: list[bytes], sizes: list[int], size: int
) -> None:
    stream = b"".join(map(frame, records)) + size.to_bytes(4, "big") + b"rubbish"
    decoder = Frames(40)
    found: list[bytes] = []
    with pytest.raises(FrameTooLarge, match=f"{size} bytes exceeds 40"):
        drain(decoder, stream, sizes, found)
    assert found == records
    for late in (frame(b"late"), b""):
        with pytest.raises(FrameTooLarge):
            decoder.feed(late)
    with pytest.raises(FrameTooLarge):
        decoder.finish()


@given(st.binary(max_size=300), st.lists(st.integers(0, 50), max_size=20))
def test_any_bytes_are_frames_or_refused(stream: bytes, sizes: list[int]) -> None:
    found: list[bytes] = []
    try:
        drain(Frames(30), stream, sizes, found)
    except FrameError:
        return
    assert b"".join(map(frame, found)) == stream


def test_a_frame_is_its_length_and_its_bytes() -> None:
    assert frame(b"") == b"\0\0\0\0"
    assert frame(b"abc") == b"\0\0\0\3abc"


def test_a_frame_may_be_as_large_as_the_limit_and_no_larger() -> None:
    assert Frames(3).feed(frame(b"abc")) == [b"abc"]
    with pytest.raises(FrameTooLarge):
        Frames(2).feed(frame(b"abc"))


def test_what_follows_a_fault_is_not_kept() -> None:
    decoder = Frames(3)
    tracemalloc.start()
    try:
        for _ in range(100):
            with pytest.raises(FrameTooLarge):
                decoder.feed(b"\xff" * 65_536)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 1024 * 1024
