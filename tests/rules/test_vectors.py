"""The engine agrees with the published data, as far as their README calls them an oracle."""

import pytest

from ringrift.rules.conformance import Failed, Item, Passed, Skipped, judge
from tests.rules import vectors

pytestmark = pytest.mark.skipif(not vectors.found(), reason=vectors.absent)


@pytest.mark.parametrize("item", vectors.every(), ids=lambda item: f"{item.stratum}/{item.id}")
def test_an_item_holds_or_is_skipped_for_a_reason(item: Item) -> None:
    verdict = judge(item)
    assert not isinstance(verdict, Failed), verdict.difference
    if isinstance(verdict, Skipped):
        assert item.stratum not in ("transitions", "games")
        assert item.label not in ("A", "B")


def test_one_assertion_of_one_vector_is_set_aside() -> None:
    crossing = "multiplayer.line.4marker_line_in_2p"
    verdicts = {item.id: judge(item) for item in vectors.every() if item.stratum == "contract_v2"}
    if crossing not in verdicts:
        pytest.skip(f"{crossing} is not in {vectors.folder}")
    remarked = [
        name for name, verdict in verdicts.items() if isinstance(verdict, Passed) and verdict.notes
    ]
    assert remarked == [crossing]
