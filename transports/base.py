"""The one small protocol by which nodes reach each other, whatever carries the bytes.

    TransportError
    ├── Unreachable        nobody answered: nothing happened at the peer. Later, or elsewhere
    │   └── NotListening   the box is there, but no agent listens: killed, rather than lost
    ├── Refused            somebody answered, and an identity was not accepted, theirs by us or
    │                      ours by them: nothing happened there, and nothing will by trying again
    ├── DeadlineExceeded   too slow: the peer may have acted, or not
    ├── Interrupted        cut in the middle of the exchange: the peer may have acted, or not
    ├── TooLarge           a body that its reader does not accept: the sender's fault
    └── BadAnswer          no HTTP, or not what was asked for: the peer's fault

`DeadlineExceeded`, `Interrupted` and `TooLarge` also meet a handler that reads a request's body;
it lets them pass, and the transport tells the sender.

Every implementation passes the suite in `tests/transports/contract.py`.
"""

import contextlib
import dataclasses
import re
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Mapping,
    Sequence,
)
from typing import Protocol, Self, TypeAlias

import trio

from p2p.codec import message_bytes_max
from p2p.hosts import check_host
from p2p.identity.ids import NodeId

_reason_bytes_max = 200
_path_pattern = re.compile(r"/[A-Za-z0-9/._~-]{0,255}")

Body: TypeAlias = bytes | AsyncIterable[bytes]
"""What is sent: all at once, or piece by piece. A generator is closed by whoever sends it."""


class TransportError(Exception):
    """An exchange that did not come to its end; the message is a sentence without its stop."""


class Unreachable(TransportError):
    """Nobody answered at any of the peer's addresses; nothing happened at the peer."""


class NotListening(Unreachable):
    """An address refused the connection and none kept silent: nobody listens there.

    What a killed process leaves behind, while a lost box or network is silent.
    """


class Refused(TransportError):
    """Somebody answered, and identity was refused, by us or by them; permanent."""


class DeadlineExceeded(TransportError):
    """The exchange took longer than it was given; the peer may or may not have acted."""


class Interrupted(TransportError):
    """The connection ended within the exchange; the peer may or may not have acted."""


class TooLarge(TransportError):
    """A body is larger than its reader accepts; the peer may have acted."""


class BadAnswer(TransportError):
    """The peer answered, but that is no answer to the request; it may have acted."""


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Address:
    """Where something listens: a host name, IPv4 or IPv6 address, and a port (0: any free one)."""

    host: str
    port: int

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ValueError(f"port {self.port} is not between 0 and 65535")
        check_host(self.host)

    @classmethod
    def parse(cls, text: str, default_port: int) -> Self:
        """Read `host`, `host:port`, `[v6]:port`, `[v6]` or `v6`. Raises `ValueError`."""
        bracketed = re.fullmatch(r"\[([^\]]*:[^\]]*)\](?::(.*))?", text)
        if bracketed:
            host, port = bracketed.groups()
        elif text.count(":") == 1:
            host, port = text.split(":")
        else:
            host, port = text, None
        if port is not None and not (port.isascii() and port.isdigit() and len(port) <= 5):
            raise ValueError(f"port {port!r} in {text!r} is not a number")
        return cls(host, default_port if port is None else int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def check_path(path: str) -> None:
    """Raise `ValueError` unless nodes may be asked for `path`: at most 256 plain characters."""
    if not _path_pattern.fullmatch(path):
        raise ValueError(f"path {path!r} is not made of / and letters, digits, . _ ~ -")


class Inflow:
    """A body as it arrives. It is read once, by one task, in one of the two ways.

    `receive` returns the next piece, or b"" at the end; it raises `DeadlineExceeded`,
    `Interrupted` or `BadAnswer`. `length_bytes` is the length if the sender has stated it.
    """

    def __init__(
        self, receive: Callable[[], Awaitable[bytes]], length_bytes: int | None = None
    ) -> None:
        self._receive = receive
        self.length_bytes = length_bytes
        self._read_bytes = 0
        self._bytes_max = 0
        self.failure: TransportError | None = None
        """What ended the reading early, once it has been raised."""

    async def read(self, bytes_max: int = message_bytes_max) -> bytes:
        """Return the whole body. Raises `TooLarge`, before reading if its length is stated."""
        return b"".join([chunk async for chunk in self.chunks(bytes_max)])

    def chunks(self, bytes_max: int) -> AsyncIterator[bytes]:
        """Return the body piece by piece, in pieces of no particular size; for bulk.

        Raises `TooLarge` as soon as it is known to exceed `bytes_max`. It may be left at any point.
        """
        self._bytes_max = bytes_max
        self._check(self.length_bytes or 0)
        return self

    # An iterator, where a generator would be shorter: one of those has to be closed by its user.

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = await self._receive()
        except TransportError as error:
            self.failure = error
            raise
        if not chunk:
            raise StopAsyncIteration
        self._read_bytes += len(chunk)
        self._check(self._read_bytes)
        return chunk

    def _check(self, body_bytes: int) -> None:
        if body_bytes > self._bytes_max:
            self.failure = TooLarge(f"the body is larger than {self._bytes_max} bytes")
            raise self.failure


class Incoming(Inflow):
    """A request, as a handler sees it. `peer` is authenticated; None is the operator."""

    def __init__(
        self,
        path: str,
        peer: NodeId | None,
        receive: Callable[[], Awaitable[bytes]],
        length_bytes: int | None = None,
        *,
        method: str = "POST",
        query: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(receive, length_bytes)
        self.path = path
        self.peer = peer
        self.method = method
        self.query = query or {}
        """For the operator's local API; nodes put everything into the body."""


@contextlib.asynccontextmanager
async def closing_body(body: Body) -> AsyncIterator[None]:
    """Close `body` in the end, sent or not, so that its generator can clean up."""
    try:
        yield
    finally:
        if isinstance(body, AsyncGenerator):
            await body.aclose()


@dataclasses.dataclass(frozen=True, slots=True)
class Reply:
    """What a handler answers. 403 says that the sender is not welcome: it meets it as `Refused`."""

    status: int = 200
    body: Body = b""
    content_type: str = "application/octet-stream"


Handler: TypeAlias = Callable[[Incoming], Awaitable[Reply]]
"""Answers a request. A `CodecError` that it raises is the sender's fault (400); any other is ours.

It reads as much of the body as it wants before it returns. It is cancelled when the server stops or
it takes too long; that its sender has left, it learns only from the body.
"""


class Answer(Inflow):
    """What a peer answered; `peer` is its authenticated id. Valid until its context is left."""

    def __init__(
        self,
        peer: NodeId,
        status: int,
        receive: Callable[[], Awaitable[bytes]],
        length_bytes: int | None = None,
    ) -> None:
        super().__init__(receive, length_bytes)
        self.peer = peer
        self.status = status

    async def require_ok(self) -> None:
        """Raise `BadAnswer`, with the reason that the peer gives, unless the status is 200."""
        if self.status != 200:
            reason = (await self.read())[:_reason_bytes_max].decode(errors="replace").strip()
            raise BadAnswer(f"answered {self.status}: {reason}")


class Transport(Protocol):
    """Carries requests to other nodes, and theirs to a handler."""

    def request(
        self,
        to: NodeId,
        addresses: Sequence[Address],
        path: str,
        body: Body = b"",
        *,
        deadline_s: float,
    ) -> contextlib.AbstractAsyncContextManager[Answer]:
        """Send `body` to the path of a node and give its answer; always a POST.

        The addresses are tried in order, each with a head start over the next. Not a byte is sent
        to any node but `to`. The whole body is sent before the answer is seen, unless the peer
        refuses it half-way. `deadline_s` covers the exchange and the block that reads the answer.

        Raises `TransportError`, on entry or within the block; and `ValueError` for a bad path.
        """

    def introduce(
        self, address: Address, path: str, body: bytes = b"", *, deadline_s: float
    ) -> contextlib.AbstractAsyncContextManager[Answer]:
        """Send `body` to the node of our mesh that listens at `address`: `Answer.peer`.

        For first contact, when only the address is known. Otherwise as `request`.
        """

    async def serve(
        self,
        handler: Handler,
        *,
        task_status: trio.TaskStatus[tuple[Address, ...]] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Let `handler` answer other nodes' requests until cancelled; report where it listens.

        Cancelled, it ends within 2 s whatever the peers do: handlers at work get a moment, and
        are then cancelled.
        """

    async def aclose(self) -> None:
        """Close every connection to other nodes.

        Requests under way end as `Interrupted`; to begin another raises `RuntimeError`.
        """
