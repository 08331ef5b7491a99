"""Measures this build beside its peers, both in one run: `python scripts/bench.py NAME [--json]`.

A ratio is ours divided by the peer's, the median of several turns taken alternately, so that a
machine that is slow today is slow for both.
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.benchmarks import (
    cli,
    delta,
    filters,
    idle,
    in_sync,
    ingest,
    rules,
    sync_cold,
    sync_cold_1m,
)
from scripts.benchmarks.common import Metric

benchmarks = {
    "cli": cli.measure,
    "delta": delta.measure,
    "filter": filters.measure,
    "idle": idle.measure,
    "in-sync": in_sync.measure,
    "ingest": ingest.measure,
    "rules": rules.measure,
    "sync-cold-10k": sync_cold.measure,
    "sync-cold-1M": sync_cold_1m.measure,
}


_interrupted = 130


def main() -> int:
    """Run one benchmark, print what it measured, and return the exit status."""
    parser = argparse.ArgumentParser(prog="bench.py", description=__doc__)
    parser.add_argument("name", choices=sorted(benchmarks))
    parser.add_argument("--json", action="store_true", help="print data for a program to read")
    options = parser.parse_args()
    try:
        metrics = benchmarks[options.name]()
    except KeyboardInterrupt:
        sys.stderr.write("stopped; nothing was measured\n")
        return _interrupted
    if options.json:
        shown = {name: metric.as_json() for name, metric in metrics.items()}
        sys.stdout.write(json.dumps({"bench": options.name, "metrics": shown}) + "\n")
    else:
        show(options.name, metrics)
    return 0


def show(name: str, metrics: dict[str, Metric]) -> None:
    """Print a table."""
    rows = [("", "ours", "peer", "ratio", "")]
    for metric, value in metrics.items():
        peer = "-" if value.peer is None else f"{value.peer:,.4g}"
        ratio = "-" if value.ratio is None else f"{value.ratio:.3f}"
        rows.append((metric, f"{value.ours:,.4g}", peer, ratio, value.unit))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    sys.stdout.write(f"{name}\n")
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:4], widths[1:4], strict=True)]
        sys.stdout.write("  ".join([*cells, row[4]]).rstrip() + "\n")


if __name__ == "__main__":
    sys.exit(main())
