"""Leaderboards through the reporters that plugins offer: one on stdout, all of them in a run's report folder."""

import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from mitobench.descriptors import ReporterDescriptor
from mitobench.errors import MissingError, ResourceError
from mitobench.files import write_atomically
from mitobench.specs import Spec
from mitobench_cli.terminal import say

if TYPE_CHECKING:
    from mitobench.plugins import Plugins
    from mitobench.ranking.evidence import Evidence
    from mitobench.ranking.leaderboard import Leaderboard
    from mitobench.results.runfolder import RunFolder

__all__ = ["fitted", "render", "table_for_terminal", "write_reports"]


def render(leaderboard: "Leaderboard", evidence: "Evidence", reporter: Spec) -> str:
    """The document that one reporter makes of a leaderboard.

    Raises:
        UsageError: no such reporter or option.
        MissingError: what it needs is not installed.
    """
    from mitobench.components import plan_component

    planned = plan_component("reporter", reporter, evidence.plugins, None, base=Path.cwd())
    if planned.missing:
        raise MissingError(planned.missing)
    return cast("str", planned.build(evidence.plugins).render(leaderboard, evidence))


def table_for_terminal() -> Spec:
    """Our own ``table`` reporter, whoever else has one of that name; as wide as the terminal if stdout is one."""
    return Spec("table", _terminal_width(), "mitobench")


def fitted(reporter: Spec, plugins: "Plugins") -> Spec:
    """The reporter as it writes to stdout: our ``table`` is as wide as the terminal there, unless a width is asked for."""
    ours = plugins.find("reporter", reporter).reference == "mitobench/table"
    return replace(reporter, options={**_terminal_width(), **reporter.options}) if ours else reporter


def _terminal_width() -> dict[str, int]:
    return {"width": max(20, shutil.get_terminal_size().columns)} if sys.stdout.isatty() else {}


def write_reports(folder: "RunFolder", leaderboard: "Leaderboard", evidence: "Evidence") -> list[Path]:
    """Write ``report/leaderboard.*`` with every reporter; one that fails, however, costs its own report and a warning.

    Returns:
        the files that were written.

    Raises:
        ResourceError: the disk is full.
    """
    written: list[Path] = []
    for component in evidence.plugins.components("reporter"):
        descriptor = component.descriptor
        if not isinstance(descriptor, ReporterDescriptor) or not re.fullmatch(r"(\.[A-Za-z0-9]+)+", descriptor.suffix):
            say(f"warning: reporter {component.reference}: suffix is no file suffix; skipped.")
            continue
        path = folder.report / f"leaderboard{descriptor.suffix}"
        if path in written:
            say(f"warning: reporter {component.reference}: {path.name} is written by another reporter; skipped.")
            continue
        try:
            spec = Spec(descriptor.name, {}, component.plugin.distribution)
            write_atomically(path, render(leaderboard, evidence, spec).encode())
            written.append(path)
        except MissingError as error:
            say(f"warning: reporter {component.reference}: {error}")
        except (ResourceError, MemoryError):
            raise
        except (Exception, SystemExit) as error:
            say(f"warning: reporter {component.reference} failed ({type(error).__name__}: {error}).")
    return written
