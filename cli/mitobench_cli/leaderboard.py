"""``mitobench leaderboard``: a view of one or several runs, computed from their files."""

from pathlib import Path

import click

from mitobench.specs import Spec
from mitobench_cli.matrix import SpecType
from mitobench_cli.reports import render, table_for_terminal
from mitobench_cli.terminal import debug_option, discover, show

__all__ = ["command"]


@click.command("leaderboard")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option(
    "--format",
    "reporter",
    type=SpecType("reporter"),
    default=None,
    help="A reporter: table (default), md, csv, json, or table:scores=all and the like.",
)
@click.option("--primary", metavar="SCORE", help="The score that ranks, such as F1@0.5.")
@click.option(
    "--resamples", default=2000, show_default=True, type=click.IntRange(min=0), help="Bootstrap resamples of intervals."
)
@debug_option
def command(runs: tuple[Path, ...], reporter: Spec | None, primary: str | None, resamples: int) -> None:
    """Show the leaderboard of one or several runs.

    Oracle prompters, which looked at the reference, have tables of their own. Intervals are 95 % bootstrap intervals.
    """
    from mitobench.evidence import Evidence
    from mitobench.leaderboard import build_leaderboard
    from mitobench.runfolder import RunFolder

    plugins = discover()
    folders = [RunFolder.open(path) for path in runs]
    if reporter is not None:
        plugins.find("reporter", reporter)
    evidence = Evidence(folders, plugins)
    leaderboard = build_leaderboard(evidence, primary=primary, resamples=resamples)
    show(render(leaderboard, evidence, reporter or table_for_terminal()).rstrip("\n"))
