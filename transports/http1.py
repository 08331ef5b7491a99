"""HTTP/1.1 on one connection, the serving side: h11 over a stream, with a limit on everything."""

import contextlib
import logging
from collections.abc import Iterator
from urllib.parse import parse_qsl

import h11
import trio

from p2p.codec import message_bytes_max
from p2p.identity.ids import NodeId
from transports.base import (
    DeadlineExceeded,
    Handler,
    Incoming,
    Interrupted,
    Reply,
    closing_body,
)
from transports.faults import Fault, blame, line
from transports.limits import Limits

logger = logging.getLogger(__name__)

_versions = (b"1.0", b"1.1")
_methods = (b"GET", b"HEAD", b"POST")
_query_fields_max = 32
_receive_bytes = 64 * 1024
_send_bytes = 256 * 1024


class _Gone(Exception):
    """The peer has left, or takes nothing more from us."""


class Closing:
    """Whether the server is closing: what merely waits is cut off, what works may finish."""

    def __init__(self) -> None:
        self.begun = trio.Event()
        self._scopes: set[trio.CancelScope] = set()

    def begin(self) -> None:
        """Cut off everything that waits, now and from now on."""
        self.begun.set()
        for scope in self._scopes:
            scope.cancel()

    @contextlib.contextmanager
    def waiting(self) -> Iterator[trio.CancelScope]:
        """Mark a block that may be cut off at once."""
        with trio.CancelScope() as scope:
            self._scopes.add(scope)
            if self.begun.is_set():
                scope.cancel()
            try:
                yield scope
            finally:
                self._scopes.discard(scope)


class Connection:
    """Serves the requests of one peer, one after the other.

    What goes wrong is answered here, once, with a line of text, and ends the connection.
    """

    def __init__(
        self,
        stream: trio.abc.HalfCloseableStream,
        peer: NodeId | None,
        limits: Limits,
        closing: Closing,
    ) -> None:
        self._stream = stream
        self._peer = peer
        self._limits = limits
        self._closing = closing
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=limits.head_bytes_max)
        self._ends_s = trio.current_time() + limits.connection_s
        self._request: h11.Request | None = None
        self._incoming: Incoming | None = None

    async def run(self, handler: Handler) -> None:
        """Serve until either side has had enough. Closing the stream is left to the caller."""
        patience_s = self._limits.first_byte_s
        try:
            while await self._exchange(handler, patience_s):
                patience_s = self._limits.idle_s
        except _Gone:
            return
        except Exception as error:
            # Whatever a handler raises must end its own request alone.
            reply = self._blame(error)
            if reply is None:
                path = self._incoming.path if self._incoming else "before a request"
                logger.exception("a handler failed: %s", path)
                reply = line(500, "internal error")
            await self._last_words(reply)

    async def refuse(self, status: int, sentence: str) -> None:
        """Answer whatever is asked first in this way, and no more."""

        async def handler(_: Incoming) -> Reply:
            raise Fault(status, sentence)

        await self.run(handler)

    def _blame(self, error: Exception) -> Reply | None:
        """As `faults.blame`; no HTTP is the peer's fault, too."""
        if isinstance(error, h11.RemoteProtocolError):
            return line(error.error_status_hint, str(error))
        return blame(error, self._incoming)

    async def _exchange(self, handler: Handler, patience_s: float) -> bool:
        """Serve one request. Return whether another may follow."""
        self._request = self._incoming = None
        with self._closing.waiting():
            self._request = await self._receive_head(patience_s)
        if self._request is None:
            return False
        incoming = self._incoming = self._parse(self._request)
        with trio.move_on_after(self._limits.request_s) as scope:
            reply = await handler(incoming)
            is_last = (
                self._closing.begun.is_set()
                or trio.current_time() >= self._ends_s
                or self._leaves_much(incoming)
            )
            await self._send(reply, is_last=is_last)
            if self._h11.our_state is h11.DONE:
                while await self._receive_body():
                    pass
        if scope.cancelled_caught:
            logger.warning("%s took more than %s s", incoming.path, self._limits.request_s)
            raise Fault(503, f"the request took longer than {self._limits.request_s} s")
        if self._h11.our_state is not h11.DONE:
            with self._closing.waiting():
                await linger(self._stream, self._limits)
            return False
        self._h11.start_next_cycle()
        return True

    # Receiving

    async def _receive_head(self, patience_s: float) -> h11.Request | None:
        """Return the next request's head; None if none came in time."""
        event: object = self._h11.next_event()
        if event is h11.NEED_DATA:
            with trio.move_on_after(patience_s) as scope:
                await self._receive()
            if scope.cancelled_caught:
                return None
            with trio.move_on_after(self._limits.head_s) as scope:
                event = await self._next_event()
            if scope.cancelled_caught:
                raise Fault(408, f"the head took longer than {self._limits.head_s} s")
        if not isinstance(event, h11.Request):
            return None
        return event

    def _parse(self, request: h11.Request) -> Incoming:
        """Return the request as the handler is to see it."""
        headers = dict(request.headers)
        # h11 limits what is incomplete; a head that came in one piece is measured here.
        head_bytes = len(request.target) + sum(len(k) + len(v) + 4 for k, v in request.headers)
        if head_bytes > self._limits.head_bytes_max:
            raise Fault(431, f"the head is larger than {self._limits.head_bytes_max} bytes")
        if request.http_version not in _versions:
            raise Fault(505, "only HTTP/1.1 and HTTP/1.0 are spoken")
        if request.method not in _methods:
            raise Fault(501, "only GET, HEAD and POST are served")
        path, _, query = request.target.decode("ascii").partition("?")
        if not path.startswith("/"):
            raise Fault(400, "the target is not a path")
        try:
            fields = dict(
                parse_qsl(query, keep_blank_values=True, max_num_fields=_query_fields_max)
            )
        except ValueError:
            raise Fault(400, f"the query has more than {_query_fields_max} fields") from None
        is_chunked = b"transfer-encoding" in headers
        return Incoming(
            path,
            self._peer,
            self._receive_body,
            None if is_chunked else int(headers.get(b"content-length", b"0")),
            method=request.method.decode("ascii"),
            query=dict(fields),
        )

    async def _receive_body(self) -> bytes:
        """Return the next piece of the body, b"" at its end."""
        if self._h11.their_state is not h11.SEND_BODY:
            return b""
        try:
            with trio.move_on_after(self._limits.stall_s):
                if self._h11.they_are_waiting_for_100_continue:
                    go_on = h11.InformationalResponse(status_code=100, headers=[])
                    await self._write(self._encode(go_on))
                event = await self._next_event()
                return bytes(event.data) if isinstance(event, h11.Data) else b""
        except h11.RemoteProtocolError as error:
            raise Interrupted(f"the body is malformed: {error}") from error
        except _Gone as error:
            raise Interrupted("the sender left before the end of its body") from error
        raise DeadlineExceeded(f"nothing more of the body came in {self._limits.stall_s} s")

    async def _next_event(self) -> object:
        while (event := self._h11.next_event()) is h11.NEED_DATA:
            await self._receive()
        return event

    async def _receive(self) -> None:
        # No message of a request ends with the connection, so its end is never worth parsing.
        try:
            data = await self._stream.receive_some(_receive_bytes)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise _Gone from error
        if not data:
            raise _Gone
        self._h11.receive_data(bytes(data))

    def _leaves_much(self, incoming: Incoming) -> bool:
        """Whether more of the body is unread than is worth reading to keep the connection."""
        if self._h11.their_state is not h11.SEND_BODY:
            return False
        length_bytes = incoming.length_bytes
        return (
            self._h11.they_are_waiting_for_100_continue
            or length_bytes is None
            or length_bytes > message_bytes_max
        )

    # Sending

    async def _send(self, reply: Reply, *, is_last: bool) -> None:
        headers = [("content-type", reply.content_type)]
        if isinstance(reply.body, bytes):
            headers.append(("content-length", str(len(reply.body))))
        if is_last:
            headers.append(("connection", "close"))
        has_body = self._request is None or self._request.method != b"HEAD"
        head = self._encode(h11.Response(status_code=reply.status, headers=headers))
        async with closing_body(reply.body):
            if isinstance(reply.body, bytes):
                body = self._encode(h11.Data(data=reply.body)) if has_body else b""
                await self._write(head + body + self._encode(h11.EndOfMessage()))
                return
            await self._write(head)
            if has_body:
                async for chunk in reply.body:
                    await self._write(self._encode(h11.Data(data=chunk)))
            await self._write(self._encode(h11.EndOfMessage()))

    async def _last_words(self, reply: Reply) -> None:
        """Send `reply` if no other answer has begun, and end the connection."""
        if self._h11.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            with contextlib.suppress(_Gone):
                await self._send(reply, is_last=True)
                with self._closing.waiting():
                    await linger(self._stream, self._limits)

    def _encode(self, event: h11.Event) -> bytes:
        return self._h11.send(event) or b""

    async def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            # In slices, so that a slow peer is not taken for one that has stopped.
            with trio.move_on_after(self._limits.stall_s) as scope:
                try:
                    await self._stream.send_all(rest[:_send_bytes])
                except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                    raise _Gone from error
            if scope.cancelled_caught:
                logger.info("a peer took nothing of an answer for %s s", self._limits.stall_s)
                raise _Gone
            rest = rest[_send_bytes:]


async def linger(stream: trio.abc.HalfCloseableStream, limits: Limits) -> None:
    """Send nothing more, but read on for a moment, before the caller closes `stream`.

    To close a socket with bytes unread resets the connection, and what was sent last is lost.
    """
    with trio.move_on_after(limits.linger_s), contextlib.suppress(trio.BrokenResourceError):
        await stream.send_eof()
        rest_bytes = limits.linger_bytes_max
        while rest_bytes > 0 and (data := await stream.receive_some(rest_bytes)):
            rest_bytes -= len(data)
