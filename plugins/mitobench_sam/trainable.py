"""Which weights of a SAM a training changes, and under what names a checkpoint holds them."""

from collections.abc import Mapping

import torch
from segment_anything.modeling import Sam
from torch import Tensor, nn

from mitobench_sam.lora import add_low_rank, low_rank_state
from mitobench_sam.trainer_options import FineTuneOptions, PromptedTrainingOptions

__all__ = ["Trainable"]

DECODER = "mask_decoder."


class Trainable:
    """The trained part of a SAM: its mask decoder, that and low-rank changes of its encoder, or all of it.

    Args:
        sam: gets gradients for that part alone, and the low-rank changes.
        options: which part.
        seed: of the low-rank changes.
    """

    def __init__(self, sam: Sam, options: PromptedTrainingOptions, seed: int) -> None:
        self._kind = options.trained
        sam.requires_grad_(requires_grad=self._kind == "all")
        sam.mask_decoder.requires_grad_(requires_grad=True)
        added: list[nn.Parameter] = []
        if self._kind == "lora" and isinstance(options, FineTuneOptions):
            added = add_low_rank(sam.image_encoder, options.lora_rank, seed)
            sam.image_encoder.to(sam.device)
        whole = sam if self._kind == "all" else sam.mask_decoder
        self.parameters = [*whole.parameters(), *added]

    def module(self, sam: Sam) -> nn.Module:
        """The smallest module of a SAM of this kind that holds the trained part."""
        return sam.mask_decoder if self._kind == "decoder" else sam

    def state(self, sam: Sam) -> dict[str, Tensor]:
        """The trained weights themselves, not copies, as a checkpoint names them."""
        if self._kind == "all":
            return dict(sam.state_dict())
        state = {f"{DECODER}{key}": value for key, value in sam.mask_decoder.state_dict().items()}
        return state | (low_rank_state(sam.image_encoder) if self._kind == "lora" else {})

    @torch.no_grad()
    def take(self, sam: Sam, state: Mapping[str, Tensor]) -> None:
        """Copy a state into a SAM of this kind."""
        for key, value in self.state(sam).items():
            value.copy_(state[key])
