"""A cold node takes 10,000 records of 2 KB from another and commits them.

Ours: from an agent in a process of its own, over mutual TLS. The peer: rsync from a daemon on
loopback, without encryption, every file synced to the disk as our records are.
"""

import contextlib
import logging
import os
import random
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import trio

from managers.state.store import SqliteStore
from managers.sync_planner import SyncPlanner
from mixins.clock import SystemClock
from mixins.runtime import Runtime
from mixins.store_access import StoreAccess
from mixins.threads import WorkerThreads
from p2p.events import EventBus
from p2p.identity import tls
from p2p.identity.certificates import Credentials
from p2p.identity.ids import NodeId
from p2p.identity.keyring import Keyring
from p2p.identity.tokens import Token, grant_token
from p2p.kinds import Kinds
from p2p.membership import Member, Membership, MembershipConfig, MemberState
from p2p.records import Core
from ringrift.commands.common import now_utc
from ringrift.home import Home
from scripts.benchmarks.agents import running, status
from scripts.benchmarks.common import Metric, alternate, load, records
from transports.base import Address
from transports.https import HttpsTransport

_count = 10_000
_turns = 3


def measure() -> dict[str, Metric]:
    """Return the seconds from the first message to the last commit."""
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        with running(folder / "agent"):
            pass  # so that it has its keys
        load(Home.find(str(folder / "agent")).store, records(_count))
        _, path = stack.enter_context(running(folder / "agent"))
        member = _member(status(path))
        rsync = _rsync(folder, stack) if shutil.which("rsync") else None

        def ours() -> float:
            return trio.run(_pull, folder / "agent", member, Path(tempfile.mkdtemp(dir=folder)))

        return {"seconds": alternate(ours, rsync, "s", turns=_turns)}


def _member(found: dict[str, dict[str, str]]) -> Member:
    node = NodeId(bytes.fromhex(found["node"]["id"]))
    address = Address.parse(found["node"]["listen"], 0)
    core = Core(mesh=bytes(8), node=node, epoch=1, boot=bytes(8))  # type: ignore[arg-type]
    place = ((address.host, address.port),)
    return Member(node, "agent", MemberState.ALIVE, 0.0, place, "", True, core, None)


async def _pull(home: Path, member: Member, folder: Path) -> float:
    """Join as a cold node, take everything, and return how long that took."""
    root = Keyring(home).load_root()
    assert root is not None
    credentials = Token.parse(grant_token(root, now_utc()), now_utc()).admit(now_utc(), None)
    keyring = Keyring(folder / "keys")
    keyring.save_credentials(credentials)
    store = SqliteStore(folder / "records.db", Kinds(), os.urandom)
    transport = HttpsTransport(
        credentials.mesh, tls.client_context(keyring), tls.server_context(keyring)
    )
    async with contextlib.aclosing(transport):
        with contextlib.closing(store):
            planner = SyncPlanner(_runtime(credentials, store), transport=transport)
            started = time.perf_counter()
            outcome = await planner.exchange(member)
            elapsed = time.perf_counter() - started
            assert outcome.complete
            assert outcome.taken == store.view().root().known.count == _count
    return elapsed


def _runtime(credentials: Credentials, store: SqliteStore) -> Runtime:
    rng = random.Random(1)
    core = Core(mesh=credentials.mesh, node=credentials.node, epoch=1, boot=bytes(8))
    threads = WorkerThreads()
    return Runtime(
        node=credentials.node,
        clock=SystemClock(),
        rng=rng,
        new_id=os.urandom,
        threads=threads,
        log=logging.getLogger("bench"),
        store=StoreAccess(store, threads),
        bus=EventBus(),
        peers=Membership(credentials.key, core, config=MembershipConfig(), rng=rng, now_s=0.0),
    )


def _rsync(folder: Path, stack: contextlib.ExitStack) -> Callable[[], float]:
    source = folder / "files"
    source.mkdir()
    for number, record in enumerate(records(_count)):
        (source / f"{number:05}").write_bytes(record)
    port = stack.enter_context(_daemon(folder, source))

    def copy() -> float:
        target = tempfile.mkdtemp(dir=folder)
        started = time.perf_counter()
        subprocess.run(
            ["rsync", "-a", "--fsync", f"rsync://127.0.0.1:{port}/files/", target], check=True
        )
        return time.perf_counter() - started

    return copy


@contextlib.contextmanager
def _daemon(folder: Path, source: Path) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    settings = folder / "rsyncd.conf"
    settings.write_text(
        f"port = {port}\naddress = 127.0.0.1\nuse chroot = no\n[files]\npath = {source}\n"
    )
    command = ["rsync", "--daemon", "--no-detach", f"--config={settings}"]
    with subprocess.Popen(command) as process:
        try:
            _await_port(port)
            yield port
        finally:
            process.terminate()


def _await_port(port: int) -> None:
    for _ in range(200):
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port)).close()
            return
        time.sleep(0.05)
    raise RuntimeError(f"no rsync daemon at port {port}")
