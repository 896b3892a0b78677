"""``mitobench score``: metrics on predictions that a run has stored."""

from pathlib import Path

import click

from mitobench.specs import Spec
from mitobench_cli.matrix import SpecType
from mitobench_cli.progress import ProgressLine
from mitobench_cli.reports import render, table_for_terminal, write_reports
from mitobench_cli.terminal import debug_option, discover, json_option, only_json, say, show, show_json

__all__ = ["command"]


@click.command("score")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--metric", multiple=True, type=SpecType("metric"), help="A metric. Repeatable; default metrics if none.")
@json_option
@debug_option
def command(run: Path, metric: tuple[Spec, ...], as_json: bool) -> int:
    """Score the stored predictions of a run with other metrics.

    No model is run. The data sources must be where they were, with the same content. What is scored already stays.
    """
    from mitobench.ranking.evidence import Evidence
    from mitobench.ranking.leaderboard import build_leaderboard
    from mitobench.results.runfolder import RunFolder
    from mitobench.results.scoring import rescore

    with only_json(as_json):
        plugins = discover()
        folder = RunFolder.open(run)
        with ProgressLine("predictions") as line:
            outcome = rescore(folder, metric, plugins, progress=line.update)
        say(f"{outcome.done} scored, {outcome.failed} failed")
        for error in outcome.errors:
            say(f"failed: {error}")
        evidence = Evidence([folder], plugins)
        leaderboard = build_leaderboard(evidence)
        written = write_reports(folder, leaderboard, evidence)
        table = render(leaderboard, evidence, table_for_terminal())
    if as_json:
        counts = {"done": outcome.done, "failed": outcome.failed, "errors": list(outcome.errors)}
        show_json(
            {"run": str(run), **counts, "report": [str(p) for p in written], "leaderboard": leaderboard.to_data()}
        )
    else:
        show(f"{table}\nreport: {folder.report}")
    return outcome.exit_code
