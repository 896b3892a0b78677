"""Badges: what a reader must know before a row is compared with others, from what the run recorded of its components."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from mitobench.errors import UsageError
from mitobench.ranking.evidence import CellEvidence
from mitobench.ranking.licences import is_permissive
from mitobench.ranking.standings import Badge
from mitobench.specs import Spec, parse_spec

__all__ = ["badges_of", "licence_badge"]

_PARTS = ("prompter", "segmenter")
_CONTENT_NAMED = re.compile(r"[0-9a-f]{8,}$|-volume-\d+$")
_COPYLEFT = re.compile(
    r"gpl|\bgnu\b|\b(mpl|mozilla|epl|eclipse|eupl|osl|cddl|odbl|cecill)\b|\bsa\b|share-?\s?alike|copyleft|reciprocal"
)
_SPLIT_OPTIONS = ("split", "sections")


def badges_of(cell: CellEvidence) -> tuple[Badge, ...]:
    """The badges of one cell, each name once."""
    found: dict[str, list[str]] = {}
    for part in _PARTS:
        for make in (_oracle, _in_domain, _leaky, _bundled, _licences):
            for badge in make(part, cell):
                found.setdefault(badge.name, []).append(badge.explanation)
    return tuple(Badge(name=name, explanation="; ".join(dict.fromkeys(why))) for name, why in found.items())


def licence_badge(licence: str, what: str) -> Badge | None:
    """The badge of a licence that binds whoever uses the thing, or that nobody knows; None for a permissive one.

    Args:
        licence: an SPDX expression, or what people write instead.
        what: the thing, for the explanation.
    """
    text = licence.strip().lower()
    if text in ("", "unknown", "noassertion"):
        return Badge(name="licence unknown", explanation=f"nobody has said under which licence {what} may be used")
    if is_permissive(licence):
        return None
    if "agpl" in text or "affero" in text:
        return Badge(
            name="AGPL",
            explanation=f"{what}: {licence}; whoever distributes, or offers over a network, a work that contains it must do so under that licence",
        )
    if re.search(r"\bnc\b|non-?\s?commercial", text):
        return Badge(name="non-commercial", explanation=f"{what}: {licence}, which allows no commercial use")
    if _COPYLEFT.search(text):
        return Badge(
            name="copyleft",
            explanation=f"{what}: {licence} (copyleft or share-alike); whoever distributes what contains it, or was made from it, "
            "must do so under that licence",
        )
    return Badge(
        name="other licence",
        explanation=f"{what}: {licence}, which is none of the permissive licences known here; read it",
    )


def _oracle(part: str, cell: CellEvidence) -> Iterator[Badge]:
    if part == "prompter" and cell.record["oracle"]:
        yield Badge(name="oracle", explanation="the prompts were made from the reference, which nobody has in practice")


def _in_domain(part: str, cell: CellEvidence) -> Iterator[Badge]:
    evaluated = {str(o) for o in cell.table.origins if o}
    seen = evaluated & set(cell.record[part]["trained_on"])
    if seen:
        yield Badge(
            name="in-domain",
            explanation=f"the {part}'s weights were trained on these very images: {len(seen)} of the {len(evaluated)} evaluated source images",
        )


def _leaky(part: str, cell: CellEvidence) -> Iterator[Badge]:
    """Images that the weights have not seen, of a volume that they have."""
    trained_on = set(cell.record[part]["trained_on"])
    data = str(cell.record["data"]["label"])
    known = {
        group
        for weights in cell.record[part]["weights"]
        for group in weights.get("training_groups", ())
        if _is_same_volume(group, weights.get("training_data", ""), data)
    }
    rows = zip(cell.table.groups, cell.table.origins, strict=True)
    shared = [str(group) for group, origin in rows if str(group) in known and str(origin) not in trained_on]
    if shared:
        groups = sorted(set(shared))
        named = ", ".join(groups[:3]) + (f" and {len(groups) - 3} more" if len(groups) > 3 else "")
        yield Badge(
            name="leaky split",
            explanation=f"the {part}'s weights were trained on another part of the volume of {len(shared)} of the "
            f"{len(cell.table.images)} images ({named}); neighbours in one volume are alike",
        )


def _is_same_volume(group: str, training: str, evaluated: str) -> bool:
    """Whether a group's name means one volume in both data sources.

    A name that was made from the content does. Any other (``01``, a file's name) does only where both are the same kind of
    data source and share a text option, such as the folder, besides the split.
    """
    if _CONTENT_NAMED.search(group):
        return True
    here = _text_options(evaluated)
    return any(there & here for there in map(_text_options, training.split(" + ")))


def _text_options(label: str) -> set[tuple[str, str, str]]:
    try:
        spec: Spec = parse_spec(label)
    except UsageError:
        return set()
    return {
        (spec.name, name, value)
        for name, value in spec.options.items()
        if isinstance(value, str) and name not in _SPLIT_OPTIONS
    }


def _bundled(part: str, cell: CellEvidence) -> Iterator[Badge]:
    for weights in cell.record[part]["weights"]:
        if weights.get("bundled"):
            yield Badge(name="bundled weights", explanation=f"the {part}'s weights come with its plugin")


def _licences(part: str, cell: CellEvidence) -> Iterator[Badge]:
    record: Mapping[str, Any] = cell.record[part]
    things = [(record["licence"], f"the {part} {record['label']}")]
    things += [(w["licence"], f"the {part}'s weights {w['name']}") for w in record["weights"] if "licence" in w]
    yield from (badge for licence, what in things if (badge := licence_badge(str(licence), what)) is not None)
