"""What one step of a SAM's training learns from: images, objects of them, and their first prompts."""

from dataclasses import dataclass

import numpy as np

from mitobench.samples import Sample
from mitobench.seeds import derive_rng
from mitobench_sam.prompt_simulation import TURNS, Kind, Simulated
from mitobench_sam.trainer_options import PromptedTrainingOptions
from mitobench_sam.training_images import TrainingImages
from mitobench_sam.training_targets import Targets, first_prompts, targets_of

__all__ = ["Item", "StepItems", "union_options"]

_UNION_MARGIN = 20 / 256


@dataclass(frozen=True, eq=False)
class Item:
    """One image of a step: its pixels, its objects, the first prompts, and the randomness of the next ones."""

    sample: Sample
    targets: Targets
    prompts: Simulated
    rng: np.random.Generator


class StepItems:
    """The items of any step; they depend on the seed and on the step's number alone.

    Args:
        training: samples that hold an object.
        options: of the training.
        seed: of everything random.
        side: of SAM's square input.
    """

    def __init__(self, training: TrainingImages, options: PromptedTrainingOptions, seed: int, side: int) -> None:
        self._training, self._options, self._seed, self._side = training, options, seed, side

    @property
    def steps_per_epoch(self) -> int:
        """Steps in which every training sample is seen once."""
        return -(-len(self._training) // self._options.batch)

    def of(self, step: int) -> list[Item]:
        """The items of step 0, 1, ...: up to ``batch`` images with prompts of one kind."""
        options = self._options
        epoch, place = divmod(step, self.steps_per_epoch)
        order = derive_rng(self._seed, "order", epoch).permutation(len(self._training))
        chosen = order[place * options.batch : (place + 1) * options.batch]
        turns = TURNS[options.prompt]
        kind = turns[step % len(turns)]
        together = derive_rng(self._seed, "union", step).random() < options.union_share
        return [self._item(int(index), epoch, "box" if together else kind, step, together) for index in chosen]

    def _item(self, index: int, epoch: int, kind: Kind, step: int, together: bool) -> Item:
        number, frozen = 0, self._options.trained == "decoder"
        rng = derive_rng(self._seed, "prompts", step, index)
        if self._options.augment:
            number = int(rng.integers(self._options.augment + 1)) if frozen else 1 + epoch
        sample = self._training.copy(index, number, keep=frozen)
        options = union_options(self._options, sample.shape) if together else self._options
        targets = targets_of(sample, self._side, options, rng)
        if targets is None:  # the augmentation moved every object off the image
            sample = self._training[index]
            targets = targets_of(sample, self._side, options, rng)
        if targets is None:
            raise RuntimeError(f"sample {sample.id!r} has lost its objects")
        return Item(sample, targets, first_prompts(targets, kind, options, rng), rng)


def union_options(options: PromptedTrainingOptions, shape: tuple[int, int]) -> PromptedTrainingOptions:
    """The options of a step of ``union_share``, for an image of shape (H, W): all objects are one target in a loose box.

    Each side of the box moves outward by less than 20 pixels of 256, as in the published fine-tuning, and in no other way.
    """
    margin = max(1, round(_UNION_MARGIN * max(shape)))
    alone = {"box_jitter": 0.0, "box_enlarge": 0.0, "box_margin": margin}
    return options.model_copy(update={"prompt": "union-box", **alone})
