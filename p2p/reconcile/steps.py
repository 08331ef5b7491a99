"""What an initiator tells its manager to do, and what came of it."""

import dataclasses
from typing import TypeAlias

from p2p.envelope import RecordId
from p2p.reconcile.messages import Ping


@dataclasses.dataclass(frozen=True, slots=True)
class Ask:
    """Send this request; give the answer to `Initiator.receive`."""

    request: bytes


@dataclasses.dataclass(frozen=True, slots=True)
class Push:
    """Send these records, at most 2048; give each body's receipt to `Initiator.pushed`.

    Ids without a body here are of refused records and are left out.
    """

    ids: tuple[RecordId, ...]


@dataclasses.dataclass(slots=True)
class Outcome:
    """What an exchange has done."""

    seq: int
    """Our snapshot's sequence."""
    peer: Ping | None = None
    """The peer's snapshot; None if it never named one."""
    complete: bool = False
    """Whether everything was compared, and all that the peer lacks was pushed.

    Then the peer's digest of what it knows shows that nothing was passed over, by a collision of
    short digests or names; but if records are withheld, it can show nothing.
    """
    reason: str = ""
    """Why the exchange ended early, if it did."""
    phases: int = 0
    """How many of the stages it needed after the root: segments, leaves (twice where a segment is
    very large), filters, exact, push."""
    requests: int = 0
    """Messages asked, pages counted."""
    message_bytes: int = 0
    """Size of all requests, answers and receipts; records are not counted."""
    filters: int = 0
    """Filters sent, by either side."""
    false_positives: int = 0
    """Records that a filter hid, and a list brought to light."""
    exact_lists: int = 0
    """How many parts were compared id by id."""
    offered: int = 0
    """Records that the peer announced."""
    taken: int = 0
    """Records that came."""
    given: int = 0
    """Records that the peer receipted."""
    refused: int = 0
    """Records that the peer refused in a receipt."""
    is_audit: bool = False
    """Whether only a few leaves were compared, by lists."""

    @property
    def withheld(self) -> int:
        """How many ids the peer knows whose records it did not send, having refused them."""
        return self.offered - self.taken

    @property
    def proves_copies(self) -> bool:
        """Whether the peer now holds every record that we held at our snapshot.

        An exchange compares what is *known*, so an id that the peer has refused is passed over as
        if it were held there. It proves copies only if it came to its end, the peer's snapshot had
        refused nothing and withheld nothing, and the receipts refused nothing since. A peer that
        has ever refused a record gives its proof when the digests of what is held come to be equal.
        """
        if self.peer is None or self.refused or self.withheld or self.is_audit:
            return False
        return self.complete and self.peer.refuses_nothing


@dataclasses.dataclass(frozen=True, slots=True)
class Done:
    """There is nothing more to do."""

    outcome: Outcome


Step: TypeAlias = Ask | Push | Done
