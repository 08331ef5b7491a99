"""The requests of a transport that are under way: when each ends, and what its caller is told."""

import contextlib
from collections.abc import Iterator, Sequence

import trio

from transports.base import Address, DeadlineExceeded, Interrupted, Unreachable, check_path


class Progress:
    """How far a request has come."""

    def __init__(self) -> None:
        self.is_dialling = False
        """Whether its time goes into finding the peer."""


class UnderWay:
    """What is under way ends at its deadline, and with the transport."""

    def __init__(self) -> None:
        self.requests: dict[trio.CancelScope, Progress] = {}
        self._is_closed = False

    def close(self) -> None:
        """End all of it, and let nothing begin."""
        self._is_closed = True
        for scope in self.requests:
            scope.cancel()

    @contextlib.contextmanager
    def request(
        self, addresses: Sequence[Address], path: str, deadline_s: float
    ) -> Iterator[Progress]:
        """Take a request along, which tells how far it has come; all as `Transport.request`.

        Raises `ValueError`, `RuntimeError`, `Interrupted`, `Unreachable` or `DeadlineExceeded`.
        """
        check_path(path)
        if self._is_closed:
            raise RuntimeError("the transport is closed")
        progress = Progress()
        with trio.move_on_after(deadline_s) as scope:
            self.requests[scope] = progress
            try:
                yield progress
            finally:
                del self.requests[scope]
        if scope.cancelled_caught:
            if self._is_closed:
                raise Interrupted("the transport was closed")
            if progress.is_dialling:
                places = ", ".join(map(str, addresses))
                raise Unreachable(f"no answer from {places} in {deadline_s} s")
            raise DeadlineExceeded(f"{path} took longer than {deadline_s} s")
