"""Which part each record belongs to that follows an answer about filters."""

from collections import defaultdict
from collections.abc import Iterable

from p2p.envelope import NoEnvelope, RecordId, record_id, segment_of
from p2p.manifest import SegmentKey, leaf_of, segment_key
from p2p.reconcile.messages import Part


class Arrivals:
    """The ids of the records that came, by part. What was not asked about is left out."""

    def __init__(self, parts: Iterable[Part]) -> None:
        self._found: dict[Part, dict[RecordId, None]] = {part: {} for part in parts}
        self._bits: defaultdict[SegmentKey, set[int]] = defaultdict(set)
        for part in self._found:
            self._bits[part.segment].add(part.bits)

    def add(self, records: Iterable[bytes]) -> None:
        """Sort in some records; none is judged here."""
        for data in records:
            try:
                segment = segment_key(segment_of(data))
            except NoEnvelope:
                continue
            id_ = record_id(data)
            for bits in self._bits.get(segment, ()):
                found = self._found.get(Part(segment, bits, leaf_of(id_, bits)))
                if found is not None:
                    found[id_] = None

    def of(self, part: Part) -> list[RecordId]:
        """Return the ids that came of one part."""
        return list(self._found[part])
