"""Fixtures shared by every test."""

import logging
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from ringrift import logs
from tests.waiting import within_s

# How long an example takes is the machine's business. All else is as hypothesis has it: with `CI`
# in the environment, its examples are the same every time.
settings.register_profile(
    "unhurried", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("unhurried")


@pytest.fixture
def anyio_backend() -> str:
    """Run async tests on trio, as the agent does."""
    return "trio"


@pytest.fixture(scope="session", autouse=True)
def _heeds_signals() -> Iterator[None]:
    """Undo what may have been left to the tests: SIGINT ignored by a shell, SIGHUP by nohup."""
    interrupt = signal.signal(signal.SIGINT, signal.default_int_handler)
    hangup = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGHUP, hangup)


@pytest.fixture
def unhurried_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have all that was logged written in the end, however slow the machine."""
    monkeypatch.setattr(logs, "_flush_s_max", within_s)


@pytest.fixture
def root_logger() -> Iterator[None]:
    """Give the root logger its handlers and its level back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
