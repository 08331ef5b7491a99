"""Who is in the mesh, where, and alive or not: a pure machine, told of time and of messages.

The caller feeds `Membership` what happened and does what the `Effects` say.
"""

from p2p.membership.detector import MembershipConfig, MemberState
from p2p.membership.effects import (
    Contact,
    Counters,
    DuplicateIdentity,
    Effects,
    Equivocation,
    Forget,
    Member,
    MemberChanged,
    Remember,
    Send,
    StoreEpoch,
)
from p2p.membership.machine import Membership, Misdirected
from p2p.membership.messages import (
    JoinAnswer,
    JoinRequest,
    SyncAnswer,
    SyncRequest,
    sync_bytes_max,
)

__all__ = [
    "Contact",
    "Counters",
    "DuplicateIdentity",
    "Effects",
    "Equivocation",
    "Forget",
    "JoinAnswer",
    "JoinRequest",
    "Member",
    "MemberChanged",
    "MemberState",
    "Membership",
    "MembershipConfig",
    "Misdirected",
    "Remember",
    "Send",
    "StoreEpoch",
    "SyncAnswer",
    "SyncRequest",
    "sync_bytes_max",
]
