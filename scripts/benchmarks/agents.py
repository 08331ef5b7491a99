"""Agents to measure: started as a user starts them, and stopped with the benchmark."""

import contextlib
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
