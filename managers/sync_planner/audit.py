"""Which of a peer's 256 leaves is compared next, id by id, and when.

Digests that are equal end every comparison, and theirs are sums: whoever may choose records can, at
great cost, craft two sets that differ and sum up alike. So one leaf of every segment is compared
every few minutes by lists of its ids, whatever the digests say.

The leaves of a round come in a random order, drawn anew for each round and peer. A round takes at
most 256 x 300 s = 21 h 20 min, and what audits wait for exchanges under way: every leaf of a peer
is compared within 22 h of the start of a round, and no leaf is left for longer than 44 h. Time
during which the peer is away, or its audits fail, is not counted; the round goes on from there.
"""

import random

from p2p.manifest import leaf_bits_stored

audit_interval_s = 300.0
"""Between two audits of a peer at most, and four fifths of that at least."""

_leaves = range(1 << leaf_bits_stored)


class AuditRounds:
    """The rounds of one peer, without end. Takes 256 bytes."""

    def __init__(self, rng: random.Random, now_s: float) -> None:
        self._rng = rng
        self._left = bytearray()
        """The leaves that are left of this round, the next one last."""
        self.due_s = now_s + audit_interval_s * rng.random()
        """When the next audit is due."""

    def next_leaf(self, now_s: float) -> int:
        """Begin an audit: return its leaf, and make the appointment for the one after it.

        Unless it is `done`, the leaf comes again as the last of its round.
        """
        if not self._left:
            self._left += bytes(self._rng.sample(_leaves, len(_leaves)))
        self.due_s = now_s + audit_interval_s * self._rng.uniform(0.8, 1.0)
        leaf = self._left.pop()
        self._left.insert(0, leaf)
        return leaf

    def done(self, leaf: int) -> None:
        """Take a leaf out of this round: it has been compared."""
        self._left.remove(leaf)
