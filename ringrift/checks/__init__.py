"""What `ringrift-agent doctor` looks at: each check is a function that returns what it found.

None changes anything, and none needs a running agent; what only an agent knows comes in as the
answer that it gave, or None.
"""

import dataclasses
import enum


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
