"""A mesh carries what it does not understand, for those who do."""

import contextlib
from pathlib import Path

import pytest

from managers.state.store import SqliteStore
from managers.sync_planner.exchange import path_records
from mixins.clock import SystemClock
from p2p.codec import unpack
from p2p.envelope import make_record, record_id
from p2p.frames import frame
from p2p.identity import tls
from p2p.identity.ids import NodeId
from p2p.identity.keyring import Keyring
from p2p.identity.tokens import Token
from p2p.kinds import Kinds
from p2p.reconcile import Receipt
from ringrift.commands.common import new_id, now_utc
from ringrift.home import Home
from tests.agents.harness import AgentProcess, fleet
from tests.waiting import eventually, within_s
from transports.base import Address
from transports.https import HttpsTransport

pytestmark = pytest.mark.anyio


async def push(to: AgentProcess, token: str, folder: Path, record: bytes) -> Receipt:
    """Give a record to an agent, as a member with newer software would."""
    keyring = Keyring(folder)
    credentials = Token.parse(token, now_utc()).admit(now_utc(), None)
    keyring.save_credentials(credentials)
    status = await to.status()
    transport = HttpsTransport(
        credentials.mesh, tls.client_context(keyring), tls.server_context(keyring)
    )
    async with (
        contextlib.aclosing(transport),
        transport.request(
            NodeId(bytes.fromhex(status["node"]["id"])),
            [Address.parse(status["node"]["listen"], 0)],
            path_records,
            frame(record),
            deadline_s=within_s,
        ) as answer,
    ):
        assert answer.status == 200
        return unpack(await answer.read(), Receipt)


async def test_a_record_of_an_unknown_kind_passes_through(tmp_path: Path) -> None:
    record = make_record(
        "horoscope", 7, "aries", SystemClock().wall_ms(), NodeId(bytes(16)), {"luck": [1, 2]}
    )
    async with fleet(tmp_path) as agents:
        a, seed, token = await agents.founded("a", "--workers", "1")
        b = await agents.start("b", "--join", seed, "--token", token, "--workers", "0")
        c = await agents.start("c", "--join", seed, "--token", token, "--workers", "0")
        receipt = await push(a, token, tmp_path / "newcomer", record)
        assert receipt.refused == ()
        await agents.everywhere(await agents.games_on(a, 2), b, c)

        async def passed_on() -> bool:
            query = "SELECT 1 FROM records WHERE id = ?"
            return all(each.has_stored(query, record_id(record)) for each in (b, c))

        await eventually("the record is on b and c", passed_on, context=agents.logs)
        assert [await b.stop(), await c.stop()] == [0, 0]
        for agent in (b, c):
            store = SqliteStore(Home.find(str(agent.home)).store, Kinds(), new_id)
            with contextlib.closing(store):
                assert store.bodies([record_id(record)]) == {record_id(record): record}


async def test_a_record_that_breaks_its_kind_is_refused_and_the_rest_go_on(tmp_path: Path) -> None:
    bad = make_record("game", 1, "square8_2p", SystemClock().wall_ms(), NodeId(bytes(16)), {})
    async with fleet(tmp_path) as agents:
        a, seed, token = await agents.founded("a", "--workers", "1")
        b = await agents.start("b", "--join", seed, "--token", token, "--workers", "0")
        receipt = await push(a, token, tmp_path / "newcomer", bad)
        assert [entry.index for entry in receipt.refused] == [0]
        assert (await a.status())["records"]["dead_letters"] == 1
        await agents.everywhere(await agents.games_on(a, 2), b)
