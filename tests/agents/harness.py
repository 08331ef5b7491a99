"""Whole agents as a user runs them: processes, real sockets, mutual TLS on loopback."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import trio
import trio.to_thread

from ringrift import client
from ringrift.home import Home
from tests.waiting import TooLate, eventually, within_s

project = Path(__file__).resolve().parent.parent.parent


def environment() -> dict[str, str]:
    """Return what an agent under test inherits: nothing of the developer's own agents."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RINGRIFT_")}
    return kept | {"PYTHONPATH": str(project), "PYTHONWARNINGS": "default"}


class AgentProcess:
    """One running agent."""

    def __init__(self, name: str, home: Path, process: trio.Process) -> None:
        self.name = name
        self.home = home
        self.process = process
        self.log = b""
        self._drained = trio.Event()

    def __str__(self) -> str:
        return f"--- {self.name}\n{self.log.decode(errors='replace')}"

    async def drain(self) -> None:
        """Keep everything that the agent says."""
        assert self.process.stderr is not None
        async for chunk in self.process.stderr:
            self.log += chunk
        self._drained.set()

    async def ask(self, method: str, target: str) -> Any:
        """Ask the agent over its socket; None while it does not answer."""
        path = Home.find(str(self.home)).socket
        try:
            return await trio.to_thread.run_sync(client.ask, path, method, target)
        except (client.NotRunning, client.AgentError):
            return None

    async def status(self) -> Any:
        """Return the agent's status, or None while it does not answer."""
        return await self.ask("GET", "/v1/status")

    async def ready(self) -> "AgentProcess":
        """Wait until it answers."""
        await eventually(f"{self.name} answers", self.status, context=lambda: self)
        return self

    async def address(self) -> str:
        """Return where it listens."""
        status = await eventually("a status", self.status, context=lambda: self)
        return str(status["node"]["listen"])

    async def games(self) -> set[str]:
        """Return the ids of the games it holds."""
        path = Home.find(str(self.home)).socket
        chunks = await trio.to_thread.run_sync(
            lambda: b"".join(client.stream(path, "GET", "/v1/games/ids"))
        )
        return set(chunks.decode().split())

    def has_stored(self, query: str, value: bytes) -> bool:
        """Look for a row in its store while it runs: what it tells may not be on the disk yet."""
        path = Home.find(str(self.home)).store
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            return database.execute(query, [value]).fetchone() is not None

    async def pause(self) -> None:
        """Have it play no more, and wait until it does not."""
        paused = await command(self.home, "pause")
        assert paused.returncode == 0, paused.stderr

        async def at_rest() -> bool:
            status = await self.status()
            return bool(status) and {job["state"] for job in status["jobs"]} == {"paused"}

        await eventually(f"{self.name} is paused", at_rest, context=lambda: self)

    async def stop(self) -> int:
        """Ask it to stop, as Ctrl-C does, and return its exit status."""
        self.process.send_signal(signal.SIGINT)
        return await self.ended()

    async def ended(self) -> int:
        """Wait until it has ended and its last words are in `log`; return its exit status."""
        with trio.move_on_after(within_s):
            status = await self.process.wait()
            await self._drained.wait()
            return status
        raise TooLate(f"{self.name} ends: not within {within_s} s\n{self}")

    async def kill(self) -> None:
        """End it as the power cut does."""
        self.process.kill()
        await self.process.wait()


class Fleet:
    """The agents of one test, all of them ended with it."""

    def __init__(self, folder: Path, nursery: trio.Nursery) -> None:
        self._folder = folder
        self._nursery = nursery
        self.agents: list[AgentProcess] = []

    def logs(self) -> str:
        """Return what all agents have said."""
        return "\n".join(map(str, self.agents))

    async def start(
        self, name: str, *arguments: str, extra: Mapping[str, str] | None = None
    ) -> AgentProcess:
        """Start an agent whose home is named after it, and wait until it answers."""
        return await (await self.launch(name, *arguments, extra=extra)).ready()

    async def launch(
        self, name: str, *arguments: str, extra: Mapping[str, str] | None = None
    ) -> AgentProcess:
        """Start an agent."""
        home = self._folder / name
        process = await trio.lowlevel.open_process(
            [sys.executable, "-P", "-m", "ringrift", "--home", str(home), "run", "--name", name]
            + (["--listen", "127.0.0.1:0"] if "--listen" not in arguments else [])
            + list(arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment() | dict(extra or {}),
            start_new_session=True,
        )
        agent = AgentProcess(name, home, process)
        self.agents.append(agent)
        self._nursery.start_soon(agent.drain)
        return agent

    async def founded(self, name: str = "a", *arguments: str) -> tuple[AgentProcess, str, str]:
        """Start the agent that makes the mesh; return it, its address and a token."""
        agent = await self.start(name, *arguments)
        return agent, await agent.address(), await token(agent.home)

    async def everywhere(self, ids: set[str], *agents: AgentProcess) -> None:
        """Wait until each of the agents holds all of these games."""

        async def held() -> bool:
            return all([ids <= await agent.games() for agent in agents])

        await eventually(f"{len(ids)} games are on all", held, context=self.logs)

    async def games_on(self, agent: AgentProcess, count: int) -> set[str]:
        """Wait until an agent holds so many games, and return their ids."""

        async def enough() -> set[str]:
            found = await agent.games()
            return found if len(found) >= count else set()

        return await eventually(f"{count} games on {agent.name}", enough, context=self.logs)

    async def member_state(self, agent: AgentProcess, of: str, state: str) -> None:
        """Wait until an agent holds the member named `of` to be in this state."""

        async def is_so() -> bool:
            status = await agent.status()
            members = status["mesh"]["members"] if status else []
            return any(m["name"] == of and m["state"] == state for m in members)

        await eventually(f"{agent.name} holds {of} to be {state}", is_so, context=self.logs)


async def token(home: Path, *arguments: str) -> str:
    """Make a join token with the root key in `home`."""
    done = await command(home, "token", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


async def command(home: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a verb of the command line and return how it went."""
    done = await trio.run_process(
        [sys.executable, "-P", "-m", "ringrift", *arguments, "--home", str(home)],
        capture_stdout=True,
        capture_stderr=True,
        check=False,
        env=environment(),
    )
    return subprocess.CompletedProcess(
        arguments, done.returncode, done.stdout.decode(), done.stderr.decode()
    )


@contextlib.asynccontextmanager
async def fleet(folder: Path) -> AsyncIterator[Fleet]:
    """Give a test its agents, and end them all with it."""
    async with trio.open_nursery() as nursery:
        agents = Fleet(folder, nursery)
        try:
            yield agents
        finally:
            with trio.CancelScope(shield=True):
                for agent in agents.agents:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(agent.process.pid, signal.SIGKILL)
                    await agent.process.wait()
            nursery.cancel_scope.cancel()
