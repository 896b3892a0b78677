"""Text from outside (names, paths, messages) made harmless before it is shown."""

__all__ = ["defused", "inert"]

_FORMULA = tuple("=+-@＝＋－＠")


def inert(text: str) -> str:
    r"""The text on one line, with what could move a cursor, change colours or reverse the writing direction spelled out.

    Escape sequences, line breaks, other control characters and invisible formatting characters (such as the
    right-to-left override) become ``\x1b``, ``\n``, ``\u202e``; printable characters of all scripts stay.

    >>> inert("a\x1b[31mb")
    'a\\x1b[31mb'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def defused(text: str) -> str:
    """The text inert, and behind an apostrophe where a spreadsheet would take it for a formula: for a field of a CSV file.

    >>> defused(" =cmd()")
    "' =cmd()"
    """
    safe = inert(text)
    return f"'{safe}" if safe.lstrip()[:1] in _FORMULA else safe
