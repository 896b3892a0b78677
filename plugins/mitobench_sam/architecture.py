"""What a SAM is made of, as plain data, and how to build it."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import partial
from typing import Any

import torch
from segment_anything.modeling import MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
from torch import nn

from mitobench.errors import MissingError
from mitobench_sam.image_encoder import FusedViT
from mitobench_sam.pyramid_encoder import PyramidEncoder
from mitobench_sam.tiny_vit import TinyViT

__all__ = ["ARCHITECTURES", "Architecture", "build_sam", "random_sam"]

PATCH = 16
_WAVES = (0.25, 8.0)
"""Longest and shortest, in waves per half of the image's side: monotonous over the image, and two positions of 32."""
PIXEL_MEAN = (123.675, 116.28, 103.53)
PIXEL_STD = (58.395, 57.12, 57.375)


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """The sizes of one SAM.

    Attributes:
        encoder: ``"vit"`` (the five that follow describe it), ``"tiny_vit"`` (MobileSAM's; they are not used) or ``"pyramid"``
            (mostly convolutions; the same, but for ``window``, of its blocks at stride 32).
        embed_dim, depth, heads: width, blocks and attention heads.
        global_blocks: the indexes of the blocks that attend to the whole image; the others attend within windows.
        window: tokens along a window's side.
        image_size: side in pixels of the square that images are scaled and padded to; a multiple of 16.
        prompt_dim: channels of the image embedding and of the prompt tokens.
        decoder_mlp: inner width of the mask decoder's perceptrons.
    """

    encoder: str = "vit"
    embed_dim: int = 768
    depth: int = 12
    heads: int = 12
    global_blocks: tuple[int, ...] = (2, 5, 8, 11)
    window: int = 14
    image_size: int = 1024
    prompt_dim: int = 256
    decoder_mlp: int = 2048

    def __post_init__(self) -> None:
        problems = []
        if self.encoder not in ("vit", "tiny_vit", "pyramid"):
            problems.append(f"encoder is {self.encoder!r}, expected vit, tiny_vit or pyramid")
        for name in ("embed_dim", "depth", "heads", "window", "image_size", "prompt_dim", "decoder_mlp"):
            value = getattr(self, name)
            if not isinstance(value, int) or not 1 <= value <= 1 << 14:
                problems.append(f"{name} is {value!r}, expected a whole number from 1 to 16384")
        if not problems and (self.image_size % PATCH or self.embed_dim % self.heads or self.prompt_dim % 16):
            problems.append("image_size and prompt_dim must be multiples of 16, embed_dim of heads")
        if not problems and self.encoder == "pyramid" and self.embed_dim % 4:
            problems.append("embed_dim of a pyramid encoder must be a multiple of 4")
        if not problems and self.encoder == "pyramid" and self.image_size % 32:
            problems.append("image_size of a pyramid encoder must be a multiple of 32")
        if problems:
            raise MissingError(f"SAM architecture: {'; '.join(problems)}.")

    def plain(self) -> dict[str, Any]:
        """As plain data, for a checkpoint's card."""
        return {**asdict(self), "global_blocks": list(self.global_blocks)}

    @classmethod
    def from_plain(cls, data: Mapping[str, Any], *, source: str) -> "Architecture":
        """From a card.

        Raises:
            MissingError: it is of no SAM that can be built here; names ``source``.
        """
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(data) - known):
            raise MissingError(
                f"{source}: the card's architecture has {unknown[0]!r}, which is none of a SAM's ({', '.join(sorted(known))})."
            )
        try:
            return cls(**{**data, "global_blocks": tuple(data.get("global_blocks", cls.global_blocks))})
        except (MissingError, TypeError) as error:
            raise MissingError(f"{source}: the card's architecture cannot be built ({error}).") from None


ARCHITECTURES: Mapping[str, Architecture] = {
    "vit_b": Architecture(),
    "vit_l": Architecture(embed_dim=1024, depth=24, heads=16, global_blocks=(5, 11, 17, 23)),
    "vit_h": Architecture(embed_dim=1280, depth=32, heads=16, global_blocks=(7, 15, 23, 31)),
    "vit_t": Architecture(encoder="tiny_vit"),
    "tiny": Architecture(
        encoder="pyramid",
        embed_dim=192,
        depth=6,
        heads=6,
        global_blocks=(2, 5),
        window=1,
        image_size=512,
        prompt_dim=128,
        decoder_mlp=512,
    ),
}


def build_sam(architecture: Architecture) -> Sam:
    """Build a SAM on the CPU whose weights are not set yet; load them before use.

    Its state dict has the keys and shapes of ``segment_anything.sam_model_registry``'s, and of MobileSAM's for
    ``tiny_vit``. No random number is drawn.
    """
    with torch.device("meta"):
        sam = Sam(_encoder(architecture), _prompt_encoder(architecture), _mask_decoder(architecture))
    sam = sam.to_empty(device="cpu").eval()
    sam.pixel_mean.copy_(torch.tensor(PIXEL_MEAN).view(3, 1, 1))
    sam.pixel_std.copy_(torch.tensor(PIXEL_STD).view(3, 1, 1))
    return sam.requires_grad_(requires_grad=False)


def random_sam(architecture: Architecture, seed: int) -> Sam:
    """Build a SAM on the CPU with random weights that depend on the seed alone, to be trained."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        sam = Sam(_encoder(architecture), _prompt_encoder(architecture), _mask_decoder(architecture))
    _attend_nearby(sam)
    sam.pixel_mean.copy_(torch.tensor(PIXEL_MEAN).view(3, 1, 1))
    sam.pixel_std.copy_(torch.tensor(PIXEL_STD).view(3, 1, 1))
    return sam


@torch.no_grad()
def _attend_nearby(sam: Sam) -> None:
    """Let the decoder's attention between image and prompts start with what lies close together.

    Queries and keys are projected alike, so that their product falls with the distance of the positions they encode, and
    positions are encoded by waves along x and waves along y, where SAM draws directions at random: whether a position
    lies left of a box's edge is then a product of few channels. A small decoder otherwise learns for long what its
    prompts' coordinates mean: filling ellipses in given boxes for 900 steps of 16, it came to an IoU of 0.64 from SAM's
    own start and to 0.75 from this one. Source of the equal projections: Trockman
    and Kolter, Mimetic Initialization of Self-Attention Layers, ICML 2023.
    """
    waves = sam.prompt_encoder.pe_layer.positional_encoding_gaussian_matrix
    frequencies = torch.logspace(*(math.log2(f) for f in _WAVES), waves.shape[1] // 2, base=2)
    waves.zero_()
    waves[0, 0::2] = waves[1, 1::2] = frequencies
    transformer = sam.mask_decoder.transformer
    crossing = [transformer.final_attn_token_to_image]
    for layer in transformer.layers:
        crossing += [layer.cross_attn_token_to_image, layer.cross_attn_image_to_token]
    for attention in crossing:
        attention.k_proj.weight.copy_(attention.q_proj.weight)
        attention.q_proj.bias.zero_()
        attention.k_proj.bias.zero_()


def _encoder(a: Architecture) -> nn.Module:
    if a.encoder == "tiny_vit":
        return TinyViT(a.image_size, a.prompt_dim)
    if a.encoder == "pyramid":
        return PyramidEncoder(a.image_size, a.embed_dim, a.depth, a.heads, a.global_blocks, a.prompt_dim)
    return FusedViT(
        img_size=a.image_size,
        patch_size=PATCH,
        embed_dim=a.embed_dim,
        depth=a.depth,
        num_heads=a.heads,
        out_chans=a.prompt_dim,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
        use_rel_pos=True,
        window_size=a.window,
        global_attn_indexes=a.global_blocks,
    )


def _prompt_encoder(a: Architecture) -> PromptEncoder:
    grid = a.image_size // PATCH
    return PromptEncoder(
        embed_dim=a.prompt_dim,
        image_embedding_size=(grid, grid),
        input_image_size=(a.image_size, a.image_size),
        mask_in_chans=16,
    )


def _mask_decoder(a: Architecture) -> MaskDecoder:
    transformer = TwoWayTransformer(depth=2, embedding_dim=a.prompt_dim, mlp_dim=a.decoder_mlp, num_heads=8)
    return MaskDecoder(transformer_dim=a.prompt_dim, transformer=transformer)
