"""What an answer tells of our own ids. Each raises `MalformedMessage` if it makes no sense."""

from collections.abc import Sequence

from p2p.codec import MalformedMessage
from p2p.envelope import RecordId
from p2p.reconcile import filters, parts
from p2p.reconcile.messages import ExactAnswer, PartAnswer, short_id_bytes


def lacking(theirs: PartAnswer, ids: Sequence[RecordId], salt: bytes) -> list[RecordId] | None:
    """Return which of a part's ids the peer lacks for certain; None if it has sent no filter."""
    if theirs.filter is None:
        return None
    return filters.missing(theirs.filter, ids, salt)


def wanted(ids: Sequence[RecordId], shorts: Sequence[bytes], joined: bytes) -> list[RecordId]:
    """Return the ids of a part whose short ids are wanted; each must have been offered."""
    chosen = parts.split_short_ids(joined)
    left = set(chosen)
    if len(left) < len(chosen) or not left <= set(shorts):
        raise MalformedMessage("wants an id that was not offered")
    return [id_ for id_, short in zip(ids, shorts, strict=True) if short in left]


def hidden(page: Sequence[parts.Listed], answer: ExactAnswer) -> int:
    """Return how many ids a list brings to light that filters had hidden on either side."""
    told = [listed.told for listed in page[: answer.done]]
    if None in told:
        return 0
    of_part = {each.part: len(each.ids) // short_id_bytes for each in answer.wanted}
    here = answer.records
    there = 0
    for index, each in enumerate(told):
        if each is not None:
            here -= each.withheld
            there += 0 if each.lacking is None else max(0, of_part.get(index, 0) - each.lacking)
    return max(0, here) + there
