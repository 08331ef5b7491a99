"""Text as it is shown: that of others made safe, since a peer's name must not steer the operator's
terminal; and numbers of things."""


def printable(text: str) -> str:
    r"""Return `text` with every control, format or unassigned character as `\n`, `\x1b`, `\u202e`.

    What remains moves no cursor, starts no line and can be encoded.
    """
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode("ascii")
        for each in text
    )


def counted(count: int, noun: str) -> str:
    """Return `1 game`, or `1,234 games`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
