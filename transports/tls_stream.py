"""TLS over a socket. It differs from `trio.SSLStream` in one thing: a refusal is sent.

trio drops the alert in which a failed handshake says why; then the peer sees a connection that
broke, and cannot tell its operator that a certificate has expired. See `p2p.identity.tls.refusal`.
"""

import contextlib
import ssl

import trio

_receive_bytes = 64 * 1024


class TlsStream(trio.abc.HalfCloseableStream):
    """One side of a TLS 1.3 connection, for one reading and one writing task.

    HTTP says where a message ends, so a connection ends with the socket's, without close_notify.
    """

    def __init__(
        self, socket: trio.SocketStream, context: ssl.SSLContext, *, server_hostname: str | None
    ) -> None:
        """Wrap `socket`, which is ours from now on. No host name: we are the server."""
        self._socket = socket
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming,
            self._outgoing,
            server_side=server_hostname is None,
            server_hostname=server_hostname,
        )
        self._sending = trio.Lock()

    async def do_handshake(self) -> bytes:
        """Shake hands and return the peer's certificate (DER); call this first, and once.

        Raises `ssl.SSLError` or `trio.BrokenResourceError`.
        """
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush()
                await self._fill()
            except ssl.SSLError:
                with contextlib.suppress(trio.BrokenResourceError):
                    await self._flush()
                raise
            else:
                await self._flush()
                return self._tls.getpeercert(binary_form=True) or b""

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Return what has come, or b"" at the end.

        Raises `trio.BrokenResourceError`, caused by an `ssl.SSLError` if the peer refused us.
        """
        await trio.lowlevel.checkpoint()
        while True:
            try:
                return self._read(max_bytes or _receive_bytes)
            except ssl.SSLWantReadError:
                # Whoever sends also sends what reading has brought up, so we never wait for him.
                if not self._sending.locked():
                    await self._flush()
                await self._fill()
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""
            except ssl.SSLError as error:
                raise trio.BrokenResourceError("TLS failed") from error

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send `data`; if cancelled half-way, the stream is of no further use.

        Raises `trio.BrokenResourceError`.
        """
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._tls.write(rest) :]
        except ssl.SSLError as error:
            raise trio.BrokenResourceError("TLS failed") from error
        await self._flush()

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until the socket takes data."""
        await self._socket.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        """Tell the peer that nothing more will come; go on receiving."""
        await self._socket.send_eof()

    async def aclose(self) -> None:
        """Close the socket, at once."""
        await self._socket.aclose()

    def is_readable(self) -> bool:
        """Whether bytes, or the end, are waiting in the socket."""
        return self._socket.socket.is_readable()

    def _read(self, bytes_max: int) -> bytes:
        """Return all records that are here: to hand on each by itself costs half as much again."""
        records = [self._tls.read(bytes_max)]
        with contextlib.suppress(ssl.SSLWantReadError):
            while records[-1] and self._incoming.pending:
                bytes_max -= len(records[-1])
                if bytes_max <= 0:
                    break
                records.append(self._tls.read(bytes_max))
        return b"".join(records)

    async def _flush(self) -> None:
        async with self._sending:
            while data := self._outgoing.read():
                await self._socket.send_all(data)

    async def _fill(self) -> None:
        if data := await self._socket.receive_some(_receive_bytes):
            self._incoming.write(data)
        else:
            self._incoming.write_eof()
