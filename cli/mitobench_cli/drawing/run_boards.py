"""Boards of what a run predicted: cells side by side, best and worst images, prompts, best masks."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mitobench.errors import MitobenchError
from mitobench.overlays import PREDICTION, REFERENCE, UNJUDGED
from mitobench.prompts import Prompts
from mitobench_cli.drawing.boards import (
    COMPARISON,
    REFERENCE_LEGEND,
    Board,
    Legend,
    Panel,
    View,
    counted,
    prompt_legend,
)
from mitobench_cli.drawing.cells import NamedCell
from mitobench_cli.drawing.style import NO_BREAK

if TYPE_CHECKING:
    from mitobench.masks import PackedMasks
    from mitobench.ranking.evidence import Evidence
    from mitobench.results.predictions import StoredPrediction
    from mitobench.samples import Sample

__all__ = ["RunBoards"]

_COLUMNS = 4
_EMPTY = np.full((64, 64, 3), 235, np.uint8)


class RunBoards:
    """Makes boards from the evidence of a run.

    Args:
        evidence: of the run.
        scores: the columns whose values are written above a prediction; by default the first headline column of each
            metric that every cell has.
    """

    def __init__(self, evidence: "Evidence", scores: Sequence[str] = ()) -> None:
        self._evidence, self._asked = evidence, tuple(scores)
        self._sample = lru_cache(maxsize=16)(evidence.sample)
        self._scores = lru_cache(maxsize=None)(evidence.image_scores)

    def comparison(self, cells: Sequence[NamedCell], images: Sequence[tuple[str, str]]) -> Board:
        """Image, reference (if any has one) and the prediction of each cell, a row for each of ``images`` (word, id)."""
        samples = [self._sample(cells[0].key, image) for _, image in images]
        referenced = any(sample.labels is not None for sample in samples)
        rows = []
        for sample in samples:
            view = View.of(sample)
            reference = [_reference(view, sample)] if referenced else []
            predicted = [self._compared(view, sample, cell, sample.id, cells) for cell in cells]
            rows.append((view.plain(), *reference, *predicted))
        return Board(
            rows=tuple(rows),
            row_titles=tuple(_named(word, image) for word, image in images),
            column_titles=("image", *(["reference"] if referenced else []), *(cell.title for cell in cells)),
            legend=_legend(samples),
        )

    def image(self, cells: Sequence[NamedCell], image: str) -> Board:
        """One image, its reference and the prediction of every cell, in a grid."""
        sample = self._sample(cells[0].key, image)
        view = View.of(sample)
        panels = [view.plain(f"{image}\nimage")]
        if sample.labels is not None:
            panels.append(replace(_reference(view, sample), title="reference"))
        for cell in cells:
            panel = self._compared(view, sample, cell, image, cells)
            panels.append(replace(panel, title=f"{cell.title}\n{panel.title}"))
        return Board.grid(panels, min(_COLUMNS, len(panels)), _legend([sample]))

    def extremes(self, cell: NamedCell, images: Sequence[tuple[str, str]]) -> Board:
        """The images of one cell from best to worst: above, the image; below, what was found, invented and missed."""
        samples = [self._sample(cell.key, image) for _, image in images]
        above, below = [], []
        for sample in samples:
            view = View.of(sample)
            above.append(view.plain(sample.id))
            below.append(self._compared(view, sample, cell, sample.id, [cell]))
        return Board(
            rows=(tuple(above), tuple(below)),
            column_titles=tuple(word for word, _ in images) if any(word for word, _ in images) else (),
            legend=_legend(samples),
        )

    def prompts(self, cells: Sequence[NamedCell], images: Sequence[tuple[str, str]]) -> Board | None:
        """The prompts of every prompter over the image, a row for each image; None where no cell has any."""
        by_prompter = {cell.prompter: cell for cell in reversed(cells) if cell.prompter != "none"}
        chosen = [cell for cell in cells if by_prompter.get(cell.prompter) is cell]
        if not chosen:
            return None
        rows, seen = [], []
        for _, image in images:
            view = View.of(self._sample(chosen[0].key, image))
            row: list[Panel] = []
            for cell in chosen:
                stored = self._prediction(cell, image)
                prompts = stored.prompts if stored is not None else Prompts()
                seen.append(prompts)
                row.append(view.prompted(prompts, counted(len(prompts), "prompt")))
            rows.append(tuple(row))
        titles = tuple(f"{cell.prompter} (oracle)" if cell.oracle else cell.prompter for cell in chosen)
        named = tuple(_named(word, image) for word, image in images)
        return Board(rows=tuple(rows), row_titles=named, column_titles=titles, legend=prompt_legend(seen))

    def best_masks(self, cells: Sequence[NamedCell], images: Sequence[str]) -> Board | None:
        """For each promptable cell the mask with the best predicted score among its masks of some images."""
        panels, seen = [], []
        for cell in cells:
            found = max(
                (
                    (float(stored.segmentation.mask_scores.max()), image, stored)
                    for image in images
                    if (stored := self._prediction(cell, image)) is not None
                    and stored.segmentation.mask_scores is not None
                    and stored.segmentation.mask_scores.size
                ),
                key=lambda item: item[0],
                default=None,
            )
            if found is not None:
                score, image, stored = found
                panel, prompts = self._best_mask(cell, image, stored)
                panels.append(replace(panel, title=f"{cell.title}\npredicted IoU {score:.3f}{panel.title}"))
                seen.append(prompts)
        if not panels:
            return None
        referenced = REFERENCE_LEGEND if any("reference" in panel.title for panel in panels) else ()
        legend = ((PREDICTION, "mask"), *referenced, *prompt_legend(seen))
        return Board.grid(panels, min(_COLUMNS, len(panels)), legend)

    def _best_mask(self, cell: NamedCell, image: str, stored: "StoredPrediction") -> tuple[Panel, Prompts]:
        segmentation = stored.segmentation
        assert segmentation.masks is not None  # noqa: S101  (chosen because it has masks)
        assert segmentation.mask_scores is not None  # noqa: S101
        best = int(segmentation.mask_scores.argmax())
        mask = segmentation.masks.dense(best)
        prompt = _single(stored.prompts, best)
        sample = self._sample(cell.key, image)
        window = _window(segmentation.masks, best, sample.shape)
        rows, columns = window
        shown = _moved(prompt, columns.start, rows.start)
        view = View(sample.image[window], sample.pixel_size_nm, side=512)
        object_mask, iou = _partner(sample, mask, prompt)
        layers = [(mask[window].astype(np.int32), PREDICTION)]
        if object_mask is not None:
            layers.insert(0, (object_mask[window].astype(np.int32), REFERENCE))
        truth = "" if iou is None else f"\nIoU with the reference {iou:.3f}"
        return view.prompted(shown, truth, layers=layers), shown

    def _compared(self, view: View, sample: "Sample", cell: NamedCell, image: str, among: Sequence[NamedCell]) -> Panel:
        stored = self._prediction(cell, image)
        if stored is None:
            return Panel(picture=_EMPTY, title="no prediction")
        labels, title = stored.segmentation.labels, self._title(cell, image, among)
        if sample.labels is None:
            return view.outlined(labels, PREDICTION, title)
        return view.compared(sample.labels, labels, title, ignore=sample.ignore, partial=sample.partial)

    def _prediction(self, cell: NamedCell, image: str) -> "StoredPrediction | None":
        try:
            return self._evidence.cells[cell.key].prediction(image)
        except MitobenchError:
            return None

    def _title(self, cell: NamedCell, image: str, among: Sequence[NamedCell]) -> str:
        """The image's scores in one line."""
        images, scores = self._scores(cell.key)
        where = np.flatnonzero(images == image)
        there = [name for name in self._columns(among) if name in scores and where.size]
        shown = [f"{name} {_number(scores[name][where[0]])}" for name in there]
        return ", ".join(text.replace(" ", NO_BREAK) for text in shown)

    def _columns(self, cells: Sequence[NamedCell]) -> list[str]:
        if self._asked:
            return list(self._asked)
        everywhere = set.intersection(*(set(self._scores(cell.key)[1]) for cell in cells))
        first: dict[str, str] = {}
        for column in self._evidence.columns:
            if column.headline and column.name in everywhere:
                first.setdefault(column.metric, column.name)
        return list(first.values())[:2]


def _legend(samples: "Sequence[Sample]") -> Legend:
    if all(sample.labels is None for sample in samples):
        return ((PREDICTION, "prediction"),)
    unjudged = ((UNJUDGED, "matches no annotated object"),) if any(sample.partial for sample in samples) else ()
    return COMPARISON + unjudged


def _reference(view: View, sample: "Sample") -> Panel:
    if sample.labels is None:
        return view.plain("none")
    objects = np.unique(sample.labels)
    return view.outlined(sample.labels, REFERENCE, counted(int((objects > 0).sum()), "object"))


def _named(word: str, image: str) -> str:
    return f"{word}: {image}" if word else image


def _number(value: float) -> str:
    return f"{value:.2f}" if np.isfinite(value) else "undefined"


def _single(prompts: Prompts, index: int) -> Prompts:
    """One prompt of several."""
    names = ("boxes", "points", "point_labels", "masks", "targets", "scores")
    return Prompts(**{n: None if (v := getattr(prompts, n)) is None else v[index : index + 1] for n in names})


def _moved(prompts: Prompts, left: int, top: int) -> Prompts:
    """Prompts in a window of the image; mask prompts, which are of the whole image, are left out."""
    shift = np.array([left, top], np.float32)
    boxes = None if prompts.boxes is None else prompts.boxes - np.tile(shift, 2)
    points = None if prompts.points is None else prompts.points - shift
    return Prompts(boxes=boxes, points=points, point_labels=prompts.point_labels)


def _window(masks: "PackedMasks", index: int, shape: tuple[int, int]) -> tuple[slice, slice]:
    """A square around a mask, three times its size and at least 96 pixels, moved into the image and cut where it does not fit."""
    y0, x0, y1, x1 = (int(v) for v in masks.boxes[index])
    side = max(96, 3 * max(y1 - y0, x1 - x0))

    def span(middle: int, length: int) -> slice:
        start = min(max(0, middle - side // 2), max(0, length - side))
        return slice(start, min(length, start + side))

    return span((y0 + y1) // 2, shape[0]), span((x0 + x1) // 2, shape[1])


def _partner(
    sample: "Sample", mask: NDArray[np.bool_], prompt: Prompts
) -> tuple[NDArray[np.bool_] | None, float | None]:
    """The reference object that a mask is of (the prompt's target, else the one it shares most with), and their IoU."""
    if sample.labels is None:
        return None, None
    target = int(prompt.targets[0]) if prompt.targets is not None and prompt.targets.size else 0
    if target <= 0:
        inside = np.bincount(sample.labels[mask]) if mask.any() else np.zeros(1, np.int64)
        target = int(inside[1:].argmax()) + 1 if inside[1:].any() else 0
    if target <= 0:
        return None, 0.0
    theirs = sample.labels == target
    return theirs, float((mask & theirs).sum() / max(1, (mask | theirs).sum()))
