"""Text of others, made safe to show: a peer's name must not steer the operator's terminal."""


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
