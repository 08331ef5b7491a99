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
from p2p.identity import IdentityError, tls
from p2p.identity.keyring import Keyring
from p2p.identity.tokens import TokenRefused, grant_token
from p2p.kinds import Kinds
from ringrift import __version__
from ringrift.addresses import addresses_max
from ringrift.agent import Agent, AgentSettings, World
from ringrift.cli import default_port
from ringrift.commands.common import home_of, new_id, now_utc, say
from ringrift.exits import Exit
from ringrift.game_record import GAME
from ringrift.home import HomeError
from ringrift.joining import CannotJoin, Membership, enter, read_token
from ringrift.logs import set_up
from transports.base import Address
from transports.https import HttpsTransport
from transports.listeners import open_tcp

ports_tried = 100
"""From the default port on, until one is free; a port asked for by name is the only one tried."""

name_chars_max = 64
worker_variable = "RINGRIFT_WORKER"


class _BadOption(ValueError):
    """An option that makes no sense; the message names it."""


class _CannotListen(RuntimeError):
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
            return trio.run(_run, settings, joined, listen[0] if listen else None)
    except (_BadOption, CannotJoin, TokenRefused) as error:
        say(str(error))
        return Exit.USAGE
    except (HomeError, IdentityError, _CannotListen) as error:
        say(str(error))
        return Exit.ERROR


def _settings(options: argparse.Namespace, seeds: tuple[Address, ...]) -> AgentSettings:
    return AgentSettings(
        home=home_of(options),
        name=_name(options.name),
        seeds=seeds,
        advertised=_advertised(options.advertise),
        workers=_default_workers() if options.workers is None else options.workers,
        durable=not options.ephemeral,
        worker=os.environ.get(worker_variable),
    )


def _name(given: str | None) -> str:
    if given is not None and not 1 <= len(given) <= name_chars_max:
        raise _BadOption(f"--name is {len(given)} characters long, not 1 to {name_chars_max}")
    return given or socket.gethostname()[:name_chars_max]


def _advertised(texts: Sequence[str]) -> tuple[Address, ...]:
    if len(texts) > addresses_max:
        raise _BadOption(f"--advertise may be given {addresses_max} times, not {len(texts)}")
    return _addresses("--advertise", texts, default=0)


def _default_workers() -> int:
    """Leave one core to the agent and the box's other duties."""
    return max(1, (os.cpu_count() or 1) - 1)


def _addresses(
    option: str, texts: Iterable[str], *, default: int = default_port
) -> tuple[Address, ...]:
    try:
        return tuple(Address.parse(text, default) for text in texts)
    except ValueError as error:
        raise _BadOption(f"{option}: {error}") from None


async def _run(settings: AgentSettings, joined: Membership, listen: Address | None) -> int:
    log = set_up()
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

        def ready(addresses: Sequence[Address]) -> None:
            _welcome(log, settings, joined, addresses)

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
    log: logging.Logger, settings: AgentSettings, joined: Membership, addresses: Sequence[Address]
) -> None:
    """Say who and where this node is; on a terminal, tell a founder how others join."""
    mesh, node = joined.credentials.mesh.hex(), joined.credentials.node.hex()
    log.info(
        "ringrift-agent %s: node %s (%s) of the mesh %s, at %s",
        __version__,
        settings.name,
        node[:12],
        mesh,
        ", ".join(map(str, addresses)),
    )
    if not joined.founded:
        return
    log.info("made a new mesh; its root key is in %s: keep a copy", settings.home.config)
    if sys.stderr.isatty():
        root = Keyring(settings.home.config).load_root()
        assert root is not None, "it was saved before we came here"
        sys.stderr.write(
            "\nTo let another box join, run there (the token is a secret):\n\n"
            f"ringrift-agent --join {addresses[0]} --token {grant_token(root, now_utc())}\n\n"
        )
