"""``mitobench run``: plan a matrix, run what is not done, and show the leaderboard."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mitobench.errors import INTERRUPTED
from mitobench_cli.beside import comparison_table
from mitobench_cli.fetching import fetch_missing
from mitobench_cli.interrupts import orderly_stop
from mitobench_cli.matrix import Request, device_option, matrix_options
from mitobench_cli.plan import check_runnable, plan_data, show_plan
from mitobench_cli.progress import ProgressLine
from mitobench_cli.reports import render, table_for_terminal, write_reports
from mitobench_cli.terminal import discover, only_json, say, show, show_json
from mitobench_cli.trainings import train_first

if TYPE_CHECKING:
    from mitobench.experiment import Experiment
    from mitobench.plan import Plan
    from mitobench.plugins import Plugins
    from mitobench.results.runfolder import RunFolder
    from mitobench.runner import RunOutcome
    from mitobench.weights import WeightsStore

__all__ = ["command", "say_outcome", "used"]


@click.command("run")
@matrix_options
@device_option
@click.option("--workers", default=0, show_default=True, type=click.IntRange(min=0), help="Processes; 0: threads only.")
@click.option("--batch", default=8, show_default=True, type=click.IntRange(min=1), help="Images encoded together.")
@click.option(
    "--retrain", is_flag=True, help="Train again where a checkpoint was made otherwise than a training step asks."
)
@click.option("--dry-run", is_flag=True, help="Only show the plan, as `mitobench plan` does.")
def command(request: Request, device: str, workers: int, batch: int, retrain: bool, dry_run: bool) -> int:
    """Run a matrix of data sources, prompters and segmenters.

    The matrix is named by the options, by an EXPERIMENT file (TOML), or by both: an option then replaces what the file
    says. Results go to the run folder as they come; the same command resumes a run that was stopped. Ctrl-C finishes
    what is in flight, twice stops at once. What the file's training steps ask for is trained first, unless its checkpoint
    is there and was made so.
    """
    if dry_run:
        show_plan(request, retrain=retrain)
        return 0
    from mitobench.weights import WeightsStore

    with only_json(request.as_json):
        plugins = discover()
        asked = request.experiment(plugins)
        path = request.folder(asked)
        if request.out is None:
            say(f"run folder: {path} (choose another with --out)")
        store = WeightsStore(plugins, offline=request.offline)
        folder = _prepare(asked, plugins, store, path, retrain=retrain)
        trained = train_first(asked, plugins, store, device=device, retrain=retrain)
        if trained is not None:
            settings = {"device": device, "workers": workers, "batch": batch}
            plan, outcome = _execute(asked, plugins, store, folder, **settings)
            say_outcome(outcome, path)
            result: dict[str, Any] = {"run": str(path), **_outcome_data(outcome), "training": trained}
            result |= {"plan": plan_data(plan), **used(plan)}
            table = "" if outcome.interrupted else _report(folder, plugins, asked, plan, result)
    if trained is None:
        say("interrupted; the same command resumes")
        if request.as_json:
            show_json({"run": str(path), "exit_code": INTERRUPTED, "interrupted": True})
        return INTERRUPTED
    if request.as_json:
        show_json(result)
    elif table:
        show(f"{table}\n{_used_lines(plan)}\nreport: {folder.report}")
    return outcome.exit_code


def _prepare(
    asked: "Experiment", plugins: "Plugins", store: "WeightsStore", path: Path, *, retrain: bool
) -> "RunFolder":
    """Check before anything is trained that it can be and that there is something to run; fetch what that lacks; open the folder."""
    from mitobench.ranking.published import match_cell
    from mitobench.results.runfolder import RunFolder
    from mitobench.training.installed import check_installed
    from mitobench.training.steps import check_step, plan_experiment

    stored = RunFolder.open(path) if (path / "run.json").exists() else None
    steps, plan = plan_experiment(asked, plugins, store, folder=stored)
    check_installed(steps, plan, plugins)
    components = [c for cell in plan.with_status("missing") for c in cell.components]
    if not store.offline and fetch_missing([*components, *(step.trainer for step in steps)], plugins, store):
        steps, plan = plan_experiment(asked, plugins, store, folder=stored)
    for step in steps:
        if step.status == "differs":
            check_step(step, retrain=retrain)
    check_runnable(plan)
    for score in asked.published:
        match_cell(score, plan)
    return stored or RunFolder.create_or_open(path)


def _execute(
    asked: "Experiment", plugins: "Plugins", store: "WeightsStore", folder: "RunFolder", **settings: Any
) -> "tuple[Plan, RunOutcome]":
    from mitobench.plan import make_plan
    from mitobench.runner import Progress, execute

    plan = make_plan(asked, plugins, store, folder=folder)
    check_runnable(plan)
    for cell in (*plan.with_status("incompatible"), *plan.with_status("missing")):
        say(f"{cell.status}: {cell.prompter} x {cell.segmenter} on {cell.data}: {cell.reason}")
    with (
        ProgressLine("images") as line,
        orderly_stop("stopping when the images in flight are done; once more stops at once") as should_stop,
    ):

        def update(progress: Progress) -> None:
            said = (progress.cell, progress.image, progress.message)
            line.update(progress.done, progress.total, "  ".join(text for text in said if text))

        known = len(plugins.warnings)
        outcome = execute(plan, folder, plugins, progress=update, should_stop=should_stop, **settings)
    for warning in dict.fromkeys(plugins.warnings[known:]):
        say(f"warning: {warning}")
    return plan, outcome


def say_outcome(outcome: "RunOutcome", path: Path) -> None:
    """What came of a run, on stderr: counts, distinct errors, and how to go on where it was interrupted."""
    stored = f", {outcome.skipped} were stored" if outcome.skipped else ""
    say(f"{outcome.done} done, {outcome.failed} failed{stored}, {outcome.seconds:.1f} s")
    for message, count in outcome.errors:
        say(f"failed {count}x: {message}")
    if outcome.interrupted:
        say(f"interrupted; what is finished is stored in {path}, and the same command resumes")


def used(plan: "Plan") -> dict[str, Any]:
    """The data and the weights that a plan's cells use, as plain data."""
    components = {c.key: c for cell in plan.cells for c in cell.components if not c.missing}.values()
    return {
        "data": [
            {"data": c.label, "fingerprint": c.identity.get("fingerprint", "")} for c in components if c.kind == "data"
        ],
        "weights": [
            {"component": c.label, "name": w.name, "sha256": w.sha256, "path": str(w.path)}
            for c in components
            for w in c.weights
        ],
    }


def _used_lines(plan: "Plan") -> str:
    from mitobench.text import inert

    found = used(plan)
    lines = [f"data: {inert(d['data'])} (fingerprint {d['fingerprint'][:16]})" for d in found["data"]]
    weights = {(w["name"], w["sha256"]): w for w in found["weights"]}.values()
    lines += [f"weights: {inert(w['name'])} (sha256 {w['sha256'][:16]})" for w in weights]
    return "\n".join(lines)


def _outcome_data(outcome: "RunOutcome") -> dict[str, Any]:
    return {
        "exit_code": outcome.exit_code,
        "done": outcome.done,
        "failed": outcome.failed,
        "skipped": outcome.skipped,
        "seconds": round(outcome.seconds, 3),
        "interrupted": outcome.interrupted,
        "errors": [{"message": message, "count": count} for message, count in outcome.errors],
    }


def _report(folder: "RunFolder", plugins: "Plugins", asked: "Experiment", plan: "Plan", result: dict[str, Any]) -> str:
    """Write the reports, add the leaderboard to the result, and return it, with what was published, as tables."""
    from mitobench.ranking.evidence import Evidence
    from mitobench.ranking.leaderboard import build_leaderboard
    from mitobench.ranking.published import compare, write_comparisons

    evidence = Evidence([folder], plugins)
    leaderboard = build_leaderboard(evidence)
    result["report"] = [str(path) for path in write_reports(folder, leaderboard, evidence)]
    result["leaderboard"] = leaderboard.to_data()
    table = render(leaderboard, evidence, table_for_terminal())
    if not asked.published:
        return table
    comparisons = compare(asked.published, plan, leaderboard)
    write_comparisons(folder, comparisons)
    result["published"] = [vars(comparison) for comparison in comparisons]
    return f"{table}\n{comparison_table(comparisons)}\n"
