"""Time, as an argument."""

import time
from typing import Protocol

import trio


class Clock(Protocol):
    """Two kinds of time. Waiting is trio's: `trio.sleep` follows `monotonic_s`."""

    def monotonic_s(self) -> float:
        """Return seconds since some fixed moment; never goes back."""

    def wall_ms(self) -> int:
        """Return this box's idea of the time, in milliseconds since 1970-01-01 UTC."""


class SystemClock:
    """The real clocks."""

    def monotonic_s(self) -> float:
        """Return trio's time, so that deadlines and timers agree."""
        return trio.current_time()

    def wall_ms(self) -> int:
        """Return the system's time."""
        return time.time_ns() // 1_000_000
