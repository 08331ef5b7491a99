"""What two nodes say to each other about the mesh.

A `SyncRequest` and its `SyncAnswer` are probe, acknowledgement and exchange of records in one.
Equal roots end it; otherwise the answer lists what its sender holds, and the asker's next request
brings what the answerer lacks and names what it wants itself; `p2p.membership.exchanges` shows the
course.
"""

from typing import Annotated

from msgspec import Meta

from p2p.codec import Message
from p2p.records import Boot, Counter, Node, Signed, signed_bytes_max

root_bytes = 8
check_bytes = 4

digest_bytes_max = 1 + 18 + 4 * 5 + 2 + check_bytes
digests_max = 1024
"""So many entries fit into one answer; a longer list is sent page by page."""

wants_max = 256
"""More would not fit into the answer anyway."""

records_bytes_max = 40 * 1024
"""One message carries records of this size in all."""

sync_bytes_max = 56 * 1024
"""No request or answer is larger: in a message of 64 KiB there is room for another part."""

assert digests_max * digest_bytes_max + signed_bytes_max + 256 <= sync_bytes_max
assert wants_max * digest_bytes_max + records_bytes_max + 256 <= sync_bytes_max
assert signed_bytes_max <= records_bytes_max

Records = Annotated[tuple[Signed, ...], Meta(max_length=512)]


class Digest(Message, frozen=True):
    """Which versions of one member's records somebody holds, in at most 45 bytes."""

    node: Node
    epoch: Counter
    """0 if nothing is held; no node has this epoch."""
    incarnation: Counter
    version: Counter
    status_version: Counter
    """0 if no Status of this epoch is held."""
    check: Annotated[bytes, Meta(min_length=check_bytes, max_length=check_bytes)]
    """Differs, almost surely, if the bytes held differ."""


class DigestPage(Message, frozen=True):
    """All that the sender holds from id `first` to id `last`, both included."""

    first: Node
    last: Node
    offered: Annotated[tuple[Digest, ...], Meta(max_length=digests_max)]
    withheld: Annotated[tuple[Digest, ...], Meta(max_length=digests_max)]
    """Held, but not passed on: strangers that the sender has not yet exchanged with."""


class SyncRequest(Message, frozen=True):
    """What the asker has for the node `to`, and wants from it."""

    to: Node
    boot: Boot
    root: Annotated[bytes, Meta(min_length=root_bytes, max_length=root_bytes)]
    """The asker's root; or the answerer's own, if the two differ and have nothing to exchange."""
    cores: Records = ()
    statuses: Records = ()
    want: Annotated[tuple[Digest, ...], Meta(max_length=wants_max)] = ()
    """What the asker holds of members about whom it wants what is newer."""


class SyncAnswer(Message, frozen=True):
    """What the answerer wanted to say; its digests if that leaves the two at odds."""

    boot: Boot
    root: Annotated[bytes, Meta(min_length=root_bytes, max_length=root_bytes)]
    """The answerer's root, after it took in the request."""
    digests: DigestPage | None = None
    cores: Records = ()
    statuses: Records = ()


class JoinRequest(Message, frozen=True):
    """First contact: a node introduces itself to whoever answers at a known address."""

    core: Signed
    status: Signed | None = None


class JoinAnswer(Message, frozen=True):
    """The seed introduces itself."""

    core: Signed
    status: Signed | None = None
    yours: Signed | None = None
    """The asker's own Core as the seed knows it, if it is not the one just sent."""
