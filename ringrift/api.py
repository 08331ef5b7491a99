"""What the running agent tells its operator, over the Unix socket of its home."""

import http
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping

from managers.job_manager import JobManager
from managers.sync_planner import SyncPlanner
from mixins.runtime import Runtime
from p2p.envelope import RecordId, segment_of
from p2p.store import StoreFault
from ringrift.lookup import find
from ringrift.report import Reporter, games_by_config
from ringrift.rules import Config
from ringrift.syncing import Syncing
from transports.base import Incoming, Reply

_Route = Callable[[Incoming], Awaitable[Reply]]


class LocalApi:
    """The handler behind the Unix socket; whoever can open that socket is the operator."""

    def __init__(
        self, runtime: Runtime, reporter: Reporter, jobs: JobManager, planner: SyncPlanner
    ) -> None:
        self._store = runtime.store
        self._reporter = reporter
        self._jobs = jobs
        self._syncing = Syncing(runtime, planner)
        self._routes: Mapping[tuple[str, str], _Route] = {
            ("GET", "/v1/status"): self._status,
            ("GET", "/v1/events"): self._events,
            ("GET", "/v1/games"): self._games,
            ("GET", "/v1/games/ids"): self._ids,
            ("GET", "/v1/games/record"): self._record,
            ("POST", "/v1/pause"): self._pause,
            ("POST", "/v1/resume"): self._resume,
            ("POST", "/v1/sync"): self._sync,
        }

    async def handle(self, request: Incoming) -> Reply:
        """Answer one request of the operator."""
        route = self._routes.get((request.method, request.path))
        if route is None:
            return _refusal(
                http.HTTPStatus.NOT_FOUND, f"there is no {request.method} {request.path}"
            )
        try:
            return await route(request)
        except _BadRequest as error:
            return _refusal(http.HTTPStatus.BAD_REQUEST, str(error))
        except StoreFault as error:
            return _refusal(http.HTTPStatus.INSUFFICIENT_STORAGE, str(error))

    async def _status(self, _request: Incoming) -> Reply:
        return _json(await self._reporter.report())

    async def _events(self, _request: Incoming) -> Reply:
        return _json(self._reporter.wiring())

    async def _games(self, request: Incoming) -> Reply:
        wanted = _config(request)
        counts = await self._store.read(games_by_config)
        return _json({name: counts[name] for name in counts if wanted in (None, name)})

    async def _ids(self, request: Incoming) -> Reply:
        wanted = _config(request)
        pages = iter(await self._store.read(lambda store: store.iterate_ids("game", wanted)))

        async def lines() -> AsyncIterator[bytes]:
            while page := await self._store.read(lambda _: next(pages, None)):
                yield "".join(f"{id_.hex()}\n" for id_ in page).encode()

        return Reply(body=lines(), content_type="text/plain")

    async def _record(self, request: Incoming) -> Reply:
        """Send the one game whose id begins as asked, in the bytes that the id is the hash of."""
        wanted = request.query.get("id", "").lower()
        try:
            found = await self._store.read(lambda store: find(store, wanted))
        except ValueError as error:
            raise _BadRequest(str(error)) from None
        kinds = {id_: segment_of(body).kind for id_, body in found.bodies.items()}
        games = [id_ for id_, kind in kinds.items() if kind == "game"]
        if found.more or len(games) > 1:
            raise _BadRequest(_ambiguous(wanted, kinds, more=found.more))
        if not kinds:
            reason = f"no game held here has an id that begins with {wanted}"
            return _refusal(http.HTTPStatus.NOT_FOUND, reason)
        if not games:
            id_, kind = next(iter(kinds.items()))
            reason = f"{id_.hex()} is no game but a record of the kind {kind}"
            return _refusal(http.HTTPStatus.NOT_FOUND, reason)
        return Reply(body=found.bodies[games[0]], content_type="application/octet-stream")

    async def _pause(self, _request: Incoming) -> Reply:
        await self._jobs.pause()
        return _json({"paused": True})

    async def _resume(self, _request: Incoming) -> Reply:
        await self._jobs.resume()
        return _json({"paused": False})

    async def _sync(self, request: Incoming) -> Reply:
        what = request.query.get("what", "all")
        try:
            partners = self._syncing.partners(request.query.get("peer"))
            lines = await self._syncing.begin(what, partners)
        except ValueError as error:
            raise _BadRequest(str(error)) from None
        return Reply(body=lines, content_type="application/x-ndjson")


class _BadRequest(ValueError):
    """The operator asked for something that makes no sense."""


def _config(request: Incoming) -> str | None:
    name = request.query.get("config")
    if name is not None:
        try:
            Config.parse(name)
        except ValueError as error:
            raise _BadRequest(str(error)) from None
    return name


def _ambiguous(wanted: str, ids: Collection[RecordId], *, more: bool) -> str:
    names = ", ".join(sorted(id_.hex()[: max(12, len(wanted) + 4)] for id_ in ids))
    return (
        f"{wanted} is how {'more than ' if more else ''}{len(ids)} ids begin: "
        f"{names}{' and others' if more else ''}; give more digits"
    )


def _json(value: object) -> Reply:
    return Reply(body=json.dumps(value).encode(), content_type="application/json")


def _refusal(status: http.HTTPStatus, reason: str) -> Reply:
    return Reply(status=status, body=f"{reason}\n".encode(), content_type="text/plain")
