"""Which cells of some runs a leaderboard shows, and whether they may stand in one."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from mitobench.errors import UsageError
from mitobench.ranking.evidence import CellEvidence, Evidence
from mitobench.results.runfolder import RunFolder

__all__ = ["Selection", "check_mergeable", "earlier_cells"]

_METRIC_KEY = re.compile(r"(?P<name>.*)@(?P<version>\d+)(#[0-9a-f]+)?")


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What to show: labels, or patterns with ``*`` and ``?``, of data sources, prompters and segmenters; all where empty."""

    data: Sequence[str] = ()
    prompters: Sequence[str] = ()
    segmenters: Sequence[str] = ()

    def of(self, evidence: Evidence) -> dict[str, CellEvidence]:
        """The cells that match, by key.

        Raises:
            UsageError: a pattern that matches nothing, or nothing matches all of them.
        """
        found = dict(evidence.cells)
        for kind, what, patterns in (
            ("data", "data source", self.data),
            ("prompter", "prompter", self.prompters),
            ("segmenter", "segmenter", self.segmenters),
        ):
            labels = sorted({_label(cell, kind) for cell in evidence.cells.values()})
            for pattern in patterns:
                if not any(_matches(label, [pattern]) for label in labels):
                    raise UsageError(f"no {what} matches {pattern!r}. There are: {', '.join(labels)}.")
            if patterns:
                found = {key: cell for key, cell in found.items() if _matches(_label(cell, kind), patterns)}
        if not found:
            raise UsageError(
                "no cell matches all of the patterns for data source, prompter and segmenter; leave one out."
            )
        return found


def check_mergeable(cells: Mapping[str, CellEvidence], folders: Sequence[RunFolder], *, apart: bool) -> None:
    """Refuse runs whose cells would stand side by side as if they were comparable, and are not.

    Args:
        cells: those to be shown.
        folders: the runs that they come from.
        apart: data sources of one label and other content may have a table each.

    Raises:
        UsageError: one label means other data in another run, or one metric was computed by other versions.
    """
    runs = {folder: folder.record() for folder in folders}
    shown = {folder: {key for key in record["cells"] if key in cells} for folder, record in runs.items()}
    if not apart:
        _check_fingerprints(cells, shown)
    _check_versions({folder: list(runs[folder]["metrics"]) for folder in folders if shown[folder]})


def earlier_cells(cells: Collection[str], folders: Sequence[RunFolder]) -> set[str]:
    """The cells that are stored in some run and were not part of the last command there, nor of any other run's."""
    last: set[str] = set()
    for folder in folders:
        asked = [request["cells"] for request in folder.record().get("requests", []) if "cells" in request]
        last |= set(asked[-1]) if asked else set(cells)
    return set(cells) - last


def _check_fingerprints(cells: Mapping[str, CellEvidence], shown: Mapping[RunFolder, set[str]]) -> None:
    labels = {_label(cells[key], "data") for keys in shown.values() for key in keys}
    for label in sorted(labels):
        found = {
            folder: {
                str(cells[key].record["data"]["identity"]["fingerprint"])
                for key in keys
                if _label(cells[key], "data") == label
            }
            for folder, keys in shown.items()
        }
        together = set().union(*found.values())
        if len(together) > 1 and together not in found.values():
            named = "; ".join(f"{f[:8]} in {folder.source}" for folder, prints in found.items() for f in sorted(prints))
            raise UsageError(
                f"the data source {label!r} is not the same in these runs (fingerprint {named}), so their cells cannot share "
                "a table. Leave a run out, choose with --data, or give --apart to have a table for each."
            )


def _check_versions(keys: Mapping[RunFolder, Sequence[str]]) -> None:
    versions: dict[str, dict[RunFolder, set[str]]] = {}
    for folder, metrics in keys.items():
        for key in metrics:
            if found := _METRIC_KEY.fullmatch(key):
                versions.setdefault(found["name"], {}).setdefault(folder, set()).add(found["version"])
    for name, by_run in versions.items():
        if not set.intersection(*by_run.values()):
            named = "; ".join(f"{', '.join(sorted(v))} in {folder.source}" for folder, v in by_run.items())
            newest = max((v for found in by_run.values() for v in found), key=int)
            behind = next(folder.source for folder, found in by_run.items() if newest not in found)
            raise UsageError(
                f"the metric {name!r} has other versions in these runs (version {named}), so their scores cannot be compared. "
                f"Run `mitobench score {behind} --metric {name.rpartition('/')[2]}` and ask again."
            )


def _label(cell: CellEvidence, kind: str) -> str:
    return str(cell.record[kind]["label"])


def _matches(label: str, patterns: Sequence[str]) -> bool:
    return any(label == pattern or fnmatchcase(label, pattern) for pattern in patterns)
