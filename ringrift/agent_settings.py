"""Turns what was decided for this box into what an agent is made with."""

import shlex
import shutil
from collections.abc import Iterable

from p2p.identity.ids import MeshId, NodeId, mesh_id_bytes, node_id_bytes
from p2p.records import Core, boot_bytes, payload_of
from ringrift import __version__
from ringrift.addresses import addresses_max
from ringrift.agent import AgentSettings, protocol_versions
from ringrift.choices import BadSetting, Choices
from ringrift.home import Home
from ringrift.printable import quoted
from ringrift.settings import default_port
from transports.base import Address


def agent_settings(home: Home, choices: Choices) -> AgentSettings:
    """Return what an agent is made with. Raises `BadSetting`."""
    name = choices.text("name") or ""
    return AgentSettings(
        home=home,
        name=name,
        seeds=_addresses(choices, "join", default_port),
        advertised=_advertised(choices, name),
        workers=choices.number("workers"),
        durable=not choices.switch("ephemeral"),
        worker=_worker(choices),
        replay_share=choices.share("replay-share"),
    )


def listen_address(choices: Choices) -> Address | None:
    """Return where the user wants the agent to listen, if anywhere. Raises `BadSetting`."""
    text = choices.text("listen")
    return None if text is None else _address(text, default_port, choices["listen"].place)


def _worker(choices: Choices) -> str | None:
    """Return the command that plays, if it is not the built-in one: its program can be found."""
    command = choices.text("worker")
    if command is not None:
        program = shlex.split(command)[0]
        if shutil.which(program) is None:
            place = choices["worker"].place
            raise BadSetting(f"{place}: there is no program {quoted(program)} that can be run here")
    return command


def _advertised(choices: Choices, name: str) -> tuple[Address, ...]:
    advertised = _addresses(choices, "advertise", 0)
    place = choices["advertise"].place
    if len(advertised) > addresses_max:
        raise BadSetting(
            f"{place}: {len(advertised)} addresses are too many; at most {addresses_max}"
        )
    try:
        payload_of(_largest_core(name, advertised))
    except ValueError as error:
        raise BadSetting(
            f"{place}: the addresses are too long to be told to others ({error})"
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


def _addresses(choices: Choices, name: str, port: int) -> tuple[Address, ...]:
    place = choices[name].place
    for text in choices.texts(name):
        if _address(text, default_port, place).port == 0:
            raise BadSetting(f"{place}: {quoted(text)}: nobody can be reached at port 0")
    return tuple(_address(text, port, place) for text in choices.texts(name))


def _address(text: str, port: int, place: str) -> Address:
    try:
        return Address.parse(text, port)
    except ValueError as error:
        raise BadSetting(f"{place}: {error}; write HOST:PORT, or [IPv6]:PORT") from None
