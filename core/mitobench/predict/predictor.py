"""Segmenting images without a reference, whole or in overlapping tiles: what ``mitobench predict`` computes."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mitobench.components import ComponentPlan
from mitobench.contracts import checked_prompts, checked_segmentation
from mitobench.errors import UsageError
from mitobench.interfaces import Encoding, FixedInput, ImageBoundPrompter, ImageBoundSegmenter
from mitobench.predict.stitching import Stitcher, Tile, tile_grid
from mitobench.samples import Sample
from mitobench.seeds import derive_rng
from mitobench.segmentations import Segmentation
from mitobench.workbench import Workbench

__all__ = ["Predicted", "Predictor", "Tiling"]

_SLACK = 1.5
_WHOLE_SIDE = 3072
_LARGE_SIDE = 2048
_SMALLEST_OVERLAP = 2


@dataclass(frozen=True, kw_only=True)
class Tiling:
    """How large images are cut.

    Attributes:
        side: of a tile in pixels; 0 = never cut; None = automatic (see :meth:`Predictor.tile_side`).
        overlap: pixels that neighbours share at least, at most half the side; None = a quarter of it.
        scored_side: the longest side of the images on which the components were scored, where that is known.
    """

    side: int | None = None
    overlap: int | None = None
    scored_side: int | None = None

    def __post_init__(self) -> None:
        if self.side and self.overlap is not None:
            _check_overlap(self.overlap, self.side)


@dataclass(frozen=True, kw_only=True, eq=False)
class Predicted:
    """The objects of one image.

    Attributes:
        labels: int32 (H, W), 0 = background, 1..K in the raster order of their first pixel.
        scores: float32 (K,) in 0..1; of an object joined from several tiles the highest.
        tiles: how many tiles the image was cut into; 1 = it was seen whole.
        side, overlap: of the tiles in pixels; 0 where it was seen whole.
    """

    labels: NDArray[np.int32]
    scores: NDArray[np.float32]
    tiles: int
    side: int
    overlap: int


@dataclass(frozen=True, eq=False)
class Predictor:
    """A prompter and a segmenter at work.

    Attributes:
        bench: where they are built.
        prompter, segmenter: which.
        tiling: how large images are cut.
        batch: tiles per encoder call.
    """

    bench: Workbench
    prompter: ComponentPlan
    segmenter: ComponentPlan
    tiling: Tiling = field(default_factory=Tiling)
    batch: int = 8

    @cached_property
    def _image_bound(self) -> bool:
        built = self.bench.component(self.prompter), self.bench.component(self.segmenter)
        return isinstance(built[0], ImageBoundPrompter) or isinstance(built[1], ImageBoundSegmenter)

    def check_images(self, ids: Sequence[str]) -> None:
        """Let components that are made for certain images say what fits none of these. Raises DataError."""
        for built in (self.bench.component(self.prompter), self.bench.component(self.segmenter)):
            if isinstance(built, ImageBoundPrompter | ImageBoundSegmenter):
                built.check_images(ids)

    def tile_side(self, shape: tuple[int, int]) -> int:
        """The side of the tiles for an (H, W) image; 0 where it is seen whole.

        Automatically: the longest side of the images on which the components were scored, or else the segmenter's fixed input, for
        images that are more than 1.5 times as large; without either, 2048 for images of more than 3072 x 3072 pixels, to
        bound the memory. Images for which prompts or segmentations were made beforehand are not cut.

        Raises:
            UsageError: tiles were asked for and the components are made for whole images.
        """
        height, width = shape
        asked, longer = self.tiling.side, max(shape)
        if self._image_bound:
            if asked:
                raise UsageError(
                    f"{self.prompter.label} and {self.segmenter.label} are made for certain whole images, which cannot be tiled; leave out --tile."
                )
            return 0
        if asked is not None:
            return asked if longer > asked > 0 else 0
        segmenter = self.bench.component(self.segmenter)
        fixed = segmenter.input_side if isinstance(segmenter, FixedInput) else None
        if preferred := self.tiling.scored_side or fixed:
            return preferred if longer > _SLACK * preferred else 0
        return _LARGE_SIDE if height * width > _WHOLE_SIDE**2 else 0

    def predict(
        self,
        sample: Sample,
        *,
        should_stop: Callable[[], bool] = lambda: False,
        progress: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> Predicted | None:
        """Segment one image.

        Args:
            sample: the image; a reference is not looked at.
            should_stop: polled between batches of tiles.
            progress: told how many tiles are done, and of how many.

        Returns:
            its objects; None where ``should_stop`` said so.

        Raises:
            UsageError: the overlap asked for is more than half a tile.
            MitobenchError: whatever a component raises, or what it returned breaks its contract.
        """
        side = self.tile_side(sample.shape)
        overlap = _overlap(self.tiling.overlap, side)
        tiles = tile_grid(sample.shape, side or max(*sample.shape, 3), overlap or _SMALLEST_OVERLAP)
        stitcher = Stitcher(sample.shape)
        for start in range(0, len(tiles), self.batch):
            if should_stop():
                return None
            progress(start, len(tiles))
            some = tiles[start : start + self.batch]
            samples = [_cut(sample, tile) for tile in some] if len(tiles) > 1 else [sample.without_reference()]
            for tile, segmentation in zip(some, self._segment(samples), strict=True):
                stitcher.add(tile, segmentation.labels, segmentation.scores)
        labels, scores = stitcher.finish()
        return Predicted(labels=labels, scores=scores, tiles=len(tiles), side=side, overlap=overlap)

    def _segment(self, samples: Sequence[Sample]) -> Iterator[Segmentation]:
        encoded = self._encode([sample.image for sample in samples])
        prompter, segmenter = self.bench.component(self.prompter), self.bench.component(self.segmenter)
        for index, sample in enumerate(samples):
            rng = derive_rng(self.bench.seed, "prompter", sample.id)
            value = encoded[prompter.encoder_key][index]
            prompts = checked_prompts(prompter.prompt(value, sample, rng), self.prompter, sample)
            value = encoded[segmenter.encoder_key][index]
            segmentation = segmenter.segment(value, sample, prompts)
            yield checked_segmentation(segmentation, self.segmenter, sample, prompts)

    def _encode(self, images: Sequence[NDArray[np.uint8]]) -> dict[str | None, Sequence[Encoding]]:
        """The images' encodings by encoder key; None for who encodes nothing."""
        encoded: dict[str | None, Sequence[Encoding]] = {None: [None] * len(images)}
        for planned in (self.prompter, self.segmenter):
            key = self.bench.component(planned).encoder_key
            if key in encoded:
                continue
            results = self.bench.encode(planned, images, self.batch)
            for result in results:
                if result.error is not None:
                    raise result.error
            encoded[key] = [result.value for result in results]
        return encoded


def _overlap(asked: int | None, side: int) -> int:
    if not side:
        return 0
    if asked is None:
        return max(_SMALLEST_OVERLAP, side // 4)
    _check_overlap(asked, side)
    return asked


def _check_overlap(overlap: int, side: int) -> None:
    """Refuse what leaves tiles little or nothing of their own: their number grows without bound as the overlap nears the side."""
    if not _SMALLEST_OVERLAP <= overlap <= side // 2:
        raise UsageError(
            f"the overlap is {overlap} px for tiles of {side} px; expected {_SMALLEST_OVERLAP} or more and at most half a tile, {side // 2}. Give another --overlap, or larger tiles with --tile."
        )


def _cut(sample: Sample, tile: Tile) -> Sample:
    name = f"{sample.id} y{tile.rows.seen[0]} x{tile.columns.seen[0]}"
    image = np.ascontiguousarray(sample.image[tile.window])
    image.flags.writeable = False
    return replace(sample.without_reference(), id=name, image=image)
