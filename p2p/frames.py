"""Records one after the other in a stream: each with its length before it, 4 bytes big-endian.

    FrameError
    ├── FrameTooLarge  a frame announces more bytes than are allowed
    └── FrameCut       the stream ended inside a frame

Both are the writer's fault. They are raised only after every whole frame before the fault has
been returned.
"""

frame_header_bytes = 4


class FrameError(ValueError):
    """A stream that is no sequence of frames; the message says why."""


class FrameTooLarge(FrameError):
    """A frame announces more bytes than are allowed."""


class FrameCut(FrameError):
    """The stream ended inside a frame."""


def frame(data: bytes) -> bytes:
    """Return `data` as a frame. Raises `OverflowError` from 4 GiB on."""
    return len(data).to_bytes(frame_header_bytes, "big") + data


class Frames:
    """Takes a stream of frames apart as it comes, in chunks of any size.

    It holds at most one unfinished frame, so at most `frame_bytes_max` bytes and a chunk.
    """

    def __init__(self, frame_bytes_max: int) -> None:
        self._frame_bytes_max = frame_bytes_max
        self._buffer = bytearray()

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the frames that this chunk completes.

        Raises `FrameTooLarge` if the next frame is; the stream cannot be followed from there on,
        and every later call raises it too.
        """
        self._check()
        self._buffer += chunk
        found: list[bytes] = []
        start = 0
        while (size := self._size_at(start)) is not None and size <= self._frame_bytes_max:
            end = start + frame_header_bytes + size
            if end > len(self._buffer):
                break
            found.append(bytes(self._buffer[start + frame_header_bytes : end]))
            start = end
        del self._buffer[:start]
        if not found:
            self._check()
        return found

    def finish(self) -> None:
        """Say that the stream has ended. Raises `FrameError` if it should not have."""
        self._check()
        if self._buffer:
            raise FrameCut(f"the stream ended {len(self._buffer)} bytes into a frame")

    def _check(self) -> None:
        size = self._size_at(0)
        if size is not None and size > self._frame_bytes_max:
            raise FrameTooLarge(f"a frame of {size} bytes exceeds {self._frame_bytes_max}")

    def _size_at(self, start: int) -> int | None:
        header = self._buffer[start : start + frame_header_bytes]
        return int.from_bytes(header, "big") if len(header) == frame_header_bytes else None
