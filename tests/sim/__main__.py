"""Replay a simulated run, and print what happened."""

import argparse
import sys
from collections.abc import Sequence

from tests.sim.run import random_run

_description = """\
Run whole agents in virtual time, in one process, under faults drawn from a seed: loss, duplication,
cuts, crashes, restarts, lost disks. In the end everything is healed, and the promises are checked.
Print what happened, a line each: virtual seconds, who, what. The same seed gives the same run.
"""

_epilog = "Exit status: 0 if all promises were kept, 1 if not, 2 if the command makes no sense."


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.sim",
        description=_description,
        epilog=_epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seed", type=int, required=True, help="what everything follows from")
    parser.add_argument("--nodes", type=int, default=5, help="boxes, 3 to 26 (default 5)")
    parser.add_argument("--steps", type=int, default=30, help="faults and games (default 30)")
    options = parser.parse_args(words)
    if not 3 <= options.nodes <= 26:
        parser.error(f"--nodes {options.nodes} is not from 3 to 26")
    if options.steps < 0:
        parser.error(f"--steps {options.steps} is less than 0")
    result = random_run(options.seed, options.nodes, options.steps)
    print("\n".join(result.trace))
    if result.failure:
        print(f"seed {options.seed}: FAILED: {result.failure}", file=sys.stderr)
        return 1
    print(f"seed {options.seed}: every promise was kept")
    return 0


if __name__ == "__main__":
    sys.exit(main())
