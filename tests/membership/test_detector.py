"""When silence becomes suspicion, and suspicion death."""

import itertools

import pytest

from p2p.membership.detector import (
    Cause,
    Detector,
    MembershipConfig,
    MemberState,
    Silence,
    patient_probe_every,
    transitions,
)

config = MembershipConfig()

table = """
              HEARD    RENEWED  DOUBTED  EXPIRED  LEFT
UNVERIFIED    ALIVE    -        -        -        -
ALIVE         -        -        SUSPECT  -        LEFT
SUSPECT       ALIVE    ALIVE    -        DEAD     LEFT
DEAD          ALIVE    ALIVE    -        -        LEFT
LEFT          -        ALIVE    -        -        -
"""


def test_states_change_as_the_table_says() -> None:
    header, *rows = (line.split() for line in table.strip().splitlines())
    written = {
        (MemberState[state], Cause[cause]): MemberState[new]
        for state, *news in rows
        for cause, new in zip(header, news, strict=True)
        if new != "-"
    }
    assert transitions == written
    assert header == [cause.name for cause in Cause]
    assert [row[0] for row in rows] == [state.name for state in MemberState]


def test_of_two_judgements_the_graver_counts() -> None:
    assert MemberState.ALIVE < MemberState.SUSPECT < MemberState.DEAD < MemberState.LEFT


def test_the_timeout_follows_the_round_trips_within_limits() -> None:
    detector = Detector(config)
    assert detector.timeout_s == config.timeout_s_max
    detector.measured(0.001)
    assert detector.timeout_s == config.timeout_s_min
    for _ in range(20):
        detector.measured(0.6)
    assert detector.timeout_s == pytest.approx(1.2)
    for _ in range(20):
        detector.measured(9.0)
    assert detector.timeout_s == config.timeout_s_max
    for _ in range(128):
        detector.measured(0.001)
    assert detector.timeout_s == config.timeout_s_min


def test_one_slow_round_trip_in_a_hundred_leaves_the_timeout_alone() -> None:
    detector = Detector(config)
    for round_trip_s in [0.3] * 50 + [2.9] + [0.3] * 60:
        detector.measured(round_trip_s)
    assert detector.timeout_s == pytest.approx(0.6)


def test_some_probes_of_a_silent_peer_are_patient() -> None:
    detector = Detector(config)
    detector.measured(0.01)
    timeouts = [detector.probe_timeout_s(Silence(0.0, timeouts=failures)) for failures in range(10)]
    assert timeouts.count(config.timeout_s_max) == 10 // patient_probe_every
    assert timeouts[0] == config.timeout_s_min


def judged(
    state: MemberState,
    silence: Silence,
    now_s: float,
    *,
    since_s: float = 0.0,
    alive: int = 3,
    dialable: bool = True,
) -> Cause | None:
    detector = Detector(config)
    detector.measured(0.01)
    return detector.judge(state, since_s, silence, now_s, alive=alive, dialable=dialable)


@pytest.mark.parametrize("silence", [Silence(0.0, timeouts=1), Silence(0.0, refusals=1)])
def test_silence_and_a_failed_probe_make_a_suspect(silence: Silence) -> None:
    assert judged(MemberState.ALIVE, silence, 2.9) is None
    assert judged(MemberState.ALIVE, silence, 3.1) is Cause.DOUBTED


def test_silence_alone_makes_no_suspect_of_a_peer_that_we_can_dial() -> None:
    assert judged(MemberState.ALIVE, Silence(0.0), 1000.0) is None
    assert judged(MemberState.ALIVE, Silence(0.0), 1000.0, dialable=False) is Cause.DOUBTED


def test_in_a_big_mesh_a_peer_may_be_silent_until_its_turn() -> None:
    silence = Silence(0.0, timeouts=5)
    assert judged(MemberState.ALIVE, silence, 100.0, alive=100) is None
    assert judged(MemberState.ALIVE, silence, 130.0, alive=100) is Cause.DOUBTED


@pytest.mark.parametrize(
    ("silence", "suspected_s", "expected"),
    [
        (Silence(0.0, timeouts=10), 7.9, None),
        (Silence(0.0, timeouts=10), 8.1, Cause.EXPIRED),
        (Silence(0.0, timeouts=9), 60.0, None),
        (Silence(0.0, refusals=3), 3.9, None),
        (Silence(0.0, refusals=3), 4.1, Cause.EXPIRED),
        (Silence(0.0, refusals=2), 60.0, None),
        (Silence(0.0, timeouts=1, refusals=3), 4.1, None),
        (Silence(0.0, timeouts=1, refusals=9), 8.1, Cause.EXPIRED),
    ],
)
def test_a_suspect_dies_of_time_and_failed_probes(
    silence: Silence, suspected_s: float, expected: Cause | None
) -> None:
    assert judged(MemberState.SUSPECT, silence, suspected_s) is expected


def test_a_bigger_mesh_takes_more_time_and_more_probes() -> None:
    silence = Silence(0.0, timeouts=20)
    assert judged(MemberState.SUSPECT, silence, 15.9, alive=100) is None
    assert judged(MemberState.SUSPECT, silence, 16.1, alive=100) is Cause.EXPIRED
    assert judged(MemberState.SUSPECT, Silence(0.0, timeouts=19), 60.0, alive=100) is None


def test_a_suspect_that_cannot_be_dialled_dies_of_time_alone() -> None:
    assert judged(MemberState.SUSPECT, Silence(0.0), 7.9, dialable=False) is None
    assert judged(MemberState.SUSPECT, Silence(0.0), 8.1, dialable=False) is Cause.EXPIRED


def test_silence_says_nothing_new_of_the_dead_the_left_and_strangers() -> None:
    others = [MemberState.UNVERIFIED, MemberState.DEAD, MemberState.LEFT]
    for state, dialable in itertools.product(others, [True, False]):
        silence = Silence(0.0, timeouts=99)
        assert judged(state, silence, 1e6, dialable=dialable) is None


@pytest.mark.parametrize(
    "bad", [{"timeout_s_min": 4.0}, {"timeout_s_min": 0.0}, {"probe_interval_s": 0.0}]
)
def test_a_senseless_config_is_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=" s "):
        MembershipConfig(**bad)  # type: ignore[arg-type]
