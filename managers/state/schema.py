"""The tables, as the list of steps that made them.

A published step is never edited: a change is a new step at the end, and its place in the list is
the schema's version. Sums are 32 big-endian bytes (`Digest.total_bytes`), times are milliseconds
since 1970, and sequences number the rows of `records`.

The digests of `p2p.manifest` are kept at every level - store, month, segment, leaf - so that no
answer about what is known has to look at the records.
"""

application_id = int.from_bytes(b"ring", "big")
"""Marks the file as ours (`PRAGMA application_id`)."""

page_bytes = 8 * 1024
"""Of a new file; others keep theirs. A commit writes whole pages, however little of each is new, so
self-play writes half of what it would with pages twice as large; in smaller ones records of 2 KB
would leave much room empty."""

id_prefix_bytes = 5
"""What the index over all ids keeps of each.

Ids are random, so a batch touches nearly every page of that index, and a third of the size is a
third of the writing. Of a million records less than one pair shares a prefix; the whole ids in
`records` tell them apart.
"""

_version_1 = (
    # One row. `latest` is the highest sequence ever given out.
    """
    CREATE TABLE store (
        id BLOB NOT NULL,
        latest INTEGER NOT NULL DEFAULT 0,
        count INTEGER NOT NULL DEFAULT 0,
        total BLOB NOT NULL DEFAULT (zeroblob(32)),
        refused_count INTEGER NOT NULL DEFAULT 0,
        refused_total BLOB NOT NULL DEFAULT (zeroblob(32))
    )
    """,
    # The keys are short hashes, of names that a peer may have picked to collide: not unique.
    """
    CREATE TABLE months (
        id INTEGER PRIMARY KEY,
        kind TEXT NOT NULL,
        config TEXT NOT NULL,
        key BLOB NOT NULL,
        count INTEGER NOT NULL DEFAULT 0,
        total BLOB NOT NULL DEFAULT (zeroblob(32)),
        refused_count INTEGER NOT NULL DEFAULT 0,
        refused_total BLOB NOT NULL DEFAULT (zeroblob(32)),
        UNIQUE (key, kind, config)
    )
    """,
    """
    CREATE TABLE segments (
        id INTEGER PRIMARY KEY,
        month INTEGER NOT NULL,
        day INTEGER NOT NULL,
        key BLOB NOT NULL,
        count INTEGER NOT NULL DEFAULT 0,
        total BLOB NOT NULL DEFAULT (zeroblob(32)),
        UNIQUE (month, day)
    )
    """,
    "CREATE INDEX segments_by_key ON segments (key)",
    # All leaves of a segment in one value: a row for each would take three times as long.
    """
    CREATE TABLE leaves (
        segment INTEGER PRIMARY KEY,
        sums BLOB NOT NULL
    )
    """,
    # All that one producer makes of one kind.
    """
    CREATE TABLE streams (
        id INTEGER PRIMARY KEY,
        kind TEXT NOT NULL,
        producer BLOB NOT NULL,
        held INTEGER NOT NULL DEFAULT 0,
        UNIQUE (producer, kind)
    )
    """,
    # Narrow, because sequences are scanned; the bodies lie apart.
    """
    CREATE TABLE records (
        seq INTEGER PRIMARY KEY,
        segment INTEGER NOT NULL,
        stream INTEGER NOT NULL,
        refused INTEGER NOT NULL,
        id BLOB NOT NULL
    )
    """,
    "CREATE UNIQUE INDEX records_by_segment ON records (segment, id)",
    f"CREATE INDEX records_by_prefix ON records (substr(id, 1, {id_prefix_bytes}))",
    "CREATE INDEX records_by_stream ON records (stream) WHERE refused = 0",
    """
    CREATE TABLE bodies (
        seq INTEGER PRIMARY KEY,
        body BLOB NOT NULL
    )
    """,
    # Rows are never deleted, so the highest number is their count.
    """
    CREATE TABLE dead_letters (
        number INTEGER PRIMARY KEY,
        id BLOB NOT NULL UNIQUE,
        reason TEXT NOT NULL,
        kind TEXT,
        seen_ms INTEGER NOT NULL,
        source BLOB
    )
    """,
    """
    CREATE TABLE dead_bodies (
        number INTEGER PRIMARY KEY,
        body BLOB NOT NULL
    )
    """,
    # Peers that are known to hold some of our records: all up to `watermark`, and single
    # ones above it, for which there are receipts. `seen` is how far the peer's store had come.
    """
    CREATE TABLE holders (
        id INTEGER PRIMARY KEY,
        node BLOB NOT NULL UNIQUE,
        store BLOB NOT NULL,
        watermark INTEGER NOT NULL,
        seen INTEGER NOT NULL
    )
    """,
    """
    CREATE TABLE receipts (
        seq INTEGER NOT NULL,
        holder INTEGER NOT NULL,
        PRIMARY KEY (seq, holder)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE members (
        node BLOB PRIMARY KEY,
        record BLOB NOT NULL,
        heard_ms INTEGER NOT NULL
    )
    """,
    "CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE counters (name TEXT PRIMARY KEY, next INTEGER NOT NULL)",
)

steps: tuple[tuple[str, ...], ...] = (_version_1,)
"""What to run to come from version 0 (an empty file) to 1, from 1 to 2, and so on."""
