"""What the state manager says of the store."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from managers.state import StateManager
from managers.state.errors import StoreFull
from managers.state.store import SqliteStore
from p2p.identity.ids import MeshId
from tests.managers.sync_mesh import game
from tests.rig import in_virtual_time, me, rig


def test_a_store_that_takes_no_records_is_a_problem_until_it_takes_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise StoreFull("no room left")

    async def story() -> None:
        with rig(tmp_path) as runtime:
            key = Ed25519PrivateKey.from_private_bytes(bytes(32))
            manager = StateManager(runtime, mesh=MeshId(bytes(8)), key=key)
            monkeypatch.setattr(SqliteStore, "ingest", full)
            with pytest.raises(StoreFull):
                await runtime.store.ingest([game(me, 1)], 0)
            assert list(manager.health()) == ["records cannot be stored: no room left"]
            monkeypatch.undo()
            await runtime.store.ingest([game(me, 1)], 0)
            assert list(manager.health()) == []

    in_virtual_time(story)
