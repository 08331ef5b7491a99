"""What may stand where a host is named, and how long to wait after failures."""

import pytest

from mixins.backoff import backoff_s
from p2p.hosts import check_host


@pytest.mark.parametrize("host", ["box", "gpu-1.example.org", "10.0.0.7", "::1", "fd00::2", "a_b"])
def test_names_and_addresses_are_hosts(host: str) -> None:
    check_host(host)


@pytest.mark.parametrize(
    "host", ["", "not a host!", "[/x]", "::g", ":", "fe80::1%eth0", "a" * 254, "\x1b[31m", "é"]
)
def test_anything_else_is_named_in_the_refusal(host: str) -> None:
    with pytest.raises(ValueError, match=r"is no|is neither|has a zone"):
        check_host(host)


def test_a_wait_doubles_up_to_its_limit_however_often_it_fails() -> None:
    assert [backoff_s(0.5, 60, failures) for failures in (1, 2, 3, 100, 10_000)] == [
        0.5, 1.0, 2.0, 60.0, 60.0,
    ]  # fmt: skip
