"""Whether the engine agrees with published test data of RingRift.

The data are a folder of states, moves and expectations, no part of this project; their README
tells what each item promises, and what is not to be relied on. Every item of the folder comes out
as passed, failed or skipped for a reason: nothing is left out in silence.

    python -m ringrift.rules.conformance DIR [--json]
"""

from ringrift.rules.conformance.folder import FolderError, Item, load, strata
from ringrift.rules.conformance.judge import judge
from ringrift.rules.conformance.verdict import Failed, Passed, Skipped, Verdict

__all__ = [
    "Failed",
    "FolderError",
    "Item",
    "Passed",
    "Skipped",
    "Verdict",
    "judge",
    "load",
    "strata",
]
