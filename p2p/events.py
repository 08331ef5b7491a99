"""The node's typed event bus: who tells whom what, checked before anything runs.

An event is a frozen dataclass, listed in `EventKind`. A publisher declares what it may publish and
a subscriber what it wants to hear; `check_wiring` then refuses a subscription that nobody can ever
serve, so that a misspelt or forgotten event fails at start and not, silently, in the third week.

Handlers run at once, in the order they subscribed, in the publisher's call: they must be quick and
must not wait. Typically one sets a flag that wakes a loop.
"""

import dataclasses
import enum
from collections.abc import Callable, Iterable
from typing import TypeVar

from p2p.envelope import RecordId
from p2p.identity.ids import NodeId
from p2p.store import Stored


@dataclasses.dataclass(frozen=True, slots=True)
class Event:
    """Anything that can be published."""


@dataclasses.dataclass(frozen=True, slots=True)
class DaemonStatusChanged(Event):
    """A supervised loop started, failed or stopped."""

    loop: str
    state: str
    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class HostOnline(Event):
    """A member answers again, or for the first time."""

    node: NodeId


@dataclasses.dataclass(frozen=True, slots=True)
class HostOffline(Event):
    """A member is dead, or has left."""

    node: NodeId


@dataclasses.dataclass(frozen=True, slots=True)
class RecordsStored(Event):
    """A batch was committed to this node's disk."""

    rows: tuple[Stored, ...]
    source: NodeId | None
    """The peer it came from; None for what was produced here."""


@dataclasses.dataclass(frozen=True, slots=True)
class RecordRefuted(Event):
    """A record was replayed here, and is not what it claims to be."""

    id: RecordId
    producer: NodeId
    """Who made it, as the record says."""
    source: NodeId
    """The peer that gave it, or this node."""
    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class StoreRenewed(Event):
    """This node's store had lost rows, and goes on under a new id."""


class EventKind(enum.Enum):
    """Every kind of event there is. A class that is not here cannot be published."""

    DAEMON_STATUS_CHANGED = DaemonStatusChanged
    HOST_ONLINE = HostOnline
    HOST_OFFLINE = HostOffline
    RECORD_REFUTED = RecordRefuted
    RECORDS_STORED = RecordsStored
    STORE_RENEWED = StoreRenewed


EventT = TypeVar("EventT", bound=Event)


class WiringError(RuntimeError):
    """Publishers and subscribers do not fit together: a mistake in our own code."""


class EventBus:
    """Carries events between the managers of one node."""

    def __init__(self) -> None:
        self._publishers: dict[EventKind, list[str]] = {kind: [] for kind in EventKind}
        self._handlers: dict[EventKind, list[tuple[str, Callable[[Event], None]]]] = {
            kind: [] for kind in EventKind
        }

    def declare(self, publisher: str, kinds: Iterable[type[Event]]) -> None:
        """State what `publisher` may publish. Raises `WiringError` if a kind is unknown."""
        for kind in kinds:
            self._publishers[_kind_of(kind)].append(publisher)

    def subscribe(
        self, subscriber: str, kind: type[EventT], handler: Callable[[EventT], None]
    ) -> None:
        """Call `handler` with every event of this kind. Raises `WiringError` if it is unknown."""

        def deliver(event: Event) -> None:
            if isinstance(event, kind):
                handler(event)

        self._handlers[_kind_of(kind)].append((subscriber, deliver))

    def publish(self, publisher: str, event: Event) -> None:
        """Hand an event to its subscribers. Raises `WiringError` if it was never declared."""
        kind = _kind_of(type(event))
        if publisher not in self._publishers[kind]:
            raise WiringError(f"{publisher} publishes {kind.name} without having declared it")
        for _, deliver in self._handlers[kind]:
            deliver(event)

    def check_wiring(self) -> None:
        """Raise `WiringError` naming the subscribers of an event that nobody publishes."""
        deaf = [
            f"{kind.name} (wanted by {', '.join(name for name, _ in handlers)})"
            for kind, handlers in self._handlers.items()
            if handlers and not self._publishers[kind]
        ]
        if deaf:
            raise WiringError(f"nobody publishes {'; '.join(deaf)}")

    def wiring(self) -> dict[EventKind, tuple[tuple[str, ...], tuple[str, ...]]]:
        """Return publishers and subscribers of each kind, by name."""
        return {
            kind: (
                tuple(self._publishers[kind]),
                tuple(name for name, _ in self._handlers[kind]),
            )
            for kind in EventKind
        }


def _kind_of(event: type[Event]) -> EventKind:
    try:
        return EventKind(event)
    except ValueError:
        raise WiringError(f"{event.__name__} is no kind of event; list it in EventKind") from None
