"""What becomes of an item, and how what was found is compared with what was expected."""

import dataclasses
from collections.abc import Mapping

from ringrift.rules.errors import shown


class Difference(ValueError):
    """The engine does not do what an item expects; the message says where this shows first."""


@dataclasses.dataclass(frozen=True, slots=True)
class Passed:
    """Everything that the item expects holds, but for what the notes name."""

    notes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Failed:
    """Something does not hold."""

    difference: str


@dataclasses.dataclass(frozen=True, slots=True)
class Skipped:
    """The item is not to be relied on."""

    reason: str


Verdict = Passed | Failed | Skipped


def compare(name: str, found: object, expected: object) -> None:
    """Raise `Difference` that names the first part in which two values differ.

    Maps are compared key by key, in the order of the keys.
    """
    if isinstance(found, Mapping) and isinstance(expected, Mapping):
        for key in sorted({*found, *expected}):
            if key not in expected:
                raise Difference(f"{name}[{key}] is {shown(found[key])}; expected nothing")
            if key not in found:
                raise Difference(f"{name}[{key}] is missing; expected {shown(expected[key])}")
            compare(f"{name}[{key}]", found[key], expected[key])
    elif found != expected:
        raise Difference(f"{name} is {shown(found)}; expected {shown(expected)}")


def compare_fields(name: str, found: Mapping[str, object], expected: Mapping[str, object]) -> None:
    """Compare the fields that are expected, and no others. Raises `Difference`."""
    for field, value in expected.items():
        if field not in found:
            known = ", ".join(found)
            raise Difference(f"{name} has the field {shown(field)}; expected only {known}")
        compare(f"{name}.{field}", found[field], value)
