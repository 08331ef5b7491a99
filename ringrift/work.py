"""What workers play, and how the agent's helpers are started."""

import itertools
import shlex
import sys
from collections.abc import Mapping, Sequence

from managers.job_manager import Assigned
from mixins.runtime import Runtime
from ringrift.rules import configs

_player_kinds = ("greedy", "random")

lineups: Mapping[str, Sequence[tuple[str, ...]]] = {
    config.name: tuple(itertools.product(_player_kinds, repeat=config.players))
    for config in configs
}
"""By config, who may take the seats: every mix, for games between equals are all alike."""


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


def replayer_command() -> Sequence[str]:
    """Return the command line of what replays the games of others."""
    return _python("ringrift.replaying")


def _built_in() -> list[str]:
    return [
        *_python("ringrift.selfplay"),
        "--config", "{config}",
        "--players", "{players}",
        "--producer", "{producer}",
        "--time-offset-ms", "{time_offset_ms}",
        "--seeds", "-",
        "--leashed",
    ]  # fmt: skip


def _python(module: str) -> list[str]:
    safe_path = ["-P"] if sys.flags.safe_path else []
    return [sys.executable, *safe_path, "-m", module]
