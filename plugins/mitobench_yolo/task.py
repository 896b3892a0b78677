"""What a training step and a validation are."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mitobench.training.loop import SCORE
from mitobench_torch.devices import device_memory
from mitobench_torch.training import WeightAverage, learning_rate, mixed_precision
from mitobench_yolo.architecture import Architecture, build_network
from mitobench_yolo.batches import Batches, settings
from mitobench_yolo.boxes import from_yolo
from mitobench_yolo.inference import Viewing, find_candidates, suppress
from mitobench_yolo.matching import average_precision, peak_f1, pool, precision_and_recall
from mitobench_yolo.options import LOWEST_CONFIDENCE, TrainerOptions
from mitobench_yolo.report import DetectionReport, JudgedImage, measure
from mitobench_yolo.runtime import DetectionModel
from mitobench_yolo.samples import Block, read_boxes, read_image

__all__ = ["DetectionTask"]

_IOUS = tuple(k / 20 for k in range(10, 20))
_SUPPRESSION = 0.7
_LARGEST_GRADIENT = 10.0
_BETAS = (0.9, 0.999)


class DetectionTask:
    """Trains one network (see :class:`mitobench.training.loop.Task`).

    Network, loss, assignment of objects to cells and augmentation are ultralytics'; optimiser and schedule are ours.
    """

    def __init__(
        self,
        network: DetectionModel,
        architecture: Architecture,
        options: TrainerOptions,
        *,
        seed: int,
        device: torch.device,
        blocks: tuple[Block, Block],
    ) -> None:
        self._options, self._device, self._validation = options, device, blocks[1]
        self.batches = Batches(blocks[0], options, seed)
        self._network = network.to(device)
        network.args = settings(options)
        self._criterion = network.init_criterion()
        averaged = build_network(architecture).to(device)
        self._average = WeightAverage(network, averaged, options.averaging)
        self._averaged = averaged
        self._optimiser = _optimiser(network, options)

    def step(self, step: int, progress: float) -> Mapping[str, float]:
        """One optimiser step on the batch of that number."""
        rate = learning_rate(self._options.lr, progress)
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        batch = self.batches.batch(step, mosaics=progress < 1 - self._options.close_mosaic)
        self._network.train()
        with device_memory():
            planes = batch["img"].to(self._device).float() / 255
            with mixed_precision(self._device):
                loss, parts = self._criterion(self._network(planes), batch)
            self._optimiser.zero_grad(set_to_none=True)
            loss.sum().backward()
            nn.utils.clip_grad_norm_(self._network.parameters(), _LARGEST_GRADIENT)
            self._optimiser.step()
        self._average.update(step)
        return {**_named(parts), "lr": rate}

    def validate(self) -> Mapping[str, float]:
        """How good the boxes are on the validation samples.

        Returns:
            ``ap50`` and ``ap50_95`` (the mean over IoU 0.50, 0.55 .. 0.95); ``f1``, the highest at IoU 0.5, with its ``confidence``
            and the ``precision`` and ``recall`` there; ``score``, the mean of ``ap50_95`` and ``f1``.
        """
        images = list(self._detections())
        judged = [pool(images, iou) for iou in _IOUS]
        precisions = [average_precision(one) for one in judged]
        f1, confidence = peak_f1(judged[0])
        precision, recall = precision_and_recall(judged[0], confidence)
        mean = sum(precisions) / len(precisions)
        return {
            "ap50": precisions[0],
            "ap50_95": mean,
            "f1": f1,
            "confidence": confidence,
            "precision": precision,
            "recall": recall,
            SCORE: (mean + f1) / 2,
        }

    def report(self, weights: Mapping[str, Tensor], confidence: float, iou: float = 0.5) -> DetectionReport:
        """The detection report of the validation samples, with these weights; see :func:`mitobench_yolo.report.measure`."""
        self._averaged.load_state_dict(dict(weights))
        images = [
            JudgedImage(objects=objects, detections=rows, shape=shape)
            for (objects, rows), shape in zip(self._detections(), self._validation.shapes, strict=True)
        ]
        return measure(images, confidence=confidence, iou=iou)

    def weights(self) -> Mapping[str, Tensor]:
        """The average of the weights."""
        return dict(self._averaged.state_dict())

    def state(self) -> dict[str, Any]:
        """Weights, their average and the optimiser's state; batches follow from the step's number."""
        return {
            "network": self._network.state_dict(),
            "average": self._averaged.state_dict(),
            "optimiser": self._optimiser.state_dict(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what ``state`` returned."""
        self._network.load_state_dict(state["network"])
        self._averaged.load_state_dict(state["average"])
        self._optimiser.load_state_dict(state["optimiser"])

    def _detections(self) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float32]]]:
        """Objects and detections of each validation image."""
        viewing = Viewing(image_size=self._options.image_size, batch=self._options.batch)
        self._averaged.eval()
        files, shapes = self._validation.images, self._validation.shapes
        for start in range(0, len(files), viewing.batch):
            some = files[start : start + viewing.batch]
            pictures = [read_image(path) for path in some]
            found = find_candidates(self._averaged, pictures, viewing, self._device)
            for path, shape, rows in zip(some, shapes[start:], found, strict=False):
                kept = suppress(rows, confidence=LOWEST_CONFIDENCE, iou=_SUPPRESSION)
                yield from_yolo(read_boxes(path), shape), kept


def _optimiser(network: nn.Module, options: TrainerOptions) -> torch.optim.Optimizer:
    """AdamW; biases and normalisation layers have no weight decay, as in ultralytics."""
    decayed = [p for p in network.parameters() if p.requires_grad and p.ndim > 1]
    free = [p for p in network.parameters() if p.requires_grad and p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": options.weight_decay}, {"params": free, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=options.lr, betas=_BETAS)


def _named(parts: Any) -> dict[str, float]:
    """The loss's parts by name; ultralytics before 8.4 gives them as a vector."""
    if isinstance(parts, Mapping):
        return {str(name): float(value) for name, value in parts.items()}
    return dict(zip(("box_loss", "cls_loss", "dfl_loss"), (float(v) for v in parts), strict=True))
