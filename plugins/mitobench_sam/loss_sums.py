"""The text of a loss: its name, or a weighted sum of several. Light, so that options can be checked without torch."""

import re

__all__ = ["LOSS_NAMES", "loss_terms"]

LOSS_NAMES = ("dice-ce", "dice", "ce", "focal", "boundary", "hausdorff")
_TERM = re.compile(r"(?:(?P<weight>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e-?[0-9]+)?)\*)?(?P<name>[a-z-]+)")


def loss_terms(text: str) -> tuple[tuple[float, str], ...]:
    """Weights and names of a sum such as ``dice-ce + 0.5*boundary``.

    >>> loss_terms("dice + 2e-1*ce")
    ((1.0, 'dice'), (0.2, 'ce'))

    Raises:
        ValueError: an unknown loss, a weight that is not a finite number above 0, or text that is no such sum.
    """
    terms = []
    for part in text.replace(" ", "").split("+"):
        match = _TERM.fullmatch(part)
        weight = float(match["weight"] or 1) if match else 0.0
        if match is None or match["name"] not in LOSS_NAMES or not 0 < weight < float("inf"):
            raise ValueError(
                f"{part!r} is no loss; expected {', '.join(LOSS_NAMES)}, or a sum such as dice-ce+0.5*boundary whose weights are numbers above 0"
            )
        terms.append((weight, match["name"]))
    return tuple(terms)
