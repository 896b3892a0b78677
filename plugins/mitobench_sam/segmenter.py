"""The segmenters ``sam`` and ``sam-ft``."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from mitobench.errors import ContractError, DeviceMemoryError, MissingError
from mitobench.hashing import hash_data
from mitobench.interfaces import BuildContext
from mitobench.masks import PackedMasks, resolve_overlaps
from mitobench.prompts import Prompts
from mitobench.samples import Sample
from mitobench.segmentations import Segmentation
from mitobench_sam.batches import distinct, is_lone_point, pieces
from mitobench_sam.filters import cut_to_box, stability, suppress
from mitobench_sam.frames import Frame, mask_crop, network_input
from mitobench_sam.loading import LoadedSam, load_decoder, load_sam
from mitobench_sam.mask_decoder import ImageSide, decode
from mitobench_sam.options import FineTunedSamOptions, PromptingOptions, SamOptions
from mitobench_torch.devices import device_memory, resolve_device

__all__ = ["FineTunedSamSegmenter", "ImageEncoding", "SamSegmenter"]

_PREPROCESSING = 1
_CPU_BATCH, _DEVICE_BATCH = 1, 64  # one prompt's tensors fit a CPU's cache, and share the image's side anyway


@dataclass(frozen=True, eq=False)
class ImageEncoding:
    """What SAM's encoder makes of one image, for every decoder on that encoder.

    Attributes:
        embedding: (256, g, g) on the segmenter's device, g = 64 for the published models; bf16 in that mode, else fp32.
        frame: how the image lies in the square input.
    """

    embedding: Tensor
    frame: Frame


@dataclass(frozen=True, eq=False)
class _PromptMasks:
    """One mask per distinct prompt: M windows of the image, scores and stabilities (M,)."""

    crops: list[tuple[tuple[int, int], NDArray[np.bool_]]]
    scores: NDArray[np.float32]
    stabilities: NDArray[np.float32]


class _PromptedSam:
    """A SAM behind the segmenter interface; subclasses say where its weights come from."""

    def __init__(self, options: PromptingOptions, context: BuildContext, loaded: LoadedSam) -> None:
        self._options = options
        self._device = resolve_device(context.device)
        self._sam = loaded.sam
        self._encoder_ready = False
        self._key = hash_data(
            {"weights": loaded.sha256, "precision": options.precision, "preprocessing": _PREPROCESSING}
        )
        with device_memory():
            for part in (self._sam.prompt_encoder, self._sam.mask_decoder):
                part.to(self._device)
        self._position = self._sam.prompt_encoder.get_dense_pe()[0]

    @property
    def encoder_key(self) -> str:
        """A hash of the base weights' file, the numeric mode and the preprocessing."""
        return self._key

    @property
    def input_side(self) -> int:
        """The side in pixels of the encoder's square input."""
        return int(self._sam.image_encoder.img_size)

    def encode(self, images: Sequence[NDArray[np.uint8]]) -> Sequence[ImageEncoding]:
        """Encode images, uint8 (H, W) or (H, W, 3), of any sizes.

        On a CPU one after the other, so that an encoding does not depend on its batch; elsewhere all at once.
        """
        with device_memory(), torch.no_grad():
            encoder = self._encoder()
            frames = [Frame.of((image.shape[0], image.shape[1]), encoder.img_size) for image in images]
            step = 1 if self._device.type == "cpu" else max(1, len(images))
            embeddings: list[Tensor] = []
            for start in range(0, len(images), step):
                some = slice(start, start + step)
                inputs = [self._input(i, f) for i, f in zip(images[some], frames[some], strict=True)]
                embeddings += encoder(torch.stack(inputs)).unbind(0)
        return [ImageEncoding(*pair) for pair in zip(embeddings, frames, strict=True)]

    def segment(self, encoding: ImageEncoding, sample: Sample, prompts: Prompts) -> Segmentation:
        """One mask per prompt, and their label image after filters and overlap resolution.

        Scores are SAM's predicted IoU, clipped to 0..1. A point labelled -1 is passed on as SAM's "not a point" token.

        Raises:
            ContractError: the encoding is of an image of another shape, or the prompts hold no box, point or mask.
        """
        if encoding.frame.original != sample.shape:
            raise ContractError(
                f"sample {sample.id!r}: its image has shape {sample.shape} but the encoding is of one of {encoding.frame.original}."
            )
        if len(prompts) == 0:
            empty = np.zeros(0, np.float32)
            masks = PackedMasks.from_crops((), sample.shape)
            return Segmentation(labels=np.zeros(sample.shape, np.int32), scores=empty, masks=masks, mask_scores=empty)
        chosen, place = distinct(prompts)
        found = self._within_memory(encoding, prompts, chosen)
        return self._segmentation(found, chosen, place, sample.shape)

    def _encoder(self) -> torch.nn.Module:
        """The image encoder, brought to the device when it is first needed: sharers of encodings may never need it."""
        if not self._encoder_ready:
            if self._options.precision == "bf16":
                self._sam.image_encoder.to(torch.bfloat16)
            self._sam.to(self._device)
            self._encoder_ready = True
        return self._sam.image_encoder

    def _input(self, image: NDArray[np.uint8], frame: Frame) -> Tensor:
        pixels = network_input(image, frame, self._sam.pixel_mean, self._sam.pixel_std)
        return pixels.to(torch.bfloat16) if self._options.precision == "bf16" else pixels

    def _within_memory(self, encoding: ImageEncoding, prompts: Prompts, chosen: NDArray[np.intp]) -> _PromptMasks:
        """Fewer prompts per decoder call, down to one, where the device's memory runs out."""
        size = self._options.batch or (_CPU_BATCH if self._device.type == "cpu" else _DEVICE_BATCH)
        size = min(size, chosen.size)
        while True:
            try:
                with device_memory(), torch.no_grad():
                    return self._masks(encoding, prompts, chosen, size)
            except DeviceMemoryError:
                if size == 1:
                    raise
                size //= 2

    def _masks(self, encoding: ImageEncoding, prompts: Prompts, chosen: NDArray[np.intp], size: int) -> _PromptMasks:
        frame, threshold = encoding.frame, self._options.threshold
        quarter = (-(-frame.scaled[0] // 4), -(-frame.scaled[1] // 4))
        crops, scores, stabilities = [], [], []
        side = None
        for rows in pieces(chosen, size):
            sparse, dense = self._embed(frame, prompts, rows)
            if side is None or prompts.masks is not None:
                side = self._image_side(encoding, dense)
            logits, predicted = self._decode(side, sparse, self._best(prompts)[rows])
            stabilities.append(stability(logits, quarter, threshold).cpu().numpy())
            scores.append(predicted.cpu().numpy())
            found = [mask_crop(one, frame, threshold) for one in logits.cpu()]
            if self._options.within_box and prompts.boxes is not None:
                found = [cut_to_box(crop, box) for crop, box in zip(found, prompts.boxes[rows], strict=True)]
            crops += found
        return _PromptMasks(crops, np.concatenate(scores), np.concatenate(stabilities))

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self._device.type, torch.bfloat16, enabled=self._options.precision == "bf16")

    def _image_side(self, encoding: ImageEncoding, dense: Tensor) -> ImageSide:
        with self._autocast():
            return ImageSide.of(self._sam.mask_decoder, encoding.embedding.float(), self._position, dense)

    def _decode(self, side: ImageSide, sparse: Tensor, best: NDArray[np.bool_]) -> tuple[Tensor, Tensor]:
        """Low-resolution logits float32 (B, 4g, 4g) and predicted IoU (B,) of some prompts."""
        with self._autocast():
            return decode(self._sam.mask_decoder, side, sparse, torch.from_numpy(best).to(self._device))

    def _best(self, prompts: Prompts) -> NDArray[np.bool_]:
        """bool (N,): which prompts get the best of three masks rather than the single one."""
        if self._options.multimask == "auto":
            return is_lone_point(prompts)
        return np.full(len(prompts), self._options.multimask == "best")

    def _embed(self, frame: Frame, prompts: Prompts, rows: NDArray[np.intp]) -> tuple[Tensor, Tensor]:
        """SAM's own embedding of prompts: tokens (B, T, C) and dense (B or 1, C, g, g)."""
        points = boxes = masks = None
        if prompts.points is not None and prompts.point_labels is not None:
            labels = torch.from_numpy(prompts.point_labels[rows].astype(np.int32))
            points = self._tensor(frame.place(prompts.points[rows])), labels.to(self._device)
        if prompts.boxes is not None:
            corners = frame.place(prompts.boxes[rows].reshape(-1, 2, 2))
            boxes = self._tensor(corners.reshape(-1, 4))
        if prompts.masks is not None:
            masks = self._mask_input(prompts.masks[rows])
        sparse, dense = self._sam.prompt_encoder(points=points, boxes=boxes, masks=masks)
        return sparse, dense if masks is not None else dense[:1]

    def _mask_input(self, masks: NDArray[np.float32]) -> Tensor:
        """(B, 1, s, s) logits, s = 256 for the published models; averaged down for a smaller SAM."""
        size = self._sam.prompt_encoder.mask_input_size
        whole = self._tensor(masks)[:, None]
        return whole if tuple(whole.shape[2:]) == tuple(size) else functional.interpolate(whole, size, mode="area")

    def _tensor(self, array: NDArray[np.float32]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self._device)

    def _segmentation(
        self, found: _PromptMasks, chosen: NDArray[np.intp], place: NDArray[np.intp], shape: tuple[int, int]
    ) -> Segmentation:
        options = self._options
        masks = PackedMasks.from_crops((found.crops[index] for index in place), shape)
        scores = np.clip(found.scores, 0, 1).astype(np.float32)[place]
        keep = np.zeros(place.size, np.bool_)
        keep[chosen] = True
        keep &= (scores >= options.min_score) & (found.stabilities[place] >= options.min_stability)
        keep &= masks.areas() >= max(1, options.min_area)
        keep = suppress(masks, scores, keep, options.nms)
        labels, instance_scores = resolve_overlaps(masks, scores, keep)
        return Segmentation(labels=labels, scores=instance_scores, masks=masks, mask_scores=scores)


class SamSegmenter(_PromptedSam):
    """Segment Anything (Kirillov et al., 2023), or MobileSAM (Zhang et al., 2023), with whole weights."""

    def __init__(self, options: SamOptions, context: BuildContext) -> None:
        super().__init__(options, context, load_sam(_path(context, "weights"), options.model))


class FineTunedSamSegmenter(_PromptedSam):
    """The same with a fine-tuned mask decoder; where the encoder stayed frozen, it shares its base's encodings."""

    def __init__(self, options: FineTunedSamOptions, context: BuildContext) -> None:
        base = load_sam(_path(context, "base"), options.model)
        super().__init__(options, context, load_decoder(_path(context, "decoder"), base))


def _path(context: BuildContext, role: str) -> Path:
    try:
        return context.weights[role]
    except KeyError:
        raise MissingError(
            f"SAM needs a weights file in the role {role!r} and was given {sorted(context.weights) or 'none'}. "
            "Fetch it with `mitobench weights fetch`, or name a local file."
        ) from None
