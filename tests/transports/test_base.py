"""Addresses, and bodies as they arrive."""

import ipaddress
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.base import Address, Inflow, Interrupted, TooLarge
from transports.limits import Limits

labels = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True)
names = st.lists(labels, min_size=1, max_size=3).map(".".join)
hosts = st.one_of(names, st.ip_addresses().map(str))


@given(hosts, st.integers(0, 65535), st.integers(0, 65535))
def test_an_address_is_read_as_it_is_written(host: str, port: int, other: int) -> None:
    address = Address(host, port)
    assert Address.parse(str(address), default_port=other) == address


@given(hosts)
def test_an_address_without_port_takes_the_default(host: str) -> None:
    assert Address.parse(host, 8770) == Address(host, 8770)


@given(st.ip_addresses(v=6).map(str))
def test_brackets_need_no_port(host: str) -> None:
    assert Address.parse(f"[{host}]", 8770) == Address(host, 8770)


@given(st.one_of(st.text(max_size=40), st.text("a.-[]:1", max_size=80)))
def test_any_text_is_an_address_or_a_value_error(text: str) -> None:
    try:
        address = Address.parse(text, 8770)
    except ValueError:
        return
    assert 0 <= address.port <= 65535
    if ":" in address.host:
        ipaddress.IPv6Address(address.host)
    else:
        address.host.encode("idna")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "host name"),
        ("seed host", "host name"),
        ("https://seed", "port '//seed'"),
        ("seed:", "port ''"),
        ("seed:http", "port 'http'"),
        ("seed:-1", "port '-1'"),
        ("seed:65536", "port 65536"),
        ("seed:\N{ARABIC-INDIC DIGIT ONE}", "is not a number"),
        ("[seed]:1", "host name"),
        ("::1:2:3:4:5:6:7:8:9", "no IPv6 address"),
        ("[fe80::1%eth0]:1", "zone"),
        ("x" * 64, "host name"),
        ("x." * 127, "host name"),
        ("seed..host", "host name"),
        ("seed\n", "host name"),
        ("-x", "host name"),
    ],
)
def test_a_bad_address_is_told_why(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Address.parse(text, 8770)


def inflow(pieces: Iterable[bytes], length_bytes: int | None = None) -> Inflow:
    left = iter(pieces)

    async def receive() -> bytes:
        return next(left, b"")

    return Inflow(receive, length_bytes)


@pytest.mark.anyio
async def test_a_body_may_be_as_large_as_allowed_and_no_larger() -> None:
    assert await inflow([b"ab", b"c"]).read(3) == b"abc"
    too_large = inflow([b"ab", b"c"])
    with pytest.raises(TooLarge, match="larger than 2 bytes") as caught:
        await too_large.read(2)
    assert too_large.failure is caught.value


@pytest.mark.anyio
async def test_a_body_that_is_said_to_be_too_large_is_not_begun() -> None:
    pieces = iter([b"abc"])
    with pytest.raises(TooLarge):
        await inflow(pieces, length_bytes=3).read(2)
    assert list(pieces) == [b"abc"]


@pytest.mark.anyio
async def test_a_failure_is_remembered() -> None:
    async def receive() -> bytes:
        raise Interrupted("gone")

    body = Inflow(receive)
    assert body.failure is None
    with pytest.raises(Interrupted) as caught:
        await body.read()
    assert body.failure is caught.value


def test_limits_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="dialled_idle_s"):
        Limits(idle_s=45.0)
    with pytest.raises(ValueError, match="connections_per_peer_max"):
        Limits(connections_per_peer_max=7)
    with pytest.raises(ValueError, match="stall_s must be more than 0"):
        Limits(stall_s=0)
