"""The benchmarks' command line: what it says while it measures, and when it is stopped."""

import sys
from typing import NoReturn

import pytest

from ringrift.rules import configs
from scripts import bench
from scripts.benchmarks import rules
from scripts.benchmarks.common import Metric


@pytest.fixture
def instant_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure the engine in no time."""
    monkeypatch.setattr(rules, "_play", lambda config: {"moves_per_s": Metric(2, 1, "moves/s")})
    monkeypatch.setattr(rules, "_operate", lambda config: {})
    monkeypatch.setattr(sys, "argv", ["bench.py", "rules"])


@pytest.mark.usefixtures("instant_rules")
def test_the_rules_benchmark_names_the_config_at_hand_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert bench.main() == 0
    assert capsys.readouterr().err.splitlines() == [
        f"{config.name}, {number} of 12" for number, config in enumerate(configs, 1)
    ]


@pytest.mark.usefixtures("instant_rules")
def test_elsewhere_it_measures_in_silence(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main() == 0
    out, err = capsys.readouterr()
    assert "square8_2p_moves_per_s" in out
    assert err == ""


@pytest.mark.usefixtures("instant_rules")
def test_an_interrupt_ends_a_benchmark_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setitem(bench.benchmarks, "rules", interrupted)
    assert bench.main() == 130
    assert capsys.readouterr() == ("", "stopped; nothing was measured\n")
