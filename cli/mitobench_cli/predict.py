"""``mitobench predict``: segment images that have no reference, with named components or with the best ones of a run."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mitobench.specs import Spec, parse_spec
from mitobench_cli.choosing import Asked, Pair, choose
from mitobench_cli.interrupts import orderly_stop
from mitobench_cli.matrix import SpecType, device_option, offline_option
from mitobench_cli.progress import ProgressLine
from mitobench_cli.terminal import columns, debug_option, discover, json_option, only_json, say, show, show_json

if TYPE_CHECKING:
    from mitobench.plugins import Plugins
    from mitobench.predict.inputs import ImageInput
    from mitobench.predict.predicting import Extras, PredictionOutcome
    from mitobench.predict.predictor import Tiling

__all__ = ["command"]

_SHOWN = 20
_SMALLEST_TILE = 32


def _tile(_context: click.Context, _parameter: click.Parameter, value: str) -> int | None:
    """``auto`` is None, ``off`` is 0, else a side in pixels."""
    if value in ("auto", "off"):
        return None if value == "auto" else 0
    if not value.isdecimal() or int(value) < _SMALLEST_TILE:
        raise click.BadParameter(f"{value!r}; expected auto, off or a side of {_SMALLEST_TILE} pixels or more.")
    return int(value)


def _pixel_size(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[float, float] | None:
    if value is None:
        return None
    try:
        sizes = [float(part) for part in value.split(",")]
    except ValueError:
        sizes = []
    if len(sizes) not in (1, 2) or not all(0 < size < float("inf") for size in sizes):
        raise click.BadParameter(f"{value!r}; expected nanometres, one positive number or two as Y,X.")
    return sizes[0], sizes[-1]


def _reading(options: str, pixel_size: tuple[float, float] | None) -> dict[str, Any]:
    """The options of the data source that reads IMAGES."""
    given = dict(parse_spec(f"read:{options}").options) if options else {}
    for name in ("images", "labels"):
        if name in given:
            raise click.UsageError(f"--read {name}=: the images are named as IMAGES, and none has labels.")
    return given if pixel_size is None else {**given, "pixel_size_nm": list(pixel_size)}


@click.command("predict")
@click.argument("images", nargs=-1, metavar="[IMAGES]...")
@click.option(
    "--data", type=SpecType("data"), help="A data source instead of IMAGES, such as hdf5:file=a.h5,labels=''."
)
@click.option("--prompter", type=SpecType("prompter"), help="The prompter, where the segmenter takes prompts.")
@click.option("--segmenter", type=SpecType("segmenter"), help="The segmenter.")
@click.option(
    "--from",
    "run",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Take prompter and segmenter from this run's best cell: automatic, complete, with its options and weights.",
)
@click.option("--best", metavar="SCORE", help="With --from: the score to be best by, such as mSA.")
@click.option(
    "--best-on", metavar="DATA", help="With --from: the data source that counts, where the run holds several."
)
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="DIR", help="Where the predictions go.")
@click.option(
    "--tile",
    default="auto",
    show_default=True,
    metavar="auto|off|SIZE",
    callback=_tile,
    help="Cut larger images into overlapping tiles of SIZE pixels and stitch the objects; see above for auto.",
)
@click.option(
    "--overlap",
    type=click.IntRange(min=2),
    metavar="PX",
    help="Pixels that neighbouring tiles share at least, at most half a tile; a quarter of it by default.",
)
@click.option(
    "--pixel-size",
    metavar="NM",
    callback=_pixel_size,
    help="Size of a pixel of IMAGES in nanometres, one number or Y,X, where the files (OME, ImageJ) do not state it.",
)
@click.option(
    "--read",
    default="",
    metavar="OPTIONS",
    help="How IMAGES are read, where they leave it open, such as axes=ZYX or channel=1 (`mitobench info tiff-stack`).",
)
@click.option("--overlay", is_flag=True, help="Also write each image with its objects outlined, as PNG.")
@click.option("--roi-zip", is_flag=True, help="Also write each image's objects as a zip of ImageJ ROIs.")
@click.option("--overwrite", is_flag=True, help="Replace what other components or options left in DIR.")
@click.option("--seed", type=click.IntRange(min=0), help="The seed of everything random (0, or the run's).")
@click.option("--batch", default=8, show_default=True, type=click.IntRange(min=1), help="Tiles encoded together.")
@device_option
@offline_option
@json_option
@debug_option
def command(
    images: tuple[str, ...],
    data: Spec | None,
    out: Path,
    tile: int | None,
    overlap: int | None,
    pixel_size: tuple[float, float] | None,
    read: str,
    overlay: bool,
    roi_zip: bool,
    overwrite: bool,
    batch: int,
    device: str,
    as_json: bool,
    **asked: Any,
) -> int:
    """Segment images without a reference, and measure the objects.

    IMAGES are TIFF or PNG files, folders of them, or patterns; every page of a stack is an image. DIR gets labels/ (a label
    TIFF per image), measurements.csv (one row per object) and predict.json (what made them). The same command again does
    only what is missing or has changed; Ctrl-C ends after the tiles in flight.

    Tiles, automatically: with --from, images whose longer side is more than 1.5 times the longest of the run's are cut to that
    size, because that is what was scored. Otherwise images more than 1.5 times as large as the fixed input of the segmenter (Segment Anything: 1024
    px, the bundled tiny one 512 px) are cut to it; a segmenter of any input sees images up to 3072 x 3072 px whole, and
    larger ones in tiles of 2048 px.
    """
    from mitobench.predict.predicting import Extras
    from mitobench.predict.predictor import Tiling
    from mitobench.weights import WeightsStore

    given = Asked(**asked)
    tiling = Tiling(side=tile, overlap=overlap)
    _check_usage(images, data, pixel_size is not None or bool(read), given)
    reading = _reading(read, pixel_size)
    with only_json(as_json):
        plugins = discover()
        store = WeightsStore(plugins, offline=given.offline)
        pair = choose(given, plugins, store)
        inputs = _inputs(images, data, reading, plugins, pair.seed)
        extras = Extras(overlay=overlay, rois=roi_zip)
        outcome = _predict(
            pair, inputs, out, plugins, extras, tiling=tiling, device=device, batch=batch, overwrite=overwrite
        )
        _say_outcome(outcome, out)
    if as_json:
        show_json(_data(outcome, pair, out))
    else:
        show(_table(outcome, out))
    return outcome.exit_code


def _check_usage(images: tuple[str, ...], data: Spec | None, reading: bool, asked: Asked) -> None:
    if bool(images) == (data is not None):
        raise click.UsageError("name the images: either IMAGES (files, folders, patterns) or --data, one of the two.")
    if data is not None and reading:
        raise click.UsageError("--pixel-size and --read are for IMAGES; give --data options of its own.")
    if (asked.run is None) == (asked.segmenter is None) or (asked.run is not None and asked.prompter is not None):
        raise click.UsageError("say what segments: either --segmenter (and --prompter) or --from RUN.")
    if asked.run is None and (asked.best is not None or asked.best_on is not None):
        raise click.UsageError("--best and --best-on choose a cell of a run; give --from RUN.")


def _inputs(
    images: tuple[str, ...], data: Spec | None, reading: dict[str, Any], plugins: "Plugins", seed: int
) -> "list[ImageInput]":
    from mitobench.predict.inputs import find_images, images_of_files, images_of_source

    if data is not None:
        return images_of_source(data, plugins, seed=seed)
    return images_of_files(find_images(images), plugins, reading=reading)


def _predict(
    pair: Pair,
    inputs: "list[ImageInput]",
    out: Path,
    plugins: "Plugins",
    extras: "Extras",
    *,
    tiling: "Tiling",
    device: str,
    batch: int,
    overwrite: bool,
) -> "PredictionOutcome":
    from dataclasses import replace

    from mitobench.predict.folder import PredictionFolder
    from mitobench.predict.predicting import predict_images, recipe_of
    from mitobench.predict.predictor import Predictor
    from mitobench.workbench import Workbench

    if pair.winner is not None:
        for label in pair.winner.passed_over:
            say(f"passed over: {label} is better, but holds segmentations of the run's images only")
        score = "undefined" if pair.winner.value is None else f"{pair.winner.value:.3f}"
        say(
            f"best by {pair.winner.column} ({score}) on {pair.winner.data}: {pair.prompter.label} + {pair.segmenter.label}"
        )
        tiling = replace(tiling, scored_side=pair.winner.side)
    bench = Workbench(plugins, device, pair.seed)
    predictor = Predictor(bench, pair.prompter, pair.segmenter, tiling, batch)
    folder = PredictionFolder(out, recipe_of(predictor), overwrite=overwrite)
    with (
        ProgressLine("images") as line,
        orderly_stop("stopping when the tiles in flight are done; once more stops at once") as should_stop,
    ):
        return predict_images(
            inputs,
            predictor,
            folder,
            extras=extras,
            about=_about(pair, tiling, device),
            overwrite=overwrite,
            progress=line.update,
            should_stop=should_stop,
        )


def _about(pair: Pair, tiling: "Tiling", device: str) -> dict[str, Any]:
    """What ``predict.json`` says besides the images."""
    from datetime import UTC, datetime

    from mitobench.records import component_record, installed_versions

    winner = pair.winner
    chosen = None
    if winner is not None:
        chosen = {name: value for name, value in vars(winner).items() if name != "record"}
    return {
        "command": ["mitobench", *sys.argv[1:]],
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "prompter": component_record(pair.prompter),
        "segmenter": component_record(pair.segmenter),
        "from": chosen,
        "seed": pair.seed,
        "device": device,
        "tiling": {"asked": {None: "auto", 0: "off"}.get(tiling.side, tiling.side), "overlap": tiling.overlap},
        "versions": installed_versions((pair.prompter, pair.segmenter)),
    }


def _say_outcome(outcome: "PredictionOutcome", out: Path) -> None:
    stored = f", {outcome.skipped} were done" if outcome.skipped else ""
    say(f"{outcome.done} images done, {len(outcome.failed)} failed{stored}, {outcome.seconds:.1f} s")
    for failed in outcome.failed:
        say(f"failed: {failed.image}: {failed.error}")
    if outcome.interrupted:
        say(f"interrupted; what is finished is in {out}, and the same command resumes")


def _table(outcome: "PredictionOutcome", out: Path) -> str:
    from mitobench.text import inert

    rows = [(r.image, str(r.objects), str(r.tiles), inert(f"labels/{r.name}.tif")) for r in outcome.records[:_SHOWN]]
    lines = [columns(rows, ("IMAGE", "OBJECTS", "TILES", "LABELS"))] if rows else []
    if len(outcome.records) > _SHOWN:
        lines.append(f"... and {len(outcome.records) - _SHOWN} more images")
    total = sum(record.objects for record in outcome.records)
    return "\n".join(
        [*lines, f"{total} objects in {len(outcome.records)} images: {inert(str(out / 'measurements.csv'))}"]
    )


def _data(outcome: "PredictionOutcome", pair: Pair, out: Path) -> dict[str, Any]:
    hidden = ("measurements", "content", "labels_hash")
    images = [{k: v for k, v in vars(record).items() if k not in hidden} for record in outcome.records]
    return {
        "out": str(out),
        "exit_code": outcome.exit_code,
        "done": outcome.done,
        "skipped": outcome.skipped,
        "failed": [vars(failed) for failed in outcome.failed],
        "interrupted": outcome.interrupted,
        "seconds": round(outcome.seconds, 3),
        "prompter": pair.prompter.label,
        "segmenter": pair.segmenter.label,
        "images": [{**image, "labels": str(out / "labels" / f"{image['name']}.tif")} for image in images],
    }
