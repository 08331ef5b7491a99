"""`run`: start the agent on this box."""

import argparse
import errno
import logging
import os
import random
import socket
import sys
from collections.abc import Iterable, Sequence

import trio

from managers.state.store import SqliteStore
from mixins.clock import SystemClock
from mixins.threads import WorkerThreads
from p2p.batch import batch_kind
from p2p.identity import tls
from p2p.identity.ids import MeshId, NodeId, mesh_id_bytes, node_id_bytes
from p2p.identity.keyring import Keyring
from p2p.identity.tokens import TokenRefused, grant_token
from p2p.kinds import Kinds
from p2p.records import Core, boot_bytes, payload_of
from ringrift import __version__
from ringrift.addresses import addresses_max
from ringrift.agent import Agent, AgentSettings, World, protocol_versions
from ringrift.cli import default_port
from ringrift.commands import faults
from ringrift.commands.common import home_of, new_id, now_utc, say
from ringrift.exits import Exit
from ringrift.game_record import GAME
from ringrift.joining import CannotJoin, Joined, enter, leave, read_token
from ringrift.logs import set_up
from ringrift.printable import printable
from transports.base import Address
from transports.https import HttpsTransport
from transports.listeners import open_tcp

ports_tried = 100
"""From the default port on, until one is free; a port asked for by name is the only one tried."""

name_chars_max = 64
worker_variable = "RINGRIFT_WORKER"


class _BadOption(ValueError):
    """An option that makes no sense; the message names it."""


class _CannotListen(OSError):
    """The port cannot be had; the message says why, and what to do."""


def run(options: argparse.Namespace) -> int:
    """Run the agent until it is told to stop, and return how that ended."""
    home = home_of(options)
    try:
        settings = _settings(options, seeds=_addresses("--join", options.join))
        listen = _addresses("--listen", [options.listen] if options.listen else [])
        token = read_token(options.token, options.token_file)
        home.prepare()
        with home.locked():
            joined = enter(home, token=token, seeds=settings.seeds, now=now_utc())
            with set_up() as log:
                ended = trio.run(_run, log, settings, joined, listen[0] if listen else None)
            if ended == Exit.NOT_ADMITTED and joined.fresh:
                leave(home)
            return ended
    except (_BadOption, CannotJoin, TokenRefused) as error:
        say(str(error))
        return Exit.USAGE
    except (*faults.possible, ExceptionGroup) as error:
        sentence = faults.sentence(error)
        if sentence is None:
            raise
        say(sentence)
        return Exit.ERROR


def _settings(options: argparse.Namespace, seeds: tuple[Address, ...]) -> AgentSettings:
    name = _name(options.name)
    return AgentSettings(
        home=home_of(options),
        name=name,
        seeds=seeds,
        advertised=_advertised(options.advertise, name),
        workers=_default_workers() if options.workers is None else options.workers,
        durable=not options.ephemeral,
        worker=os.environ.get(worker_variable),
    )


def _name(given: str | None) -> str:
    if given is None:
        return printable(socket.gethostname())[:name_chars_max]
    if not 1 <= len(given) <= name_chars_max:
        raise _BadOption(f"--name is {len(given)} characters long, not 1 to {name_chars_max}")
    if not given.isprintable():
        raise _BadOption(f"--name {given!r} has a character that cannot be shown")
    return given


def _advertised(texts: Sequence[str], name: str) -> tuple[Address, ...]:
    if len(texts) > addresses_max:
        raise _BadOption(f"--advertise may be given {addresses_max} times, not {len(texts)}")
    advertised = _addresses("--advertise", texts, default=0)
    try:
        payload_of(_largest_core(name, advertised))
    except ValueError as error:
        raise _BadOption(
            f"--advertise: the addresses are too long to be told to others ({error})"
        ) from None
    return advertised


def _largest_core(name: str, advertised: Iterable[Address]) -> Core:
    """Return what the node will say of itself, with every number at its largest."""
    counter_max = 2**32 - 1
    return Core(
        mesh=MeshId(bytes(mesh_id_bytes)),
        node=NodeId(bytes(node_id_bytes)),
        epoch=counter_max,
        boot=bytes(boot_bytes),
        incarnation=counter_max,
        version=counter_max,
        addresses=tuple((each.host, each.port or default_port) for each in advertised),
        name=name,
        software=__version__,
        protocol=protocol_versions,
    )


def _default_workers() -> int:
    """Leave one core to the agent and the box's other duties."""
    return max(1, (os.cpu_count() or 1) - 1)


def _addresses(
    option: str, texts: Iterable[str], *, default: int = default_port
) -> tuple[Address, ...]:
    try:
        return tuple(Address.parse(text, default) for text in texts)
    except ValueError as error:
        raise _BadOption(f"{option}: {error}; write HOST:PORT, or [IPv6]:PORT") from None


async def _run(
    log: logging.Logger, settings: AgentSettings, joined: Joined, listen: Address | None
) -> int:
    threads = WorkerThreads()
    credentials = joined.credentials
    world = World(SystemClock(), random.SystemRandom(), new_id, threads, log)
    kinds = Kinds([GAME, batch_kind(credentials.mesh)])
    listeners = await _listeners(listen)
    store = await threads.run(lambda: SqliteStore(settings.home.store, kinds, new_id))
    try:
        keyring = Keyring(settings.home.config)
        transport = HttpsTransport(
            credentials.mesh,
            await threads.run(tls.client_context, keyring),
            await threads.run(tls.server_context, keyring),
            listeners,
        )
        agent = await Agent.compose(world, settings, credentials, store, transport, kinds)

        alone = not await threads.run(store.members)

        def ready(addresses: Sequence[Address]) -> None:
            _welcome(log, settings, joined, addresses, alone=alone)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(agent.stop_on_signals)
            exit_ = await agent.run(ready)
            nursery.cancel_scope.cancel()
        return exit_
    finally:
        with trio.CancelScope(shield=True):
            await threads.run(store.close)


async def _listeners(wanted: Address | None) -> list[trio.SocketListener]:
    """Listen where the user said, or else on every address, at the first port that is free."""
    if wanted is not None:
        try:
            return await open_tcp(wanted)
        except OSError as error:
            raise _CannotListen(_why(wanted, error)) from None
    for port in range(default_port, default_port + ports_tried):
        try:
            return await open_tcp(Address("::", port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise _CannotListen(_why(Address("::", port), error)) from None
    raise _CannotListen(
        f"no port from {default_port} to {default_port + ports_tried - 1} is free; "
        "name another with --listen"
    )


def _why(address: Address, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        tool = "lsof -i" if sys.platform == "darwin" else "ss -ltnp"
        return (
            f"{address} is taken by another program; `{tool}` says by which. "
            "Stop it, or name another port with --listen"
        )
    return f"cannot listen at {address}: {error.strerror}"


def _welcome(
    log: logging.Logger,
    settings: AgentSettings,
    joined: Joined,
    addresses: Sequence[Address],
    *,
    alone: bool,
) -> None:
    """Say who and where this node is; on a terminal, tell a lone founder how others join."""
    mesh, node = joined.credentials.mesh.hex(), joined.credentials.node.hex()
    log.info(
        "ringrift-agent %s: node %s (%s) of the mesh %s, at %s",
        __version__,
        settings.name,
        node[:12],
        mesh,
        ", ".join(map(str, addresses)),
    )
    keyring = Keyring(settings.home.config)
    if joined.founded:
        log.info("made a new mesh; its root key is %s: keep a copy", keyring.root_key_path)
    root = keyring.load_root()
    if root is not None and alone and sys.stderr.isatty():
        sys.stderr.write(
            "\nTo let another box join, run there (the token is a secret):\n\n"
            f"ringrift-agent --join {addresses[0]} --token {grant_token(root, now_utc())}\n\n"
        )
