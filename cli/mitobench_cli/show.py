"""``mitobench show``: samples with their reference and prompts, augmentations, or what a run predicted for an image."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mitobench.errors import DataError, MissingError, UsageError
from mitobench.files import is_there
from mitobench.specs import Spec, parse_spec
from mitobench_cli.fetching import fetch_missing
from mitobench_cli.matrix import SpecType, device_option, offline_option
from mitobench_cli.terminal import debug_option, discover, show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mitobench.interfaces import DataSource
    from mitobench.plugins import Plugins
    from mitobench.prompts import Prompts
    from mitobench.samples import Sample
    from mitobench_cli.drawing.boards import Board

__all__ = ["command"]


@click.command("show")
@click.argument("what", metavar="DATA|RUN")
@click.option("-n", "--count", default=8, show_default=True, type=click.IntRange(1, 200), help="How many samples.")
@click.option(
    "--image", "images", multiple=True, metavar="ID", help="Show this image. Repeatable with DATA; one of RUN."
)
@click.option("--prompter", type=SpecType("prompter"), help="With DATA: draw this prompter's prompts.")
@click.option(
    "--augmentation",
    type=click.Choice(["published", "broad"]),
    help="With DATA: one sample under each transformation of this augmentation alone, and under all.",
)
@click.option("--cell", "cells", multiple=True, metavar="CELL", help="With RUN: only this cell. Repeatable.")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE", help="Write a .png, .svg or .pdf instead of showing it."
)
@click.option(
    "--dpi", default=300, show_default=True, type=click.IntRange(30, 1200), help="Pixels per inch of the file."
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="The seed of everything random.")
@device_option
@offline_option
@debug_option
def command(
    what: str,
    count: int,
    images: tuple[str, ...],
    prompter: Spec | None,
    augmentation: str | None,
    cells: tuple[str, ...],
    out: Path | None,
    dpi: int,
    seed: int,
    device: str,
    offline: bool,
) -> None:
    """Show samples of a data source, or the predictions of a run.

    DATA is a data source's spec; its samples are shown with the reference outlined. RUN is a run folder; found, false
    and missed objects are told apart by colour. Shown in a window, or in the terminal where there is no display; where
    stdout is no terminal, in a new file whose path is printed. But for augmentations, contrast is stretched to each
    image's own range.
    """
    from mitobench_cli.drawing.display import check_file, present

    if out is not None:
        check_file(out)
    if what.lower().endswith(".zip") and is_there(Path(what)) and Path(what).is_file():
        raise UsageError(
            f"{what}: an export holds no images. `mitobench figures {what} --out FOLDER` draws its charts; to see images, give a run folder."
        )
    if is_there(Path(what) / "run.json"):
        _refuse("RUN", prompter=prompter is not None, augmentation=augmentation is not None)
        board = _run_board(Path(what), cells, images)
    else:
        _refuse("DATA", cell=bool(cells))
        plugins = discover()
        source = _open(what, plugins, seed)
        if augmentation is not None:
            board = _augmentations(source, images, augmentation, seed)
        else:
            samples = _samples(source, images, count)
            board = _data_board(samples, prompter, plugins, seed=seed, device=device, offline=offline)
    written = present(board, out, dpi=dpi)
    if written is not None:
        show(str(written))


def _refuse(what: str, **given: bool) -> None:
    """Raise where an option was given that does not go with DATA, or RUN."""
    for name, there in given.items():
        if there:
            raise click.UsageError(f"--{name} does not go with a {what}.")


def _open(what: str, plugins: "Plugins", seed: int) -> "DataSource":
    from mitobench.components import open_source

    spec = parse_spec(what)
    try:
        plugins.find("data", spec)
    except UsageError as error:
        if not is_there(Path(what)) and not spec.distribution:
            raise
        raise UsageError(f"{what}: not a run folder (run.json is absent), nor a data source's spec: {error}") from None
    return open_source(spec, plugins, base=Path.cwd(), seed=seed)[1]


def _samples(source: "DataSource", images: tuple[str, ...], count: int) -> "list[Sample]":
    """The samples named, or ``count`` spread evenly over the data source."""
    import numpy as np

    refs = list(source.refs())
    if not refs:
        raise DataError("the data source holds no samples.")
    if not images:
        places = np.unique(np.linspace(0, len(refs) - 1, min(count, len(refs))).round().astype(int))
        return [refs[place].load() for place in places]
    by_id = {ref.id: ref for ref in refs}
    for image in images:
        if image not in by_id:
            few = ", ".join(list(by_id)[:5])
            raise UsageError(f"--image {image!r} is not in this data source. There are {len(by_id)}, such as: {few}.")
    return [by_id[image].load() for image in images]


def _data_board(
    samples: "Sequence[Sample]", prompter: Spec | None, plugins: "Plugins", *, seed: int, device: str, offline: bool
) -> "Board":
    from mitobench_cli.drawing.sample_boards import samples_board

    if prompter is None:
        return samples_board(samples)
    return samples_board(samples, _prompts(samples, prompter, plugins, seed=seed, device=device, offline=offline))


def _prompts(
    samples: "Sequence[Sample]", spec: Spec, plugins: "Plugins", *, seed: int, device: str, offline: bool
) -> "list[Prompts]":
    """What a prompter makes of each sample, as a run would have it."""
    from mitobench.components import plan_component
    from mitobench.seeds import derive_rng
    from mitobench.weights import WeightsStore

    store = WeightsStore(plugins, offline=offline)
    planned = plan_component("prompter", spec, plugins, store, base=Path.cwd())
    if not offline and fetch_missing((planned,), plugins, store):
        planned = plan_component("prompter", spec, plugins, store, base=Path.cwd())
    if planned.missing:
        raise MissingError(planned.missing)
    prompter = planned.build(plugins, device=device, seed=seed)
    made = []
    for sample in samples:
        if planned.oracle and sample.labels is None:
            raise DataError(f"{planned.label} makes prompts from the reference, and sample {sample.id!r} has none.")
        encoding = prompter.encode([sample.image])[0] if prompter.encoder_key is not None else None
        seen = sample if planned.oracle else sample.without_reference()
        made.append(prompter.prompt(encoding, seen, derive_rng(seed, "prompter", sample.id)))
    return made


def _augmentations(source: "DataSource", images: tuple[str, ...], kind: str, seed: int) -> "Board":
    """One sample, the first that was named or the first with an object, under each transformation of an augmentation."""
    from mitobench.training.augmentation import Augmentation
    from mitobench.training.broad_augmentation import BroadAugmentation
    from mitobench_cli.drawing.sample_boards import augmentation_board

    if images:
        sample = _samples(source, images[:1], 1)[0]
    else:
        loaded = (ref.load() for ref in source.refs())
        found = next((s for s in loaded if s.labels is not None and s.labels.any()), None)
        sample = found if found is not None else _samples(source, (), 1)[0]
    how = BroadAugmentation() if kind == "broad" else Augmentation.model_validate({})
    return augmentation_board(sample, how, seed)


def _run_board(run: Path, wanted: tuple[str, ...], images: tuple[str, ...]) -> "Board":
    """What the cells of a run made of one image: the one named, or the one in the middle of the best cell's scores."""
    from mitobench.ranking.evidence import Evidence
    from mitobench.ranking.leaderboard import build_leaderboard
    from mitobench.results.runfolder import RunFolder
    from mitobench_cli.drawing.cells import cells_by_data, choose_cells, representative_images
    from mitobench_cli.drawing.run_boards import RunBoards

    evidence = Evidence([RunFolder.open(run)], discover())
    data = cells_by_data(build_leaderboard(evidence, resamples=0), evidence)
    choose_cells([cell for one in data for cell in one.cells], wanted)
    if len(images) > 1:
        raise click.UsageError("give one --image with a RUN.")
    for one in data:
        chosen = one.narrowed(wanted)
        stored = {str(i) for cell in chosen.cells for i in evidence.cells[cell.key].table.images}
        if images and images[0] in stored:
            return RunBoards(evidence).image(chosen.cells, images[0])
        if not images and chosen.cells:
            spread = representative_images(evidence, chosen.cells[0], one.primary)
            return RunBoards(evidence).image(chosen.cells, spread[(len(spread) - 1) // 2][1])
    known = sorted({str(i) for cell in evidence.cells.values() for i in cell.table.images})
    raise UsageError(
        f"--image {images[0]!r} is not in this run. There are {len(known)}, such as: {', '.join(known[:5])}."
    )
