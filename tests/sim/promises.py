"""Which games an agent counts as safe: the rule of `managers.state.copies`, told another way."""

from managers.state.store import SqliteStore
from p2p.envelope import RecordId
from p2p.identity.ids import NodeId
from tests.sim.ledger import losses_max


def promises(store: SqliteStore, me: NodeId, durable: frozenset[NodeId]) -> dict[RecordId, int]:
    """Return the games that are safe by this store's evidence, and how many disks each may lose.

    As many as it has holders besides its producer: two, or one if there is but one who could be.
    Fails unless the store counts as many.
    """
    with store._database.reading() as db:
        games = db.execute(
            "SELECT seq, records.id, producer FROM records JOIN streams ON streams.id = stream"
            " WHERE kind = 'game' AND refused = 0"
        ).fetchall()
        watermarks = dict(db.execute("SELECT node, watermark FROM holders").fetchall())
        receipts = set(
            db.execute("SELECT seq, node FROM receipts JOIN holders ON holders.id = holder")
        )
    safe: dict[RecordId, int] = {}
    for seq, game, producer in games:
        able = durable - {producer}
        holders = {
            node
            for node in able
            if node == me or watermarks.get(node, 0) >= seq or (seq, node) in receipts
        }
        wanted = max(1, min(losses_max, len(able)))
        if len(holders) >= wanted:
            safe[game] = wanted
    told = store.safety("game", me, durable, (), 0)
    assert (told.stored, told.safe) == (len(games), len(safe)), f"{told}, but {len(safe)} are safe"
    return safe
