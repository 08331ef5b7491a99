"""Both engines count the moves that were recorded, and only those."""

import sys

import pytest

from ringrift.rules import Config, configs
from scripts import compare_rules
from tests.rules import lockstep, perft

by_config = pytest.mark.parametrize("config", configs, ids=lambda config: config.name)


def is_small(config: Config) -> bool:
    """Return whether the slow engine counts on this board in little time."""
    return config.board in ("square8", "hex8")


@by_config
def test_node_counts_from_the_start(config: Config) -> None:
    wanted = perft.from_start[config.board]
    # `scripts/compare_rules.py --perft` counts all the rest too; here the third move is forced.
    depth = 3 if is_small(config) or config.players == 2 else 1
    slow_depth = 3 if is_small(config) else 1
    pair = lockstep.from_start(config)
    assert perft.by_engine(pair, depth) == wanted[:depth]
    assert perft.by_reference(pair, slow_depth) == wanted[:slow_depth]


@by_config
def test_node_counts_from_strewn_pieces(config: Config) -> None:
    slow_depth = 3 if is_small(config) else 2
    for place in perft.strewn[config.name]:
        pair = perft.pair_of(config, place)
        assert perft.by_engine(pair) == place.counts, place
        assert perft.by_reference(pair, slow_depth) == place.counts[:slow_depth], place


@pytest.mark.parametrize(
    ("text", "status", "verdict"),
    [
        ((183, 2_430, 2_430), 0, "alike"),
        ((183, 1, 1), 1, "engine (183, 2430, 2430), text (183, 1, 1)"),
    ],
)
def test_the_script_tells_which_engine_counts_otherwise(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    text: perft.Counts,
    status: int,
    verdict: str,
) -> None:
    monkeypatch.setattr(sys, "argv", ["compare_rules.py", "--perft", "--config", "hex8_2p"])
    monkeypatch.setattr(perft, "strewn", {"hex8_2p": ()})
    monkeypatch.setattr(perft, "by_engine", lambda pair: perft.from_start["hex8"])
    monkeypatch.setattr(perft, "by_reference", lambda pair: text)
    assert compare_rules.main() == status
    told = capsys.readouterr().out
    assert told == f"hex8_2p from start: recorded (183, 2430, 2430), {verdict}\n"
