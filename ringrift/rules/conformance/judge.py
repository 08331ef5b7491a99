"""Judging an item by the check of its stratum."""

from collections.abc import Callable

from ringrift.rules.conformance.contract import check_contract
from ringrift.rules.conformance.extra import check_extra
from ringrift.rules.conformance.folder import Item
from ringrift.rules.conformance.parity import check_parity
from ringrift.rules.conformance.replay import check_game, check_transition
from ringrift.rules.conformance.verdict import Failed, Passed, Skipped, Verdict
from ringrift.rules.json_fields import Json


def _check_fsm(_value: Json) -> Skipped:
    return Skipped("fsm: an abstract phase diagram, for orientation only")


_checks: dict[str, Callable[[Json], Passed | Skipped]] = {
    "contract_extra": check_extra,
    "rules_parity": check_parity,
    "fsm": _check_fsm,
    "transitions": check_transition,
    "games": check_game,
}

_faults = (ArithmeticError, AttributeError, LookupError, RuntimeError, StopIteration, TypeError)
"""What a fault of the engine may raise; the other items are to be judged all the same."""


def judge(item: Item) -> Verdict:
    """Return what becomes of an item.

    What is illegal or cannot be read is a failure of the item, and so is a fault of the engine.
    """
    if item.value is None:
        return Failed("MANIFEST.json lists it, and no file holds it")
    try:
        if item.stratum == "contract_v2":
            return check_contract(item.value, item.label, item.earlier)
        return _checks[item.stratum](item.value)
    except ValueError as error:
        return Failed(str(error))
    except _faults as error:
        return Failed(f"the engine broke: {error!r}")
