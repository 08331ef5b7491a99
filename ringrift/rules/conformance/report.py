"""Counting verdicts, and telling them to a person or to a program."""

import collections
import dataclasses
from collections.abc import Iterable, Iterator

from ringrift.printable import printable
from ringrift.rules.conformance.folder import Item, strata
from ringrift.rules.conformance.verdict import Failed, Passed, Skipped, Verdict


@dataclasses.dataclass(slots=True)
class Tally:
    """How many items passed, failed, and were skipped for which reason."""

    passed: int = 0
    failed: int = 0
    skipped: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    remarks: list[str] = dataclasses.field(default_factory=list)
    """What to know of single items that passed."""
    failures: list[str] = dataclasses.field(default_factory=list)
    """Each failed item's id, and what differs first."""

    def add(self, item: Item, verdict: Verdict) -> None:
        """Count one more item."""
        match verdict:
            case Passed(notes):
                self.passed += 1
                self.remarks += [printable(f"{item.id}: {note}") for note in notes]
            case Failed(difference):
                self.failed += 1
                self.failures.append(printable(f"{item.id}: {difference}"))
            case Skipped(reason):
                self.skipped[reason] += 1

    def __str__(self) -> str:
        """Return the three numbers in words."""
        return f"{self.passed} passed, {self.failed} failed, {self.skipped.total()} skipped"


def tally(verdicts: Iterable[tuple[Item, Verdict]]) -> dict[str, Tally]:
    """Count by stratum; every stratum is there, also if it has no item."""
    counted = {stratum: Tally() for stratum in strata}
    for item, verdict in verdicts:
        counted[item.stratum].add(item, verdict)
    return counted


def as_lines(tallies: dict[str, Tally]) -> Iterator[str]:
    """Yield the report for a person to read."""
    width = max(map(len, tallies))
    for stratum, counted in tallies.items():
        yield f"{stratum:{width}}  {counted}"
        yield from (f"  failed   {failure}" for failure in counted.failures)
        yield from (f"  passed   {remark}" for remark in counted.remarks)
        for reason, count in sorted(counted.skipped.items()):
            yield f"  skipped  {count:3} {reason}"
    whole = Tally()
    for counted in tallies.values():
        whole.passed += counted.passed
        whole.failed += counted.failed
        whole.skipped += counted.skipped
    yield f"{'in all':{width}}  {whole}"


def as_json(tallies: dict[str, Tally]) -> dict[str, dict[str, object]]:
    """Return the report for a program: the three numbers by stratum, skips by their reasons."""
    return {
        stratum: {
            "passed": counted.passed,
            "failed": counted.failed,
            "skipped": dict(sorted(counted.skipped.items())),
        }
        for stratum, counted in tallies.items()
    }
