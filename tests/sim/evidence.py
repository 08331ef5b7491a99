"""What a store has noted that others hold: it must be there."""

from managers.state.store import SqliteStore
from p2p.envelope import RecordId
from p2p.identity.ids import NodeId


def noted(store: SqliteStore) -> dict[NodeId, set[RecordId]]:
    """Return the records held here of which there is evidence that a peer holds them, by peer."""
    with store._database.reading() as db:
        rows = db.execute(
            "SELECT node, records.id FROM holders CROSS JOIN records"
            " LEFT JOIN receipts ON receipts.seq = records.seq AND receipts.holder = holders.id"
            " WHERE refused = 0 AND (records.seq <= watermark OR receipts.seq IS NOT NULL)"
        ).fetchall()
    by_peer: dict[NodeId, set[RecordId]] = {}
    for node, id_ in rows:
        by_peer.setdefault(node, set()).add(id_)
    return by_peer


def held(store: SqliteStore) -> set[RecordId]:
    """Return every record held, of whatever kind."""
    with store._database.reading() as db:
        return {id_ for (id_,) in db.execute("SELECT id FROM records WHERE refused = 0")}
