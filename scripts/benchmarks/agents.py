"""Agents to measure: started as a user starts them, and stopped with the benchmark."""

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ringrift import client
from ringrift.home import Home
from scripts.benchmarks.common import agent, environment

_start_s_max = 30.0


@contextlib.contextmanager
def running(folder: Path, *arguments: str) -> Iterator[tuple[int, Path]]:
    """Run an agent on loopback, without workers; yield its process id and socket."""
    options = ["--workers", "0", "--listen", "127.0.0.1:0", *arguments]
    with (
        (folder.parent / f"{folder.name}.log").open("wb") as log,
        subprocess.Popen(
            [*agent, "--home", str(folder), *options], env=environment, stderr=log
        ) as process,
    ):
        try:
            socket = Home.find(str(folder)).socket
            _await_answer(socket)
            yield process.pid, socket
        finally:
            process.terminate()
            process.wait()


def status(socket: Path) -> Any:
    """Ask an agent for its status."""
    return client.ask(socket, "GET", "/v1/status")


def joining(home: Path, socket: Path) -> tuple[str, ...]:
    """Let others join an agent that runs; return their arguments."""
    made = subprocess.run(
        [*agent, "token", "--home", str(home)], env=environment, check=True, capture_output=True
    )
    token = home.with_name(f"{home.name}.token")
    token.write_bytes(made.stdout)
    seed: str = status(socket)["node"]["listen"]
    return ("--join", seed, "--token-file", str(token))


def snapshot(pid: int, socket: Path) -> dict[str, float]:
    """Return what an agent has used so far, and the memory that it takes now."""
    gossip = status(socket)["traffic"]["gossip"]
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return {
        "exchanges": gossip["exchanges"],
        "body_bytes": gossip["body_bytes"],
        "cpu_s": ticks / os.sysconf("SC_CLK_TCK"),
        "memory_mb": pages * os.sysconf("SC_PAGE_SIZE") / 1e6,
    }


def memory_mb_max(pid: int) -> float:
    """Return the most memory that a process has taken so far."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "VmHWM":
            return int(value.split()[0]) * 1024 / 1e6
    raise RuntimeError("there is no VmHWM in /proc/PID/status")


def _await_answer(socket: Path) -> None:
    deadline_s = time.monotonic() + _start_s_max
    while True:
        try:
            status(socket)
        except client.NotRunning:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(0.05)
        else:
            return
