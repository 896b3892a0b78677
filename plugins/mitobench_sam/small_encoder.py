"""A small image encoder for SAM: convolutions at strides 4 and 8, convolutions and a little attention at stride 16."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["SmallEncoder"]

STRIDES = (4, 8, 16)
_EARLY_BLOCKS = (1, 2)
_GROWTH = 4


class _ConvBlock(nn.Module):
    """Depthwise 5 x 5 convolution, then a perceptron per position, added to what came in (N, C, H, W).

    Source: Liu et al., A ConvNet for the 2020s, CVPR 2022, with a smaller kernel.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.spread = nn.Conv2d(width, width, 5, padding=2, groups=width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.grow = nn.Linear(width, _GROWTH * width)
        self.shrink = nn.Linear(_GROWTH * width, width)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.norm(self.spread(x).permute(0, 2, 3, 1))
        return x + self.shrink(functional.gelu(self.grow(inner))).permute(0, 3, 1, 2)


class _AttentionBlock(nn.Module):
    """Every position of (N, C, H, W) attends to all others, then a perceptron per position."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.grow = nn.Linear(width, _GROWTH * width)
        self.shrink = nn.Linear(_GROWTH * width, width)

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(2).transpose(1, 2)
        q, k, v = self.qkv(self.norm1(tokens)).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        tokens = tokens + self.proj(seen)
        tokens = tokens + self.shrink(functional.gelu(self.grow(self.norm2(tokens))))
        return tokens.transpose(1, 2).unflatten(2, x.shape[2:])


class SmallEncoder(nn.Module):
    """An image encoder of two to five million parameters with the interface of SAM's.

    What strides 4 and 8 see is added to the embedding directly, so that the mask decoder can draw fine outlines.

    Args:
        img_size: side in pixels of the square input; a multiple of 16.
        width: channels at stride 16; half of it at stride 8, a quarter at stride 4.
        depth: blocks at stride 16.
        heads: attention heads.
        global_blocks: which of these blocks attend to the whole image.
        out_chans: channels of the embedding.
    """

    def __init__(
        self, img_size: int, width: int, depth: int, heads: int, global_blocks: tuple[int, ...], out_chans: int
    ) -> None:
        super().__init__()
        self.img_size = img_size
        widths = (width // 4, width // 2, width)
        self.stem = nn.Conv2d(3, widths[0], 4, stride=4)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in pairwise(widths))
        early = [
            nn.Sequential(*(_ConvBlock(w) for _ in range(n))) for w, n in zip(widths[:-1], _EARLY_BLOCKS, strict=True)
        ]
        late = (_AttentionBlock(width, heads) if i in global_blocks else _ConvBlock(width) for i in range(depth))
        self.stages = nn.ModuleList([*early, nn.Sequential(*late)])
        self.lateral = nn.ModuleList(
            nn.Conv2d(w, out_chans, 16 // s, stride=16 // s) for w, s in zip(widths, STRIDES, strict=True)
        )
        self.pos_embed = nn.Parameter(torch.zeros(1, width, img_size // 16, img_size // 16))
        self.norm = nn.LayerNorm(out_chans, eps=1e-6)
        self.smooth = nn.Conv2d(out_chans, out_chans, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Normalised pixels (N, 3, side, side) to embeddings (N, out_chans, side / 16, side / 16)."""
        x = self.stem(x.contiguous(memory_format=torch.channels_last))
        fine = self.stages[0](x)
        middle = self.stages[1](self.down[0](fine))
        coarse = self.stages[2](self.down[1](middle) + self.pos_embed)
        total = self.lateral[0](fine) + self.lateral[1](middle) + self.lateral[2](coarse)
        mixed = self.norm(total.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return mixed + self.smooth(mixed)
