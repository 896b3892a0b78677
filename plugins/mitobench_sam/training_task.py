"""One training of a promptable SAM, as the shared loop drives it."""

import copy
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from segment_anything.modeling import Sam
from torch import Tensor

from mitobench.errors import DeviceMemoryError
from mitobench.hashing import hash_data
from mitobench.samples import Sample
from mitobench.seeds import derive_rng, derive_seed
from mitobench.training.loop import SCORE
from mitobench_sam.embeddings import Embeddings
from mitobench_sam.frames import Frame, network_input
from mitobench_sam.losses import parse_loss
from mitobench_sam.numeric_mode import autocast, numeric_mode
from mitobench_sam.prompt_simulation import Simulated, corrected, joined, validated_kinds
from mitobench_sam.prompted_objective import Objective, overlap, predict, shown_masks
from mitobench_sam.trainable import Trainable
from mitobench_sam.trainer_options import PromptedTrainingOptions
from mitobench_sam.training_images import TrainingImages
from mitobench_sam.training_items import Item, StepItems, union_options
from mitobench_sam.training_targets import Targets, first_prompts, targets_of
from mitobench_torch.devices import device_memory
from mitobench_torch.training import WeightAverage, learning_rate

__all__ = ["PromptedTask"]

PREPROCESSING = 1
_VALIDATED_OBJECTS = 25


class PromptedTask:
    """Trains a mask decoder, and more if asked, by prompts that are simulated from the reference.

    Everything random depends on the seed and on the step, so a training that was stopped and resumed repeats.

    Args:
        sam: to train, on the CPU; changed in place.
        base: hash of its weights, which cached embeddings depend on.
        options: how.
        seed: of everything random.
        device: to train on.
        training, validation: on what.
    """

    def __init__(
        self,
        sam: Sam,
        base: str,
        options: PromptedTrainingOptions,
        seed: int,
        device: torch.device,
        training: TrainingImages,
        validation: TrainingImages,
    ) -> None:
        self._options, self._seed, self._device = options, seed, device
        self.training, self.validation = training, validation
        self._sam = sam.to(device).eval()
        self._part = Trainable(self._sam, options, derive_seed(seed, "sam", "lora") >> 1)
        self._scored, self._follow = self._sam, None
        if options.averaging:
            self._scored = copy.deepcopy(self._sam)
            self._follow = WeightAverage(
                self._part.module(self._sam), self._part.module(self._scored), options.averaging
            )
        kind = torch.optim.AdamW if options.optimiser == "adamw" else torch.optim.Adam
        self._optimiser = kind(self._part.parameters, lr=options.lr, weight_decay=options.weight_decay, fused=True)
        self._objective = Objective(parse_loss(options.loss), options.multimask, options.iou_weight)
        self._items = StepItems(training, options, seed, self._side)
        self._frozen = options.trained == "decoder"
        self._mode = numeric_mode(options.precision, device)
        key = hash_data({"weights": base, "precision": self._mode, "preprocessing": PREPROCESSING})
        self.embeddings = Embeddings(self._embedded, key, options.cache_dir)
        self.pieces, self._at_once = 1, _VALIDATED_OBJECTS
        self._best, self._since = -1.0, 0
        self._plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(self._optimiser, "max", factor=0.9, patience=3)

    @property
    def steps_per_epoch(self) -> int:
        """Steps in which every training sample is seen once."""
        return self._items.steps_per_epoch

    @property
    def exhausted(self) -> bool:
        """Whether the validation score has not risen for ``patience`` epochs."""
        return bool(self._options.patience) and self._since >= self._options.patience

    def step(self, step: int, progress: float) -> Mapping[str, float]:
        """One optimiser step over ``batch`` images; in more pieces from now on where memory runs out."""
        if self._options.schedule == "cosine":
            for group in self._optimiser.param_groups:
                group["lr"] = learning_rate(self._options.lr, progress)
        while True:
            try:
                with device_memory():
                    loss = self._descend(step)
                break
            except DeviceMemoryError:
                if not self._cut_finer():
                    raise
        if self._options.clip:
            torch.nn.utils.clip_grad_norm_(self._part.parameters, self._options.clip)
        self._optimiser.step()
        if self._follow is not None:
            self._follow.update(step)
        return {"loss": loss}

    def _cut_finer(self) -> bool:
        """Double the number of pieces, down to single images and then to single prompts; False where that has been reached."""
        options = self._options
        lone = options.objects == "one" or options.prompt == "union-box"
        most = options.batch * (1 if lone else options.max_objects)
        before, limit = self.pieces, options.batch if self.pieces < options.batch else most
        self.pieces = min(limit, 2 * before)
        return self.pieces > before

    def _descend(self, step: int) -> float:
        """Add up the gradients of a step's pieces; returns the mean loss of its prompts and rounds."""
        self._optimiser.zero_grad()
        items = self._items.of(step)
        prompts = sum(len(item.targets.masks) for item in items)
        size = -(-len(items) // self.pieces)
        masked = derive_rng(self._seed, "masks", step).random(self._options.rounds) < 0.5
        total = 0.0
        for start in range(0, len(items), size):
            total += self._piece(items[start : start + size], masked, 1 / (prompts * self._options.rounds))
        return total

    def _piece(self, items: Sequence[Item], masked: Sequence[bool], weight: float) -> float:
        """Add the gradients of some images: those of each round and part of the prompts, those of the encoder at the end."""
        device = self._device
        with self._autocast():
            images = self._encoded(self._sam, [item.sample for item in items])
        leaf = images.detach().requires_grad_(not self._frozen)
        counts = torch.tensor([len(item.targets.masks) for item in items])
        rows = torch.repeat_interleave(torch.arange(len(items)), counts).to(device)
        rngs = [items[row].rng for row in rows.tolist()]
        prompts = joined([item.prompts for item in items]).to(device)
        hidden = torch.stack([item.targets.hidden for item in items]).to(device)[rows]
        target = torch.cat([item.targets.low for item in items]).to(device).masked_fill(hidden, 0.0)
        total, size = 0.0, -(-len(rows) // self._parts)
        parts = [slice(start, start + size) for start in range(0, len(rows), size)]
        asked = [prompts[part] for part in parts]
        for turn, with_mask in enumerate(masked, start=1):
            for index, part in enumerate(parts):
                with self._autocast():
                    logits, iou = predict(self._sam, leaf[rows[part]], asked[index])
                judged = self._objective(logits, iou, target[part], hidden[part], lone_point=asked[index].lone_point)
                loss = weight * judged.loss.sum()
                torch.autograd.backward(loss)
                total += float(loss.detach())
                if turn < len(masked):
                    after = corrected(asked[index], judged.logits, target[part], rngs[part], with_mask=bool(with_mask))
                    asked[index] = after
        if images.requires_grad and leaf.grad is not None:
            torch.autograd.backward(images, leaf.grad)
        return total

    @property
    def _parts(self) -> int:
        """Parts that the prompts of a piece are cut into: 1 while a piece can be cut by its images."""
        return -(-self.pieces // self._options.batch)

    @property
    def _side(self) -> int:
        return int(self._sam.image_encoder.img_size)

    def _autocast(self) -> AbstractContextManager[Any]:
        return autocast(self._mode, self._device)

    def _encoded(self, sam: Sam, samples: Sequence[Sample]) -> Tensor:
        """Embeddings float32 (B, C, g, g): cached where the encoder is frozen, else made now, with gradients."""
        if self._frozen and self._options.cache == "memory":
            return torch.stack([self.embeddings.of(s.image).float() for s in samples]).to(self._device)
        encoder = sam.image_encoder
        inputs = [network_input(s.image, Frame.of(s.shape, self._side), sam.pixel_mean, sam.pixel_std) for s in samples]
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self._frozen):
            made: Tensor = encoder(torch.stack(inputs)).float()
        return made

    def _embedded(self, picture: NDArray[np.uint8]) -> Tensor:
        frame = Frame.of((picture.shape[0], picture.shape[1]), self._side)
        pixels = network_input(picture, frame, self._sam.pixel_mean, self._sam.pixel_std)
        with torch.no_grad(), self._autocast():
            made: Tensor = self._sam.image_encoder(pixels[None])[0]
        return made

    def scores(self) -> dict[str, float]:
        """IoU and Dice of the held-out samples' masks at low resolution, mean over prompts; the score is the mean IoU of the kinds."""
        found: dict[str, list[Tensor]] = {}
        for index in range(len(self.validation)):
            for kind, scores in self._fitting(self.validation[index]).items():
                found.setdefault(kind, []).append(scores)
        means = {kind: torch.cat(scores).mean(0).tolist() for kind, scores in found.items()}
        values = {f"iou_{kind}": iou for kind, (iou, _) in means.items()}
        values |= {f"dice_{kind}": dice for kind, (_, dice) in means.items()}
        return values | {SCORE: float(np.mean([iou for iou, _ in means.values()]))}

    def validate(self) -> Mapping[str, float]:
        """The scores, which the schedule and the patience follow."""
        values = self.scores()
        self._since, self._best = (0 if values[SCORE] > self._best else self._since + 1), max(self._best, values[SCORE])
        if self._options.schedule == "plateau":
            self._plateau.step(values[SCORE])
        return values

    def _fitting(self, sample: Sample) -> dict[str, Tensor]:
        """What ``_validated`` returns; with half as many prompts at once from now on where memory runs out."""
        while True:
            try:
                with torch.no_grad(), self._autocast(), device_memory():
                    return self._validated(sample)
            except DeviceMemoryError:
                if self._at_once == 1:
                    raise
                self._at_once = -(-self._at_once // 2)

    def _validated(self, sample: Sample) -> dict[str, Tensor]:
        """IoU and Dice (K, 2) of up to 25 objects of one sample, by kind of prompt; "union" = of all objects together."""
        options = self._options.model_copy(update={"objects": "many", "max_objects": _VALIDATED_OBJECTS})
        rng = derive_rng(self._seed, "validation", sample.id)
        image = self._encoded(self._scored, [sample])
        targets = self._targets(sample, options, rng)
        kinds = validated_kinds(options.prompt)
        scores = {
            str(kind): self._overlaps(image, targets, first_prompts(targets, kind, options, rng)) for kind in kinds
        }
        if options.union_share:
            options = union_options(options, sample.shape)
            targets = self._targets(sample, options, rng)
            scores["union"] = self._overlaps(image, targets, first_prompts(targets, "box", options, rng))
        return scores

    def _targets(self, sample: Sample, options: PromptedTrainingOptions, rng: np.random.Generator) -> Targets:
        targets = targets_of(sample, self._side, options, rng)
        if targets is None:
            raise RuntimeError(f"sample {sample.id!r} has lost its objects")
        return targets

    def _overlaps(self, image: Tensor, targets: Targets, prompts: Simulated) -> Tensor:
        """IoU and Dice (K, 2) of the masks that the scored weights show for K prompts of one image."""
        asked = prompts.to(self._device)
        ambiguous = asked.lone_point and self._options.multimask != "single"
        parts = [asked[at : at + self._at_once] for at in range(0, len(targets.masks), self._at_once)]
        seen = torch.cat([shown_masks(self._scored, image, part, ambiguous=ambiguous).cpu() for part in parts])
        hidden = targets.hidden[None]
        return torch.stack(overlap(seen.masked_fill(hidden, -1), targets.low.masked_fill(hidden, 0)), 1)

    def weights(self) -> Mapping[str, Tensor]:
        """The trained weights that were scored."""
        return self._part.state(self._scored)

    def state(self) -> dict[str, Any]:
        """All that the next step depends on."""
        average = {} if self._scored is self._sam else self._part.state(self._scored)
        return {
            "trained": {key: value.detach().clone() for key, value in self._part.state(self._sam).items()},
            "average": {key: value.detach().clone() for key, value in average.items()},
            "optimiser": self._optimiser.state_dict(),
            "pieces": self.pieces,
            "validated": [self._best, self._since],
            "plateau": [self._plateau.best, self._plateau.num_bad_epochs],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what ``state`` returned."""
        self._part.take(self._sam, state["trained"])
        if self._scored is not self._sam:
            self._part.take(self._scored, state["average"])
        self._optimiser.load_state_dict(state["optimiser"])
        self.pieces = int(state["pieces"])
        self._best, self._since = state["validated"]
        self._plateau.best, self._plateau.num_bad_epochs = state["plateau"]
