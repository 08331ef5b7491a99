"""The event bus: typed, declared, and checked before anything runs."""

import dataclasses

import pytest

from p2p.events import DaemonStatusChanged, Event, EventBus, HostOnline, WiringError
from p2p.identity.ids import NodeId

node = NodeId(bytes(16))


def test_a_handler_gets_the_events_of_its_kind_and_no_others() -> None:
    bus = EventBus()
    heard: list[Event] = []
    bus.declare("maker", [HostOnline, DaemonStatusChanged])
    bus.subscribe("hearer", HostOnline, heard.append)
    bus.publish("maker", HostOnline(node))
    bus.publish("maker", DaemonStatusChanged("push", "running", ""))
    assert heard == [HostOnline(node)]


def test_a_subscription_that_nobody_serves_is_refused_at_start() -> None:
    bus = EventBus()
    bus.subscribe("hearer", HostOnline, lambda event: None)
    with pytest.raises(WiringError, match=r"HOST_ONLINE \(wanted by hearer\)"):
        bus.check_wiring()
    bus.declare("maker", [HostOnline])
    bus.check_wiring()


def test_publishing_what_was_not_declared_is_refused() -> None:
    bus = EventBus()
    bus.declare("maker", [HostOnline])
    with pytest.raises(WiringError, match="other publishes HOST_ONLINE"):
        bus.publish("other", HostOnline(node))


def test_a_class_that_is_no_kind_of_event_is_refused() -> None:
    @dataclasses.dataclass(frozen=True, slots=True)
    class Invented(Event):
        pass

    bus = EventBus()
    with pytest.raises(WiringError, match="Invented is no kind of event"):
        bus.declare("maker", [Invented])
    with pytest.raises(WiringError, match="Invented is no kind of event"):
        bus.subscribe("hearer", Invented, lambda event: None)


def test_the_wiring_can_be_shown() -> None:
    bus = EventBus()
    bus.declare("maker", [HostOnline])
    bus.subscribe("hearer", HostOnline, lambda event: None)
    shown = {kind.name: ends for kind, ends in bus.wiring().items()}
    assert shown["HOST_ONLINE"] == (("maker",), ("hearer",))
    assert shown["HOST_OFFLINE"] == ((), ())
