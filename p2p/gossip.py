"""What two nodes say to each other once a second: who is there, what they hold, and the time.

Membership and records each have a machine of their own; here their messages share one envelope,
so that two nodes with nothing to tell each other need a single small request.
"""

from typing import Annotated

from msgspec import Meta

from p2p.codec import Message, message_bytes_max
from p2p.membership import SyncAnswer, SyncRequest, sync_bytes_max
from p2p.reconcile import Ping, Snapshot

ping_bytes_max = 64
wall_bytes_max = 10

assert sync_bytes_max + ping_bytes_max + wall_bytes_max <= message_bytes_max

WallMs = Annotated[int, Meta(ge=0, le=2**63 - 1)]
"""The sender's own clock, uncorrected, in milliseconds since 1970-01-01 UTC."""


class GossipRequest(Message, frozen=True):
    """To one node, from another."""

    sync: SyncRequest
    records: Ping
    wall_ms: WallMs
    seen: Snapshot | None = None
    """What the sender has seen of the receiver's store, if that store has since lost rows."""


class GossipAnswer(Message, frozen=True):
    """The answer to it."""

    sync: SyncAnswer
    records: Ping
    wall_ms: WallMs
    seen: Snapshot | None = None
