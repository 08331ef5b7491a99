"""`run`: start the agent on this box."""

import argparse
import contextlib
import errno
import functools
import logging
import os
import random
import sys
from collections.abc import AsyncIterable, Callable, Sequence
from pathlib import Path

import trio

from managers.state.store import SqliteStore
from mixins.clock import SystemClock
from mixins.threads import Threads, WorkerThreads
from p2p.batch import batch_kind
from p2p.identity import tls
from p2p.identity.keyring import Keyring
from p2p.identity.tokens import TokenRefused, grant_token
from p2p.kinds import Kinds
from ringrift import __version__
from ringrift.agent import Agent, AgentSettings, World, stopping_signals
from ringrift.agent_settings import agent_settings, listen_address
from ringrift.choices import BadSetting, Choices, Source, resolve, unknown_variables
from ringrift.commands import faults
from ringrift.commands.common import home_of, new_id, now_utc, say
from ringrift.exits import Exit
from ringrift.game_record import GAME
from ringrift.joining import CannotJoin, Joined, enter, leave, read_token, token_variable
from ringrift.log_file import CannotOpenLog, LogFile
from ringrift.logs import set_up
from ringrift.settings import default_port
from transports.base import Address
from transports.https import HttpsTransport
from transports.listeners import open_tcp

ports_tried = 100
"""From the default port on, until one is free; a port asked for by name is the only one tried."""


class _CannotListen(OSError):
    """The port cannot be had; the message says why, and what to do."""


def run(options: argparse.Namespace) -> int:
    """Run the agent until it is told to stop, and return how that ended."""
    home = home_of(options)
    try:
        choices = resolve(vars(options), os.environ, home.settings)
        settings, listen = agent_settings(home, choices), listen_address(choices)
        token_file = _token_file(options, choices)
        token = read_token(options.token, token_file)
        for warning in unknown_variables(os.environ):
            say(warning)
        home.prepare()
        with home.locked(), set_up(file=_log_file(choices)) as log:
            belong = functools.partial(_belong, settings, token, token_file)
            return trio.run(_run, log, settings, listen, belong)
    except (BadSetting, CannotJoin, CannotOpenLog) as error:
        say(str(error))
        return Exit.USAGE
    except (*faults.possible, ExceptionGroup) as error:
        sentence = faults.sentence(error)
        if sentence is None:
            raise
        say(sentence)
        return Exit.ERROR


def _log_file(choices: Choices) -> LogFile | None:
    """Open the log file, if there is to be one. Raises `CannotOpenLog`."""
    path = choices.text("log-file")
    return None if path is None else LogFile(Path(path))


def _token_file(options: argparse.Namespace, choices: Choices) -> str | None:
    """Return the file with the join token, unless a higher source has a token itself."""
    file = choices["token-file"]
    if options.token:
        own = Source.OPTION
    else:
        own = Source.ENVIRONMENT if os.environ.get(token_variable) else Source.DEFAULT
    return choices.text("token-file") if file.source >= own else None


def _belong(settings: AgentSettings, token: str | None, token_file: str | None) -> Joined:
    try:
        return enter(settings.home, token=token, seeds=settings.seeds, now=now_utc())
    except TokenRefused as error:
        raise CannotJoin(f"{token_file}: {error}" if token_file else str(error)) from None


async def _run(
    log: logging.Logger,
    settings: AgentSettings,
    listen: Address | None,
    belong: Callable[[], Joined],
) -> int:
    """Listen first: a port that cannot be had must not leave a mesh behind.

    A signal that comes before the agent is up stops it as soon as it is, in good order.
    """
    threads = WorkerThreads()
    async with contextlib.AsyncExitStack() as opened:
        signals = opened.enter_context(trio.open_signal_receiver(*stopping_signals()))
        listeners = await _listeners(listen)
        for each in listeners:
            await opened.enter_async_context(each)
        joined = await threads.run(belong)
        keyring = Keyring(settings.home.config)
        if joined.renewed:
            log.warning(
                "the key of this box was lost: it is a new node of the mesh, under a new id"
            )
        if joined.founded:
            log.info("made a new mesh; its root key is %s: keep a copy", keyring.root_key_path)
        ended = await _run_joined(log, settings, threads, joined, listeners, signals)
    if ended == Exit.NOT_ADMITTED and joined.fresh:
        await threads.run(leave, settings.home, joined)
    return ended


async def _run_joined(
    log: logging.Logger,
    settings: AgentSettings,
    threads: Threads,
    joined: Joined,
    listeners: Sequence[trio.SocketListener],
    signals: AsyncIterable[int],
) -> int:
    credentials = joined.credentials
    world = World(SystemClock(), random.SystemRandom(), new_id, threads, log)
    kinds = Kinds([GAME, batch_kind(credentials.mesh)])
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
            nursery.start_soon(agent.stop_on, signals)
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
    if joined.root is not None and alone and sys.stderr.isatty():
        token = grant_token(joined.root, now_utc())
        sys.stderr.write(
            "\nTo let another box join, run there (the token is a secret):\n\n"
            f"ringrift-agent --join {addresses[0]} --token {token}\n\n"
        )
