"""Which licences allow everything but leaving out who made it. Any other binds somebody and is named to the reader."""

import re

__all__ = ["is_permissive"]

_PERMISSIVE = frozenset(
    {
        *("0bsd", "apache-2.0", "bsd-2-clause", "bsd-3-clause", "bsd-3-clause-clear", "bsl-1.0", "hpnd", "isc", "ncsa"),
        *(
            "mit",
            "mit-0",
            "mit-cmu",
            "mulanpsl-2.0",
            "postgresql",
            "psf-2.0",
            "python-2.0",
            "unlicense",
            "wtfpl",
            "zlib",
        ),
        *("cc0", "cc0-1.0", "cdla-permissive-1.0", "cdla-permissive-2.0", "odc-by-1.0", "pddl-1.0", "public-domain"),
        *(f"cc-by{version}" for version in ("", "-1.0", "-2.0", "-2.5", "-3.0", "-4.0")),
    }
)
_USUAL = {"apache-2": "apache-2.0", "bsd": "bsd-3-clause", "new-bsd": "bsd-3-clause", "cc-zero": "cc0", "expat": "mit"}
_EXCEPTION = re.compile(r"\s+with\s+[\w.-]+-exception")
_FILLING = re.compile(r"\b(the|licen[cs]e|version)\b|,|(?<=[\s-])v(?=\d)")


def is_permissive(licence: str) -> bool:
    """Whether a licence binds nobody further; of several, all that hold together (AND), or one to choose (OR).

    >>> is_permissive("Apache License, Version 2.0"), is_permissive("GPL-3.0-only OR MIT"), is_permissive("CC-BY-SA-4.0")
    (True, True, False)
    """
    text = _EXCEPTION.sub("", licence.strip().lower())
    if "(" in text:
        return all(map(_is_listed, re.split(r"\s+(?:and|or)\s+", re.sub(r"[()]", " ", text))))
    return any(all(map(_is_listed, re.split(r"\s+and\s+", choice))) for choice in re.split(r"\s+or\s+", text))


def _is_listed(name: str) -> bool:
    plain = re.sub(r"[\s_-]+", "-", _FILLING.sub(" ", name)).strip("-")
    return _USUAL.get(plain, plain) in _PERMISSIVE
