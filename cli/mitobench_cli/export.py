"""``mitobench export``: a run as one file that can be shared, or the prompts of a run as a table."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mitobench_cli.terminal import debug_option, discover, json_option, say, show, show_json

if TYPE_CHECKING:
    from mitobench.sharing.exports import ExportSummary
    from mitobench.sharing.prompt_tables import PromptTable

__all__ = ["command"]


@click.command("export")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The file to write: .zip, or .csv with --prompts.",
)
@click.option("--predictions", is_flag=True, help="With the stored predictions; without, scores and costs alone.")
@click.option(
    "--prompts",
    "prompter",
    metavar="PROMPTER",
    help="Instead, the points or boxes that this prompter of the run made, as a table: a row each, with the image's id.",
)
@click.option("--data", metavar="DATA", help="With --prompts: of this data source, where the run holds several.")
@click.option("--check", is_flag=True, help="Write nothing; read every byte of exports, or of folders of them.")
@json_option
@debug_option
def command(
    runs: tuple[Path, ...],
    out: Path | None,
    predictions: bool,
    prompter: str | None,
    data: str | None,
    check: bool,
    as_json: bool,
) -> None:
    """Write a run as one file that can be shared, or check such files.

    The file holds what `mitobench leaderboard` needs, and neither paths nor the names of user and host: these are taken out, and
    a run that has them in names of images or in options is refused. It is the same to the last byte whenever the same run is
    exported. `mitobench leaderboard` shows such files, and folders of them.

    With --prompts, a CSV file of prompts is written instead, such as the centroids that unet made. The prompter
    manual:path=FILE.csv gives them again, to any segmenter; edited in between, if wanted.
    """
    _check_usage(prompter, data, predictions, check)
    if prompter is not None:
        _export_prompts(runs, out, prompter, data, as_json)
        return
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


def _check_usage(prompter: str | None, data: str | None, predictions: bool, check: bool) -> None:
    if prompter is None and data is not None:
        raise click.UsageError("--data goes with --prompts.")
    if prompter is not None and (predictions or check):
        raise click.UsageError("--prompts writes a table of prompts; leave out --predictions and --check.")


def _export_prompts(runs: tuple[Path, ...], out: Path | None, prompter: str, data: str | None, as_json: bool) -> None:
    from mitobench.sharing.exports import open_run
    from mitobench.sharing.prompt_tables import export_prompts

    if len(runs) != 1 or out is None or out.suffix.lower() != ".csv":
        raise click.UsageError("--prompts: give one RUN and --out FILE.csv.")
    done = export_prompts(open_run(runs[0]), out, prompter, data=data)
    again = _manual(done)
    if as_json:
        show_json({**vars(done), "path": str(done.path), "use": again})
    else:
        show(_prompts_text(done, again))


def _manual(done: "PromptTable") -> str:
    """The prompter that gives these prompts again; an image that failed stays an error, not one without objects."""
    from mitobench.specs import Spec

    skipped = {"missing": "skip"} if done.without and not done.failed else {}
    return str(Spec("manual", {"path": str(done.path), **skipped}, ""))


def _prompts_text(done: "PromptTable", again: str) -> str:
    import shlex

    from mitobench.text import inert

    plural = "es" if done.kind == "box" else "s"
    without = f", {len(done.without)} images without" if done.without else ""
    failed = f", {len(done.failed)} images failed" if done.failed else ""
    line = f"{done.path}: {done.prompts} prompts ({done.kind}{plural}) of {done.prompter} on {done.images} images{without}{failed}"
    return "\n".join([inert(line), inert(f"use: --prompter {shlex.quote(again)}")])


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
