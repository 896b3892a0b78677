"""``mitobench plugins``: where the components come from, and which plugin does not work."""

import click

from mitobench.plugins import KINDS, Plugin
from mitobench_cli.terminal import columns, debug_option, discover, json_option, show, show_json

__all__ = ["command"]


@click.command("plugins")
@json_option
@debug_option
def command(as_json: bool) -> None:
    """Show the plugins that were found and what is wrong with them.

    Set MITOBENCH_DISABLE_PLUGINS to names, separated by commas, to leave plugins out before they are imported.
    """
    plugins = discover()
    offered: dict[str, list[str]] = {}
    for kind in KINDS:
        for component in plugins.components(kind):
            owner = f"{component.plugin.distribution}/{component.plugin.name}"
            offered.setdefault(owner, []).append(component.descriptor.name)
    if as_json:
        show_json([_plain(plugin, offered) for plugin in plugins.found])
        return
    rows = [
        (
            plugin.name,
            plugin.distribution,
            plugin.version,
            _status(plugin),
            ", ".join(_names(plugin, offered)) or "-",
        )
        for plugin in plugins.found
    ]
    show(columns(rows, ("PLUGIN", "DISTRIBUTION", "VERSION", "STATUS", "COMPONENTS")))


def _names(plugin: Plugin, offered: dict[str, list[str]]) -> list[str]:
    return sorted(set(offered.get(f"{plugin.distribution}/{plugin.name}", [])))


def _status(plugin: Plugin) -> str:
    if plugin.disabled:
        return "disabled"
    return f"broken: {plugin.error}" if plugin.error else "ok"


def _plain(plugin: Plugin, offered: dict[str, list[str]]) -> dict[str, object]:
    return {
        "name": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "module": plugin.module,
        "error": plugin.error,
        "disabled": plugin.disabled,
        "components": _names(plugin, offered),
    }
