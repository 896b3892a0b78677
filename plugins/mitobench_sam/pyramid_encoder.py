"""A small image encoder for SAM: convolutions at strides 4, 8 and 16, convolutions and a little attention at stride 32."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["PyramidEncoder"]

_GROWTH = 4
_STEM_WIDTH = 24


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


class _FineBlock(nn.Module):
    """Two 3 x 3 convolutions, added to what came in (N, C, H, W): at few channels faster than one of each channel alone."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.first, self.second = (nn.Conv2d(width, width, 3, padding=1) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        inner = self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return x + self.second(functional.gelu(self.first(inner)))


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


class PyramidEncoder(nn.Module):
    """An image encoder of two to five million parameters with the interface of SAM's.

    Most of the work is done at stride 32; what strides 8 and 16 see is added to the embedding, at stride 16, directly, so
    that the mask decoder can draw fine outlines.

    Args:
        img_size: side in pixels of the square input; a multiple of 32.
        width: channels at stride 32; half of it at stride 16, a quarter at stride 8.
        depth: blocks at stride 32.
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
        self.stem = nn.Sequential(
            nn.Conv2d(3, _STEM_WIDTH, 4, stride=4), nn.GELU(), nn.Conv2d(_STEM_WIDTH, widths[0], 3, stride=2, padding=1)
        )
        self.down = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in pairwise(widths))
        fine, middle = (
            nn.Sequential(*(kind(w) for _ in range(n)))
            for kind, w, n in ((_FineBlock, widths[0], 1), (_ConvBlock, widths[1], 2))
        )
        late = (_AttentionBlock(width, heads) if i in global_blocks else _ConvBlock(width) for i in range(depth))
        self.stages = nn.ModuleList([fine, middle, nn.Sequential(*late)])
        self.lateral = nn.ModuleList(
            [
                nn.Conv2d(widths[0], out_chans, 2, stride=2),
                nn.Conv2d(widths[1], out_chans, 1),
                nn.ConvTranspose2d(widths[2], out_chans, 2, stride=2),
            ]
        )
        self.pos_embed = nn.Parameter(torch.zeros(1, width, img_size // 32, img_size // 32))
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
