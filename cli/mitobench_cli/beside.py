"""Published numbers beside ours, as text."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mitobench.text import inert
from mitobench_cli.terminal import columns

if TYPE_CHECKING:
    from mitobench.ranking.published import PublishedComparison

__all__ = ["comparison_table"]


def comparison_table(comparisons: "Sequence[PublishedComparison]") -> str:
    """A table of published numbers and ours, and under it what differs and where they were published."""
    from mitobench.ranking.published import wording

    notes = list(dict.fromkeys((wording(c), c.source) for c in comparisons))
    rows = [
        (c.column, c.of, f"{c.published:g}", _ours(c), f"[{notes.index((wording(c), c.source)) + 1}]")
        for c in comparisons
    ]
    head = (
        "published beside ours"
        if any(not c.differs for c in comparisons)
        else "published beside ours; not like for like"
    )
    lines = [f"[{number}] {inert(what)} (published: {inert(source)})" for number, (what, source) in enumerate(notes, 1)]
    return "\n".join([head, columns(rows, ("SCORE", "OF", "PUBLISHED", "OURS", "NOTE")), *lines])


def _ours(comparison: "PublishedComparison") -> str:
    if comparison.ours is None:
        return "-"
    spread = "" if comparison.low is None else f" [{comparison.low:.3g}, {comparison.high:.3g}]"
    return f"{comparison.ours:.4g}{spread}"
