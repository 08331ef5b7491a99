"""What workers play, and how one is started."""

import shlex
import sys
from collections.abc import Sequence

from managers.job_manager import Assigned
from managers.selfplay_scheduler import Assignment
from mixins.runtime import Runtime

assignments = tuple(
    Assignment("square8_2p", players)
    for players in (
        ("greedy", "random"),
        ("random", "greedy"),
        ("greedy", "greedy"),
        ("random", "random"),
    )
)


def worker_command(template: str | None, runtime: Runtime, assignment: Assigned) -> Sequence[str]:
    """Return the command line of a worker: the built-in one, or the user's own.

    In a template, the words `{config}`, `{players}`, `{producer}` and `{time_offset_ms}` are
    replaced. See `docs/workers.md`.
    """
    fields = {
        "{config}": assignment.config,
        "{players}": ",".join(assignment.players),
        "{producer}": runtime.node.hex(),
        "{time_offset_ms}": str(runtime.peers.median_offset_ms()),
    }
    words = _built_in() if template is None else shlex.split(template)
    return [fields.get(word, word) for word in words]


def _built_in() -> list[str]:
    safe_path = ["-P"] if sys.flags.safe_path else []
    return [
        sys.executable, *safe_path, "-m", "ringrift.selfplay",
        "--config", "{config}",
        "--players", "{players}",
        "--producer", "{producer}",
        "--time-offset-ms", "{time_offset_ms}",
        "--seeds", "-",
        "--leashed",
    ]  # fmt: skip
