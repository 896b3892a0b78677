"""``mitobench list``: the components there are, from descriptors alone."""

import difflib
from collections import Counter
from typing import TYPE_CHECKING, cast

import click

from mitobench_cli.terminal import columns, debug_option, discover, json_option, show, show_json

if TYPE_CHECKING:
    from mitobench.descriptors import Descriptor, Kind
    from mitobench.plugins import Component

__all__ = ["command", "traits"]

_KINDS = ("data", "prompter", "segmenter", "metric", "trainer", "reporter")
_OTHER_WORDS = {"data-source": "data", "data-sources": "data", "source": "data", "sources": "data"}


@click.command("list")
@click.argument("kind", required=False)
@json_option
@debug_option
def command(kind: str | None, as_json: bool) -> None:
    """List the components there are.

    KIND is data, prompter, segmenter, metric, trainer or reporter; without it, all are listed.
    """
    kinds = [parse_kind(kind)] if kind else list(_KINDS)
    plugins = discover()
    found = [component for each in kinds for component in plugins.components(cast("Kind", each))]
    if as_json:
        show_json([_plain(component) for component in found])
        return
    names = Counter((c.descriptor.kind, c.descriptor.name) for c in found)
    rows = []
    for component in found:
        descriptor = component.descriptor
        clash = names[descriptor.kind, descriptor.name] > 1
        missing = component.missing()
        summary = descriptor.summary + (f" [{missing}]" if missing else "")
        rows.append((descriptor.kind, component.reference if clash else descriptor.name, traits(descriptor), summary))
    show(columns(rows, ("KIND", "NAME", "PROMPTS", "SUMMARY")))


def parse_kind(text: str) -> str:
    """The kind that a word means, singular or plural.

    Raises:
        click.BadParameter: none, with a suggestion.
    """
    word = _OTHER_WORDS.get(text.lower(), text.lower())
    word = word if word in _KINDS else word.removesuffix("s")
    if word in _KINDS:
        return word
    close = difflib.get_close_matches(word, _KINDS, n=1, cutoff=0.5)
    meant = f" Did you mean {close[0]!r}?" if close else ""
    raise click.BadParameter(f"unknown kind {text!r}.{meant} Kinds: {', '.join(_KINDS)}.", param_hint="KIND")


def traits(descriptor: "Descriptor") -> str:
    """What a prompter emits, what a segmenter accepts, and whether the reference is looked at; "-" for the other kinds."""
    kinds = getattr(descriptor, "emits", None) or getattr(descriptor, "accepts", None) or ()
    oracle = " (oracle)" if getattr(descriptor, "uses_reference", False) else ""
    return ",".join(sorted(kinds)) + oracle if kinds or oracle else "-"


def _plain(component: "Component") -> dict[str, object]:
    descriptor = component.descriptor
    return {
        "kind": descriptor.kind,
        "name": descriptor.name,
        "reference": component.reference,
        "summary": descriptor.summary,
        "version": descriptor.version,
        "emits": sorted(getattr(descriptor, "emits", ())),
        "accepts": sorted(getattr(descriptor, "accepts", ())),
        "uses_reference": bool(getattr(descriptor, "uses_reference", False)),
        "missing": component.missing(),
        "licence": descriptor.licence,
    }
