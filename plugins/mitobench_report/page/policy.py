"""What a page may do: a content security policy that lets it run its own scripts and styles, and fetch nothing."""

import base64
import hashlib
from collections.abc import Sequence

from markupsafe import Markup

__all__ = ["as_script", "content_policy", "source_hash"]


def content_policy(scripts: Sequence[str], styles: Sequence[str]) -> str:
    """The policy of a page with exactly these inline scripts and styles.

    Args:
        scripts: the text between ``<script>`` and ``</script>`` of each executable script.
        styles: the text between ``<style>`` and ``</style>`` of each style sheet.
    """
    return "; ".join(
        [
            "default-src 'none'",
            "img-src data:",
            " ".join(["script-src", *map(source_hash, scripts)]),
            " ".join(["style-src", *map(source_hash, styles)]),
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def source_hash(text: str) -> str:
    """One inline script or style as a policy names it.

    >>> source_hash("")
    "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
    """
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def as_script(text: str, element: str = "script") -> Markup:
    """Our own script or style sheet as it stands between its tags.

    Raises:
        ValueError: it would end its element early.
    """
    if f"</{element}" in text.lower() or "<!--" in text:
        raise ValueError(f"a {element} of the page holds </{element} or <!--; it cannot be inlined.")
    return Markup(text)  # noqa: S704  (checked above; never text from outside)
