"""What the machine asks of the world, and shows to it.

Whatever is in `persist` is on the disk before anything in `send`, or the answer that came with it,
goes out: a node that says something must not forget it.
"""

import dataclasses
from typing import TypeAlias

from p2p.identity.ids import NodeId
from p2p.membership.detector import MemberState
from p2p.membership.messages import JoinRequest, SyncRequest
from p2p.records import Address, Core, Status


@dataclasses.dataclass(frozen=True, slots=True)
class StoreEpoch:
    """Remember that we have spoken with this epoch; the next start takes a larger one."""

    epoch: int


@dataclasses.dataclass(frozen=True, slots=True)
class Remember:
    """Keep a member's Core, to find it again without a seed; replaces what was kept of it."""

    node: NodeId
    core: bytes
    """A packed `Signed`."""


@dataclasses.dataclass(frozen=True, slots=True)
class Forget:
    """Delete what was kept of a member."""

    node: NodeId


Persist: TypeAlias = StoreEpoch | Remember | Forget


@dataclasses.dataclass(frozen=True, slots=True)
class Send:
    """Deliver a message to a node; report `answered` or `failed`, exactly one and once."""

    to: NodeId
    addresses: tuple[Address, ...]
    message: SyncRequest
    timeout_s: float


@dataclasses.dataclass(frozen=True, slots=True)
class Contact:
    """Introduce us to whoever is at an address; report `contacted` or `contact_failed`."""

    address: Address
    message: JoinRequest
    timeout_s: float


@dataclasses.dataclass(frozen=True, slots=True)
class MemberChanged:
    """A member's state changed; `old` is None if it was unknown, `new` if it is forgotten."""

    node: NodeId
    old: MemberState | None
    new: MemberState | None


@dataclasses.dataclass(frozen=True, slots=True)
class Equivocation:
    """A member signed two different records with one version: it is broken, or its key stolen."""

    node: NodeId


@dataclasses.dataclass(frozen=True, slots=True)
class DuplicateIdentity:
    """Another living process has our key: this one must exit."""

    boot: bytes
    """Of the other process."""
    addresses: tuple[Address, ...]
    """Where the other process says it is."""


Change: TypeAlias = MemberChanged | Equivocation | DuplicateIdentity


@dataclasses.dataclass(frozen=True, slots=True)
class Effects:
    """What to do now: first store, then send; and call `tick` if nothing else comes before."""

    persist: tuple[Persist, ...]
    send: tuple[Send | Contact, ...]
    wake_at_s: float
    changes: tuple[Change, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Member:
    """One member as this node sees it."""

    id: NodeId
    name: str
    state: MemberState
    last_heard_s: float | None
    """Seconds since it was last heard, as of the machine's last input; None if it never was."""
    addresses: tuple[Address, ...]
    software: str
    durable: bool
    core: Core
    status: Status | None
    """Of its present epoch; None if there is none."""
    offset_ms: float | None = None
    """Its wall clock less ours, when last measured; None if it never was, and for ourselves."""


@dataclasses.dataclass(frozen=True, slots=True)
class Counters:
    """What went wrong since the start. All zero in a healthy mesh."""

    forged: int = 0
    """Records with a bad signature, owner, mesh or encoding."""
    misdirected: int = 0
    """Messages for another node."""
    equivocations: int = 0
    strangers_refused: int = 0
    """Second-hand strangers beyond the limit."""
    stalls: int = 0
    """Times that our own lateness was excused."""
