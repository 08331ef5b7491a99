"""What keeping records in sync has cost, and what came of it."""

import dataclasses

from p2p.reconcile import Outcome


@dataclasses.dataclass(slots=True)
class Traffic:
    """Counts since the start of what this node began; see `docs/status.md`."""

    exchanges: int = 0
    exchanges_failed: int = 0
    audits: int = 0
    audit_found: int = 0
    filters: int = 0
    false_positives: int = 0
    exact_lists: int = 0
    message_bytes: int = 0
    record_bytes: int = 0
    pushed: int = 0
    given: int = 0
    taken: int = 0

    def add(self, outcome: Outcome, record_bytes: int) -> None:
        """Count what an exchange or audit has done, however it ended."""
        self.filters += outcome.filters
        self.false_positives += outcome.false_positives
        self.exact_lists += outcome.exact_lists
        self.message_bytes += outcome.message_bytes
        self.record_bytes += record_bytes
        self.given += outcome.given
        self.taken += outcome.taken
