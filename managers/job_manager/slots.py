"""A slot, which runs one worker after another, and a turn, which is what one of them does."""

import dataclasses
import enum

import trio

from mixins.child import ChildRubbish

quiet_s_min = 300.0
quiet_games = 3
"""A worker that has worked on one game for so long, and for so many times as long as its slot's
longest, seems to hang."""


class JobState(enum.Enum):
    """What a slot does. Only the slot's own loop moves it.

    idle -> playing        a worker was started
    idle -> paused         told to pause
    idle -> full           the store has not taken what waits for it, and no more may wait
    playing -> idle        the worker's turn is over
    playing -> waiting     the worker crashed; another is started after a backoff
    playing -> stopped     the worker wrote rubbish or cannot be ended (`resume` tries again), or
                           the node stops
    paused, full, waiting, stopped -> idle
    """

    IDLE = "idle"
    PLAYING = "playing"
    PAUSED = "paused"
    FULL = "waiting for the store"
    WAITING = "waiting to restart"
    STOPPED = "stopped"


@dataclasses.dataclass(slots=True)
class Slot:
    """Where one worker runs at a time, and what the status tells of it."""

    id: str
    state: JobState = JobState.IDLE
    config: str = ""
    """That of its turn, or of the last one; empty before the first."""
    turn: "Turn | None" = None
    asked_s: float | None = None
    """When its worker was asked for the game that it is playing, if it is."""
    longest_s: float = 0.0
    """What its longest game has taken."""
    pid: int | None = None
    games: int = 0
    """How many it has had stored."""
    crashes_in_a_row: int = 0
    trouble: str = ""
    scope: trio.CancelScope = dataclasses.field(default_factory=trio.CancelScope)
    ended: trio.Event | None = None
    """Set when its loop has ended, or has failed; None if that was never started."""

    def hanging(self, now_s: float) -> str:
        """Say it if its worker seems to hang; empty if not."""
        if self.asked_s is None:
            return ""
        quiet_s = now_s - self.asked_s
        if quiet_s < max(quiet_s_min, quiet_games * self.longest_s):
            return ""
        return (
            f"its worker has been at one game of {self.config} for {quiet_s / 60:.0f} min, and may "
            f"hang: `kill -KILL -- -{self.pid}` ends it, and another is started"
        )


@dataclasses.dataclass(slots=True)
class Turn:
    """What one worker does, and what became of its games."""

    slot: Slot
    config: str
    began_s: float
    rubbish: str = ""
    """Why a game of it was not stored; empty if each was."""

    @property
    def is_over(self) -> bool:
        """Whether its slot goes on without it."""
        return self.slot.turn is not self

    def check(self) -> None:
        """Raise `ChildRubbish` if a game of it was not stored."""
        if self.rubbish:
            raise ChildRubbish(self.rubbish)
