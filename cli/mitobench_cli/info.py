"""``mitobench info``: everything about one component, without building it."""

import textwrap
from typing import TYPE_CHECKING, Any

import click

from mitobench.errors import MitobenchError, UsageError
from mitobench.plugins import KINDS
from mitobench.specs import parse_spec
from mitobench.text import inert
from mitobench_cli.describing import capabilities, options_of
from mitobench_cli.list import parse_kind
from mitobench_cli.terminal import columns, debug_option, discover, json_option, show, show_json

if TYPE_CHECKING:
    from mitobench.plugins import Component, Plugins

__all__ = ["command"]


@click.command("info")
@click.argument("name")
@click.option("--kind", help="Only the component of this kind, where several share a name.")
@json_option
@debug_option
def command(name: str, kind: str | None, as_json: bool) -> None:
    """Show a component's options, licence and citation.

    Several kinds may have a component of one NAME; all are shown.
    """
    plugins = discover()
    found = _find(plugins, name, kind)
    if as_json:
        show_json([_plain(component) for component in found])
    else:
        show("\n\n".join(_describe(component) for component in found))


def _find(plugins: "Plugins", name: str, kind: str | None) -> "list[Component]":
    wanted = parse_spec(name)
    every = [c for each in KINDS for c in plugins.components(each) if kind is None or each == parse_kind(kind)]
    found = [
        c for c in every if c.descriptor.name == wanted.name and wanted.distribution in ("", c.plugin.distribution)
    ]
    if not found:
        from mitobench.options import suggest

        names = sorted({c.descriptor.name for c in every})
        raise UsageError(
            f"unknown component {name!r}.{suggest(wanted.name, names)} Known: {', '.join(names) or 'none'}."
        )
    return found


def _describe(component: "Component") -> str:
    descriptor, plugin = component.descriptor, component.plugin
    lines = [
        inert(f"{descriptor.kind} {descriptor.name}"),
        *textwrap.wrap(inert(descriptor.summary), 96, initial_indent="  ", subsequent_indent="  "),
        inert(f"  from {plugin.distribution} {plugin.version}, version {descriptor.version} of the component"),
    ]
    if reason := component.missing():
        lines.append(inert(f"  cannot be used here: it {reason}"))
    for title, text in capabilities(component):
        body = textwrap.wrap(inert(text), 84) or ["-"]
        lines += [f"  {title + ':':<10}{body[0]}", *(f"{'':12}{line}" for line in body[1:])]
    lines += [*_option_lines(component), *_weights_lines(component)]
    return "\n".join(lines)


def _option_lines(component: "Component") -> list[str]:
    try:
        options = options_of(component)
    except MitobenchError as error:
        return [inert(f"  options cannot be shown: {error}")]
    if not options:
        return ["  options:  none"]
    rows = [(option.name, option.type, option.default, option.description) for option in options]
    table = columns(rows, ("OPTION", "TAKES", "DEFAULT", "WHAT IT DOES"))
    return ["  options:", *(f"    {line}" for line in table.splitlines())]


def _weights_lines(component: "Component") -> list[str]:
    if not component.descriptor.weights:
        return []
    rows = [
        (w.name, f"{w.size / 1e6:.1f} MB", "bundled" if w.bundled else w.url, w.licence, w.summary)
        for w in component.descriptor.weights
    ]
    table = columns(rows, ("WEIGHTS", "SIZE", "FROM", "LICENCE", "WHAT THEY ARE"))
    return ["  weights:", *(f"    {line}" for line in table.splitlines())]


def _plain(component: "Component") -> dict[str, Any]:
    descriptor = component.descriptor
    return {
        "kind": descriptor.kind,
        "name": descriptor.name,
        "reference": component.reference,
        "plugin": component.plugin.name,
        "summary": descriptor.summary,
        "version": descriptor.version,
        "missing": component.missing(),
        "facts": dict(capabilities(component)),
        "options": [vars(option) for option in options_of(component)],
        "weights": [vars(weights) for weights in descriptor.weights],
    }
