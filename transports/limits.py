"""What a node lets its peers cost it. Every figure is a limit, never a measure of good behaviour.

A body has no limit here: its reader names one (`Inflow.read`, `Inflow.chunks`).
"""

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of a server and of a dialler. The defaults suit every node; tests shrink them."""

    # Serving: what a connection may cost.

    head_bytes_max: int = 16 * 1024
    """A request's line and headers; beyond: 431."""
    handshake_s: float = 10.0
    """From the connection's first moment to the peer's proven identity."""
    first_byte_s: float = 10.0
    """From there to the first byte of the first request."""
    head_s: float = 10.0
    """From a request's first byte to the end of its head; beyond: 408."""
    stall_s: float = 20.0
    """Without a further piece of the body coming, or of the answer going; the former: 408."""
    request_s: float = 300.0
    """From the end of the head to the last byte of the answer; beyond: 503 if none has gone."""
    idle_s: float = 75.0
    """Between two requests. Longer than the dialler's, or the two race."""
    connection_s: float = 600.0
    """How long a connection serves, or is dialled over. Identity is proved at its beginning:
    nobody whose certificate has ended stays in for longer than this."""
    linger_s: float = 1.0
    linger_bytes_max: int = 256 * 1024
    """How long, and how much, we read on after our last answer, so that the peer can read it."""
    grace_s: float = 1.0
    """What requests under way get when the server stops."""

    # Serving: how many.

    handshakes_max: int = 64
    """At once; one more and the oldest is dropped. A stranger can fill no more than these."""
    connections_max: int = 1024
    """Of known peers, in all; beyond: 503."""
    connections_per_peer_max: int = 16
    """Twice what a dialler opens, for those that its last life has left behind; beyond: 503."""

    # Dialling.

    head_start_s: float = 0.25
    """What an address gets before the next one is tried beside it."""
    dialled_per_peer_max: int = 8
    """Connections to one peer; further requests wait. httpcore's pool slows down beyond a few."""
    dialled_idle_s: float = 45.0
    """After this a connection is not used again."""
    dialled_peers_max: int = 256
    """Peers to which unused connections are kept open."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if getattr(self, field.name) <= 0:
                raise ValueError(f"{field.name} must be more than 0")
        if self.dialled_idle_s >= self.idle_s:
            raise ValueError("dialled_idle_s must be less than idle_s, or the two ends race")
        if self.dialled_per_peer_max > self.connections_per_peer_max:
            raise ValueError("dialled_per_peer_max must not exceed connections_per_peer_max")
