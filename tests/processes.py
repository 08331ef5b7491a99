"""Which processes are there; zombies are not."""

import subprocess


def running() -> dict[int, int]:
    """Return the process group of every process that runs, by process id."""
    listed = subprocess.run(
        ["ps", "-A", "-o", "pid=,pgid=,stat="], capture_output=True, text=True, check=True
    )
    rows = [line.split() for line in listed.stdout.splitlines()]
    return {int(pid): int(group) for pid, group, state in rows if not state.startswith("Z")}
