"""Checks of the agent that runs here, by its own words; without one, nothing of this is known."""

import ipaddress
import socket
import statistics
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ringrift.checks import Finding, Verdict, unknown
from ringrift.printable import counted
from transports.base import Address

offset_ms_warning = 5_000
offset_ms_failure = 12 * 3_600_000
"""Half of what the certificates of a new box forgive."""

dial_s_max = 3.0

Dial = Callable[[Address], str | None]
"""Connects, and returns why that was not possible, or None."""


checks = ("agent", "version", "listening", "addresses", "clock", "events")


def without_agent(reason: str) -> Iterator[Finding]:
    """Say that no agent runs, and all that is unknown for that reason."""
    advice = "start it with `ringrift-agent`, or name its --home"
    yield Finding("agent", Verdict.WARNING, reason, advice)
    yield from _unknown()


def without_answer(reason: str, remedy: str) -> Iterator[Finding]:
    """Say that an agent runs and does not answer as it should; the remedy may be empty."""
    advice = remedy or "look at its log; if it is of another version than this command, restart it"
    yield Finding("agent", Verdict.FAILURE, reason, advice)
    yield from _unknown()


def _unknown() -> Iterator[Finding]:
    return unknown(checks[1:], "only a running agent could tell")


def check_agent(status: Mapping[str, Any]) -> Finding:
    """Check whether the agent itself sees a problem."""
    problems = status["problems"]
    if problems:
        advice = "`ringrift-agent status` lists them"
        more = f" ({len(problems) - 1} more)" if len(problems) > 1 else ""
        finding = f"runs, and reports: {problems[0]}{more}"
        return Finding("agent", Verdict.WARNING, finding, advice)
    return Finding("agent", Verdict.OK, "runs, and reports no problem")


def check_version(running: str, installed: str) -> Finding:
    """Check that the agent that runs is the one that is installed."""
    if running != installed:
        finding = f"the agent that runs is {running}, this command {installed}"
        return Finding("version", Verdict.WARNING, finding, "restart the agent")
    return Finding("version", Verdict.OK, running)


def check_listening(status: Mapping[str, Any], dial: Dial) -> Finding:
    """Check that the agent's port answers on this box."""
    listen = status["node"]["listen"]
    for text in listen.split(", "):
        why = dial(_on_this_box(Address.parse(text, 0)))
        if why is not None:
            finding = f"the agent says that it listens on {text}, which does not answer: {why}"
            advice = "look for a firewall on this box, and restart the agent"
            return Finding("listening", Verdict.FAILURE, finding, advice)
    return Finding("listening", Verdict.OK, listen)


def _on_this_box(address: Address) -> Address:
    """Return where to dial something that may listen on every address."""
    try:
        every = ipaddress.ip_address(address.host).is_unspecified
    except ValueError:
        every = False
    return Address("localhost", address.port) if every else address


def check_addresses(status: Mapping[str, Any], dial: Dial) -> Finding:
    """Check that this box is found where the others look for it."""
    me = status["node"]["id"]
    told = next(each["addresses"] for each in status["mesh"]["members"] if each["id"] == me)
    if not told:
        finding = "the agent tells the others no address: they wait for it to call"
        return Finding("addresses", Verdict.WARNING, finding, "name one with --advertise")
    closed = {text: why for text in told if (why := dial(Address.parse(text, 0))) is not None}
    if closed:
        finding = "; ".join(
            f"cannot connect to {text} from here: {why}" for text, why in closed.items()
        )
        advice = (
            "open the port, or name another address with --advertise; behind a router that only "
            "outsiders can use the address, this is no fault"
        )
        return Finding("addresses", Verdict.WARNING, finding, advice)
    return Finding("addresses", Verdict.OK, f"{', '.join(told)}: can be connected to from here")


def check_clock(status: Mapping[str, Any]) -> Finding:
    """Check this box's clock against those of its living peers, as the agent measured them."""
    offsets = [
        (each["clock_offset_ms"], each["name"])
        for each in status["mesh"]["members"]
        if each["state"] == "alive" and each["clock_offset_ms"] is not None
    ]
    if not offsets:
        return Finding("clock", Verdict.UNKNOWN, "no peer's clock has been measured yet")
    median_ms = statistics.median(offset_ms for offset_ms, _ in offsets)
    farthest_ms, name = max(offsets, key=lambda each: abs(each[0]))
    finding = f"{_apart(farthest_ms)} that of {name}"
    if len(offsets) > 1:
        finding = f"{_apart(median_ms)} the median of {len(offsets)} peers, and at most {finding}"
    advice = "let NTP set the clocks; on Linux `timedatectl` tells whether it does"
    if abs(median_ms) >= offset_ms_failure:
        return Finding("clock", Verdict.FAILURE, finding, advice)
    if abs(median_ms) >= offset_ms_warning:
        return Finding("clock", Verdict.WARNING, finding, advice)
    return Finding("clock", Verdict.OK, finding)


def _apart(offset_ms: float) -> str:
    return f"{abs(offset_ms) / 1000:,.2f} s {'behind' if offset_ms > 0 else 'ahead of'}"


def check_events(wiring: Mapping[str, Mapping[str, Any]]) -> Finding:
    """Check that every kind of event that somebody waits for can come."""
    deaf = [kind for kind, ends in wiring.items() if ends["subscribers"] and not ends["publishers"]]
    unheard = [kind for kind, ends in wiring.items() if not ends["subscribers"]]
    if deaf:
        finding = f"parts of the agent wait for {', '.join(deaf)}, which no other part tells"
        return Finding("events", Verdict.FAILURE, finding, "this is a fault of ours: report it")
    silent = [kind for kind, ends in wiring.items() if not ends["publishers"]]
    finding = counted(len(wiring), "kind")
    if unheard:
        finding += f"; without a subscriber: {', '.join(unheard)}"
    if silent:
        finding += f"; without a publisher: {', '.join(silent)}"
    return Finding("events", Verdict.OK, finding)


def dial(address: Address) -> str | None:
    """Open a TCP connection and close it; return why that was not possible, or None."""
    try:
        with socket.create_connection((address.host, address.port), timeout=dial_s_max):
            return None
    except TimeoutError:
        return f"no answer within {dial_s_max:.0f} s"
    except OSError as error:
        return error.strerror or str(error)
