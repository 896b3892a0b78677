"""``mitobench leaderboard``: a view of one or several runs, computed from their files."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mitobench.errors import UsageError
from mitobench.specs import Spec
from mitobench_cli.matrix import SpecType
from mitobench_cli.reports import fitted, render, table_for_terminal
from mitobench_cli.terminal import debug_option, discover, show

if TYPE_CHECKING:
    from mitobench.plugins import Plugins

__all__ = ["command"]


@click.command("leaderboard")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option("--data", multiple=True, metavar="LABEL", help="Only these data sources; * and ? match. Repeatable.")
@click.option("--prompter", multiple=True, metavar="LABEL", help="Only these prompters, likewise. Repeatable.")
@click.option("--segmenter", multiple=True, metavar="LABEL", help="Only these segmenters, likewise. Repeatable.")
@click.option("--primary", metavar="SCORE", help="The score that ranks, such as F1@0.5.")
@click.option("--sort", metavar="COLUMN", help="Order the rows by a score, a cost or a name; ranks stay.")
@click.option(
    "--format",
    "reporter",
    type=SpecType("reporter"),
    default=None,
    help="A reporter: table (default), md, csv, json, html, or table:scores=all and the like.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write there; its suffix decides where no --format does.",
)
@click.option("--apart", is_flag=True, help="Data of one name but other content get a table each, instead of an error.")
@click.option(
    "--resamples", default=2000, show_default=True, type=click.IntRange(min=0), help="Bootstrap resamples of intervals."
)
@debug_option
def command(
    runs: tuple[Path, ...],
    data: tuple[str, ...],
    prompter: tuple[str, ...],
    segmenter: tuple[str, ...],
    primary: str | None,
    sort: str | None,
    reporter: Spec | None,
    out: Path | None,
    apart: bool,
    resamples: int,
) -> None:
    """Show the leaderboard of one or several runs.

    Oracle prompters, which looked at the reference, have tables of their own. Intervals are 95 % bootstrap intervals. Ranks,
    intervals and tests are among the cells that are shown.
    """
    from mitobench.files import write_atomically
    from mitobench.ranking.evidence import Evidence
    from mitobench.ranking.leaderboard import build_leaderboard
    from mitobench.ranking.selection import Selection
    from mitobench.ranking.sorting import sort_rows
    from mitobench.sharing.exports import open_runs
    from mitobench.text import inert

    plugins = discover()
    folders = open_runs(runs)
    if reporter is not None:
        on_stdout = fitted(reporter, plugins)
        reporter = on_stdout if out is None else reporter
    elif out is not None:
        reporter = _reporter_for(out, plugins)
    evidence = Evidence(folders, plugins)
    selection = Selection(data=data, prompters=prompter, segmenters=segmenter)
    leaderboard = build_leaderboard(evidence, primary=primary, resamples=resamples, selection=selection, apart=apart)
    if sort is not None:
        leaderboard = sort_rows(leaderboard, sort)
    document = render(leaderboard, evidence, reporter or table_for_terminal())
    if out is None:
        show(document.rstrip("\n"))
    else:
        write_atomically(out, document.encode())
        show(inert(str(out)))


def _reporter_for(path: Path, plugins: "Plugins") -> Spec:
    """The reporter whose files have this suffix; ours where several have it.

    Raises:
        UsageError: none has.
    """
    from mitobench.descriptors import ReporterDescriptor

    suffixes: dict[str, Spec] = {}
    for component in plugins.components("reporter"):
        descriptor = component.descriptor
        if isinstance(descriptor, ReporterDescriptor):
            spec = Spec(descriptor.name, {}, component.plugin.distribution)
            if descriptor.suffix not in suffixes or component.plugin.distribution == "mitobench":
                suffixes[descriptor.suffix] = spec
    if path.suffix.lower() not in suffixes:
        raise UsageError(
            f"--out {path}: no reporter writes {path.suffix or 'files without a suffix'}. "
            f"Give --format, or one of: {', '.join(sorted(suffixes))}."
        )
    return suffixes[path.suffix.lower()]
