"""Who is alive: states, the table of their transitions, and the one judgement of silence.

A member is suspected once it has been silent for longer than its turn and ours take *and* has
failed a direct probe; a suspect that stays silent through many more probes is dead. Whatever comes
from a member, authenticated, is a sign of life. Nothing but this module turns silence into a state.
"""

import collections
import dataclasses
import enum
import math

patient_probe_every = 5
"""Of a silent peer's probes, every so many waits for the full time: a peer that has merely become
slow answers it, and its round trip then raises the timeout of all."""

turn_slack = 1.25
"""How many rounds a peer may be silent before a failed probe makes it a suspect."""

round_trips_kept = 128


class MemberState(enum.IntEnum):
    """What we hold a member to be; where two judgements meet, the larger one counts."""

    UNVERIFIED = -1
    """Known by hearsay: not counted and not passed on until an exchange with it succeeds."""
    ALIVE = 0
    SUSPECT = 1
    """Silent, or remembered from before our start and not heard since."""
    DEAD = 2
    LEFT = 3
    """It said so itself, signed. The only judgement that is passed on in this version."""


class Cause(enum.Enum):
    """Why a state may change."""

    HEARD = enum.auto()
    """An authenticated message or answer of its own."""
    RENEWED = enum.auto()
    """Its signature on a larger epoch or incarnation, from whomever."""
    DOUBTED = enum.auto()
    """Silent for too long, and a direct probe failed."""
    EXPIRED = enum.auto()
    """Silent through all of its time as a suspect."""
    LEFT = enum.auto()
    """Its signature on `leaving`."""


# The state of a member changes in `Peers.move` and nowhere else, and only along this table;
# what is not in it changes nothing. Hearing from a node that has left does not bring it back, nor
# does hearsay verify a stranger.
transitions = {
    (MemberState.UNVERIFIED, Cause.HEARD): MemberState.ALIVE,
    (MemberState.ALIVE, Cause.DOUBTED): MemberState.SUSPECT,
    (MemberState.ALIVE, Cause.LEFT): MemberState.LEFT,
    (MemberState.SUSPECT, Cause.HEARD): MemberState.ALIVE,
    (MemberState.SUSPECT, Cause.RENEWED): MemberState.ALIVE,
    (MemberState.SUSPECT, Cause.EXPIRED): MemberState.DEAD,
    (MemberState.SUSPECT, Cause.LEFT): MemberState.LEFT,
    (MemberState.DEAD, Cause.HEARD): MemberState.ALIVE,
    (MemberState.DEAD, Cause.RENEWED): MemberState.ALIVE,
    (MemberState.DEAD, Cause.LEFT): MemberState.LEFT,
    (MemberState.LEFT, Cause.RENEWED): MemberState.ALIVE,
}


@dataclasses.dataclass(frozen=True, slots=True)
class MembershipConfig:
    """Times and limits; none has to be equal on two nodes."""

    probe_interval_s: float = 1.0
    timeout_s_min: float = 0.5
    timeout_s_max: float = 3.0
    dead_after_s: float = 8.0
    """The least time as a suspect, in a mesh of up to ten; grows with the logarithm of its size."""
    dead_after_refused_s: float = 4.0
    """The same, if the box answers that nobody listens there."""
    failures_min: int = 10
    """The fewest failed probes in a row before a silent member is dead; grows likewise."""
    refusals_min: int = 3
    retry_interval_s: float = 30.0
    """Between tries at dead members, unverified strangers, and seeds that have answered before."""
    seed_retry_s_min: float = 2.0
    status_interval_s: float = 5.0
    news_s: float = 3.0
    """For so long a new record is told unasked; later it is found by its digest."""
    links_max: int = 8
    """A new Core is told to so many peers at once."""
    in_flight_max: int = 16
    tombstone_s: float = 24 * 3600.0
    """How long the dead, the left and unverified strangers are remembered."""
    tombstones_max: int = 4096
    forgotten_s: float = 3600.0
    """For so long hearsay does not bring back what was forgotten."""
    strangers_max: int = 1024

    def __post_init__(self) -> None:
        if not 0 < self.timeout_s_min <= self.timeout_s_max:
            raise ValueError(
                f"timeouts from {self.timeout_s_min} to {self.timeout_s_max} s are no range"
            )
        if self.probe_interval_s <= 0:
            raise ValueError(f"a probe interval of {self.probe_interval_s} s is not positive")


@dataclasses.dataclass(slots=True)
class Silence:
    """How long a peer has been silent, by a clock that stands still while we do."""

    since_s: float
    timeouts: int = 0
    """Probes without an answer since it was last heard."""
    refusals: int = 0
    """Probes since then that were answered by its box: nobody listens here."""

    @property
    def failures(self) -> int:
        """Failed probes of either kind."""
        return self.timeouts + self.refusals


class Detector:
    """Turns round trips into timeouts, and silence into judgements."""

    def __init__(self, config: MembershipConfig) -> None:
        self._config = config
        self._round_trips_s: collections.deque[float] = collections.deque(maxlen=round_trips_kept)
        self.timeout_s = config.timeout_s_max
        """Twice the 99th percentile of recent round trips, within limits; the most if unknown."""

    def measured(self, round_trip_s: float) -> None:
        """Take in the duration of one successful exchange."""
        self._round_trips_s.append(round_trip_s)
        ordered = sorted(self._round_trips_s)
        p99_s = ordered[math.ceil(0.99 * len(ordered)) - 1]
        self.timeout_s = min(max(2 * p99_s, self._config.timeout_s_min), self._config.timeout_s_max)

    def probe_timeout_s(self, silence: Silence) -> float:
        """Return how long to wait for the answer to the next probe of a peer."""
        patient = silence.failures % patient_probe_every == patient_probe_every - 1
        return self._config.timeout_s_max if patient else self.timeout_s

    def judge(
        self,
        state: MemberState,
        since_s: float,
        silence: Silence,
        now_s: float,
        *,
        alive: int,
        dialable: bool,
    ) -> Cause | None:
        """Say what silence means for a member that is in `state` since `since_s`.

        `alive` members take turns, us included. A member that cannot be dialled is judged by its
        silence alone: it has its turns to dial us.
        """
        if dialable and not silence.failures:
            return None
        if state is MemberState.ALIVE:
            turn_s = turn_slack * self._config.probe_interval_s * max(1, alive - 1)
            doubted = now_s - silence.since_s > self.timeout_s + turn_s
            return Cause.DOUBTED if doubted else None
        if state is MemberState.SUSPECT:
            expired = self._expired(now_s - since_s, silence, alive, dialable=dialable)
            return Cause.EXPIRED if expired else None
        return None

    def _expired(self, suspected_s: float, silence: Silence, alive: int, *, dialable: bool) -> bool:
        config = self._config
        if silence.refusals >= config.refusals_min and not silence.timeouts:
            return suspected_s >= config.dead_after_refused_s
        # More members make more pairs, each of which may be unlucky, and more time between turns.
        scale = max(1.0, math.log10(alive))
        failed_enough = silence.failures >= scale * config.failures_min or not dialable
        return failed_enough and suspected_s >= scale * config.dead_after_s
