"""The engine agrees with the published data, as far as their README calls them an oracle."""

from collections.abc import Mapping

import pytest

from ringrift.rules.conformance import Failed, Item, Passed, Skipped, Verdict, judge
from tests.rules import vectors

pytestmark = pytest.mark.skipif(not vectors.found(), reason=vectors.absent)


Verdicts = Mapping[tuple[str, str], Verdict]


@pytest.fixture(scope="module")
def verdicts() -> Verdicts:
    """Return what becomes of each item."""
    return {(item.stratum, item.id): judge(item) for item in vectors.every()}


@pytest.mark.parametrize("item", vectors.every(), ids=lambda item: f"{item.stratum}/{item.id}")
def test_an_item_holds_or_is_skipped_for_a_reason(item: Item, verdicts: Verdicts) -> None:
    verdict = verdicts[item.stratum, item.id]
    assert not isinstance(verdict, Failed), verdict.difference
    if isinstance(verdict, Skipped):
        assert item.stratum not in ("transitions", "games")
        assert item.label not in ("A", "B")


def test_one_assertion_of_one_item_is_set_aside(verdicts: Verdicts) -> None:
    remarked = [
        name for name, verdict in verdicts.items() if isinstance(verdict, Passed) and verdict.notes
    ]
    assert remarked == [("contract_v2", "multiplayer.line.4marker_line_in_2p")]
