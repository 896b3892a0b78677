"""Fetching the published weights that a plan lacks."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from mitobench.errors import MissingError, ResourceError
from mitobench_cli.progress import ProgressLine
from mitobench_cli.terminal import say

if TYPE_CHECKING:
    from mitobench.components import ComponentPlan
    from mitobench.plugins import Plugins
    from mitobench.weights import WeightsEntry, WeightsStore

__all__ = ["fetch_missing", "fetchable"]


def fetchable(components: "Iterable[ComponentPlan]", plugins: "Plugins", store: "WeightsStore") -> "list[WeightsEntry]":
    """The published weights that components lack, that are not here, and that the network has."""
    lacking = {component.key: component for component in components if component.missing}.values()
    wanted = {reference.name for component in lacking for reference in component.options(plugins).weights()}
    return [e for e in store.entries() if e.file.name in wanted and e.state == "absent" and e.file.url]


def fetch_missing(components: "Iterable[ComponentPlan]", plugins: "Plugins", store: "WeightsStore") -> bool:
    """Fetch the published weights that components lack; True if any came. What does not come is a warning."""
    fetched = False
    for entry in fetchable(components, plugins, store):
        say(
            f"fetching {entry.file.name} ({entry.file.size / 1e6:.0f} MB, licence {entry.file.licence}) from {entry.file.url}"
        )
        try:
            with ProgressLine("MB") as line:
                store.fetch(entry.file.name, progress=line.update_bytes)
            fetched = True
        except (MissingError, ResourceError) as error:
            say(f"warning: {error}")
    return fetched
