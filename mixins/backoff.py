"""How long to wait after failures in a row."""

_doublings_max = 32


def backoff_s(first_s: float, max_s: float, failures: int) -> float:
    """Return `first_s` after one failure, and twice as much after each further, up to `max_s`.

    The caller adds jitter. `failures` is at least 1 and may be as large as it likes.
    """
    return float(min(max_s, first_s * 2 ** min(failures - 1, _doublings_max)))
