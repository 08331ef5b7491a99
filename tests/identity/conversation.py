"""Two sides of a TLS connection that talk in memory, in turn.

A conversation is the handshake, then one byte each way, because in TLS 1.3 a client hears of a
refusal only when it reads.
"""

import dataclasses
import ssl
from collections.abc import Iterator


@dataclasses.dataclass
class Side:
    """One side of a conversation, and how it went."""

    tls: ssl.SSLObject
    incoming: ssl.MemoryBIO
    outgoing: ssl.MemoryBIO
    error: ssl.SSLError | None = None
    shook_hands: bool = False
    is_done: bool = False

    def run(self) -> Iterator[None]:
        try:
            for action in (self.tls.do_handshake, self._hello, lambda: self.tls.read(1)):
                while True:
                    try:
                        action()
                    except ssl.SSLWantReadError:
                        yield
                    else:
                        break
        except ssl.SSLError as error:
            self.error = error
        self.is_done = True

    def _hello(self) -> None:
        self.shook_hands = True
        self.tls.write(b"x")

    def saw(self) -> bytes:
        """Return the peer's certificate (DER)."""
        der = self.tls.getpeercert(binary_form=True)
        assert der is not None
        return der


def side(context: ssl.SSLContext, hostname: str | None) -> Side:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(
        incoming, outgoing, server_side=hostname is None, server_hostname=hostname
    )
    return Side(tls, incoming, outgoing)


def converse(client: Side, server: Side) -> None:
    """Let both sides talk until both are done. A side that failed still sends its alert."""
    turns = [client.run(), server.run()]
    for _ in range(10):
        for turn in turns:
            next(turn, None)
        server.incoming.write(client.outgoing.read())
        client.incoming.write(server.outgoing.read())
    assert client.is_done
    assert server.is_done


def listen(context: ssl.SSLContext, junk: bytes, hostname: str | None) -> ssl.SSLError:
    """Return how a side fails whose peer sends junk."""
    alone = side(context, hostname)
    alone.incoming.write(junk)
    alone.incoming.write_eof()
    next(alone.run(), None)
    assert alone.error is not None
    return alone.error
