"""What the exit status of `ringrift-agent` means."""

import enum


class Exit(enum.IntEnum):
    """The exit statuses, the same for every verb."""

    HEALTHY = 0
    ERROR = 1
    USAGE = 2
    NOT_RUNNING = 3
    DEGRADED = 4
    """Something needs attention; `run`: games exist only on this box; `sync`: a member is not in
    sync, or there was none to sync with."""
    NOT_ADMITTED = 5
