"""What `ringrift-agent doctor` looks at: each check is a function that returns what it found.

None changes anything, and none needs a running agent; what only an agent knows comes in as the
answer that it gave, or None.
"""

import dataclasses
import enum
from collections.abc import Iterable, Iterator


class Verdict(enum.Enum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    """Works, and should be seen to."""
    FAILURE = "failure"
    """Does not work, or will not at the next start."""
    UNKNOWN = "unknown"
    """Could not be looked at; the finding says why."""


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """What one check found."""

    check: str
    verdict: Verdict
    finding: str
    advice: str = ""
    """What to do about it; empty if there is nothing to do."""

    def __post_init__(self) -> None:
        """Raise `ValueError` for a warning or a failure that says nothing of what to do."""
        if self.verdict in (Verdict.WARNING, Verdict.FAILURE) and not self.advice:
            raise ValueError(f"no advice for {self.check}: {self.finding}")


def unknown(checks: Iterable[str], why: str) -> Iterator[Finding]:
    """Yield that these checks could not be made."""
    return (Finding(check, Verdict.UNKNOWN, why) for check in checks)
