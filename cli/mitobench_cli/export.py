"""``mitobench export``: a run as one file that can be shared."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mitobench_cli.terminal import debug_option, discover, json_option, say, show, show_json

if TYPE_CHECKING:
    from mitobench.sharing.exports import ExportSummary

__all__ = ["command"]


@click.command("export")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.zip", help="The file to write.")
@click.option("--predictions", is_flag=True, help="With the stored predictions; without, scores and costs alone.")
@click.option("--check", is_flag=True, help="Write nothing; read every byte of exports, or of folders of them.")
@json_option
@debug_option
def command(runs: tuple[Path, ...], out: Path | None, predictions: bool, check: bool, as_json: bool) -> None:
    """Write a run as one file that can be shared, or check such files.

    The file holds what `mitobench leaderboard` needs, and neither paths nor the names of user and host: these are taken out, and
    a run that has them in names of images or in options is refused. It is the same to the last byte whenever the same run is
    exported. `mitobench leaderboard` shows such files, and folders of them.
    """
    if check:
        if out is not None or predictions:
            raise click.UsageError("--check writes nothing; leave out --out and --predictions.")
        done = _check(runs)
    else:
        if len(runs) != 1 or out is None:
            raise click.UsageError("give one RUN and --out FILE.zip (or exports and --check).")
        if out.suffix.lower() != ".zip":
            raise click.UsageError(f"--out {out}: expected a name that ends in .zip.")
        done = [_export(runs[0], out, predictions)]
    if as_json:
        show_json([_data(summary) for summary in done])
        return
    from mitobench.text import inert

    for found in done:
        stored = f"{found.predictions} predictions" if found.predictions else "no predictions"
        show(
            f"{inert(str(found.path))}: {found.cells} cells, {found.results} results, {stored}, sha256 {found.sha256[:16]}"
        )


def _export(run: Path, out: Path, predictions: bool) -> "ExportSummary":
    from mitobench.results.runfolder import RunFolder
    from mitobench.sharing.exports import export_run

    done = export_run(RunFolder.open(run), out, discover(), predictions=predictions)
    if predictions and not done.predictions:
        say("warning: the run holds no stored predictions")
    return done


def _check(paths: tuple[Path, ...]) -> "list[ExportSummary]":
    from mitobench.sharing.exports import check_export, find_runs

    found = [each for path in paths for each in find_runs(path)]
    folders = [each for each in found if not each.is_file()]
    if folders:
        raise click.UsageError(f"{folders[0]} is a run folder; --check reads files that `mitobench export` wrote.")
    return [check_export(path) for path in found]


def _data(summary: "ExportSummary") -> dict[str, Any]:
    return {
        "export": str(summary.path),
        "cells": summary.cells,
        "results": summary.results,
        "predictions": summary.predictions,
        "sha256": summary.sha256,
    }
