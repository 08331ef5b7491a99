"""Exchanges that somebody has asked for and watches."""

from collections.abc import Callable

from p2p.membership import Member
from p2p.reconcile import Initiator, Outcome

syncable = ("games", "all")
"""What can be asked for. An exchange moves records of every kind; all that there are are games."""


class Sync:
    """One exchange with one member, as far as it has come. Made by `SyncPlanner.sync`."""

    def __init__(self, member: Member, changed: Callable[[], None]) -> None:
        """`changed` is called when it begins and when it ends."""
        self.member = member
        self.failure = ""
        """Why the exchange did not come to its end, if it ended so."""
        self.began_s: float | None = None
        """When it began, after its wait for a turn."""
        self.ended_s: float | None = None
        self._machine: Initiator | None = None
        self._changed = changed

    @property
    def ended(self) -> bool:
        """Whether it is over."""
        return self.ended_s is not None

    @property
    def outcome(self) -> Outcome | None:
        """What the exchange has done so far; None before it begins."""
        return None if self._machine is None else self._machine.outcome

    def begin(self, machine: Initiator, now_s: float) -> None:
        """Watch the exchange that `machine` conducts."""
        self._machine = machine
        self.began_s = now_s
        self._changed()

    def end(self, failure: str, now_s: float) -> None:
        """Say how it ended; `failure` is empty if it came to its end."""
        self.failure = failure
        self.ended_s = now_s
        self._changed()
