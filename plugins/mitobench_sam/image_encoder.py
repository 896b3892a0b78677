"""SAM's ViT image encoder, evaluated faster with the same parameters and the same result."""

import torch
from segment_anything.modeling.image_encoder import Attention, Block, ImageEncoderViT, get_rel_pos
from torch import Tensor
from torch.nn import functional

from mitobench_sam.linear import is_slow, linear, sliced_linear

__all__ = ["FusedViT"]

_CPU_BIAS_ELEMENTS = 1 << 21
_DEVICE_BIAS_ELEMENTS = 1 << 28
_QUERIES = 512
_CPU_ROWS = 1024
"""Tokens, on a CPU, that go through a perceptron together: its inner values then stay in the cache."""


class FusedViT(ImageEncoderViT):
    """The official encoder with its attention through ``scaled_dot_product_attention``.

    The decomposed relative positions (Li et al., MViTv2, CVPR 2022) become an additive bias, built for as many queries at
    a time as fit a cache; the zero padding of the last windows is added behind the projections, where it is the
    projections' bias. State dict and results (to about 1e-6) are those of the official class.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Encode.

        Args:
            x: float (B, 3, S, S), normalised and padded images.

        Returns:
            float (B, 256, S/16, S/16).
        """
        x = self.patch_embed(x)
        if self.pos_embed is not None:
            x = x + self.pos_embed
        for block in self.blocks:
            x = _block(block, x)
        return self.neck(x.permute(0, 3, 1, 2))


def _block(block: Block, x: Tensor) -> Tensor:
    x = x + _attention(block.attn, block.norm1(x), block.window_size)
    tokens = x.flatten(0, 2)
    rows = _CPU_ROWS if x.device.type == "cpu" else len(tokens)
    return torch.cat([_perceptron(block, some) for some in tokens.split(rows)]).view_as(x)


def _perceptron(block: Block, tokens: Tensor) -> Tensor:
    """The second half of a block, for tokens (N, C)."""
    first, second = block.mlp.lin1, block.mlp.lin2
    inner = block.mlp.act(linear(block.norm2(tokens), first.weight, first.bias))
    return tokens + linear(inner, second.weight, second.bias)


def _attention(attention: Attention, x: Tensor, window: int) -> Tensor:
    """Attention over (B, H, W, C) within windows of ``window`` tokens a side (0 = over the whole image)."""
    batch, height, width, channels = x.shape
    side = window or height
    rows, columns = -(-height // side), -(-width // side) if window else 1
    across = side if window else width
    qkv = linear(x, attention.qkv.weight)
    qkv = functional.pad(qkv, (0, 0, 0, columns * across - width, 0, rows * side - height))
    if attention.qkv.bias is not None:
        qkv = qkv + attention.qkv.bias
    qkv = qkv.view(batch, rows, side, columns, across, 3, attention.num_heads, channels // attention.num_heads)
    qkv = qkv.permute(5, 0, 1, 3, 6, 2, 4, 7).reshape(3, -1, side * across, channels // attention.num_heads)
    out = _biased_attention(qkv[0], qkv[1], qkv[2], attention, (side, across))
    out = out.view(batch, rows, columns, attention.num_heads, side, across, -1).permute(0, 1, 4, 2, 5, 3, 6)
    out = out.reshape(batch, rows * side, columns * across, channels)[:, :height, :width]
    return linear(out, attention.proj.weight, attention.proj.bias)


def _biased_attention(q: Tensor, k: Tensor, v: Tensor, attention: Attention, size: tuple[int, int]) -> Tensor:
    """softmax(q k / sqrt(d) + bias) v for (G, L, d) tensors, G = windows x heads, L = ``size[0] * size[1]``."""
    if not attention.use_rel_pos:
        return functional.scaled_dot_product_attention(q, k, v, scale=attention.scale)
    rel_h, rel_w = _relative(q, attention, size)
    out = torch.empty_like(q)
    groups, length = q.shape[0], q.shape[1]
    if is_slow(q) and length % _QUERIES == 0:
        return _attention_by_products(q, k, v, (rel_h, rel_w), attention.scale)
    budget = _CPU_BIAS_ELEMENTS if q.device.type == "cpu" else _DEVICE_BIAS_ELEMENTS
    step = max(1, budget // (length * length))
    stride = length if step > 1 else min(length, max(1, budget // length))
    for group in range(0, groups, step):
        g = slice(group, group + step)
        for start in range(0, length, stride):
            r = slice(start, start + stride)
            bias = (rel_h[g, r, :, None] + rel_w[g, r, None, :]).flatten(2)
            out[g, r] = functional.scaled_dot_product_attention(
                q[None, g, r], k[None, g], v[None, g], attn_mask=bias[None], scale=attention.scale
            )[0]
    return out


def _attention_by_products(q: Tensor, k: Tensor, v: Tensor, bias: tuple[Tensor, Tensor], scale: float) -> Tensor:
    """The same by matrix products and a softmax, ``_QUERIES`` queries at a time, where oneDNN beats torch's own kernel."""
    out = torch.empty_like(q)
    for group in range(len(q)):
        keys, values = k[group] * scale, v[group].t().contiguous()
        for start in range(0, q.shape[1], _QUERIES):
            r = slice(start, start + _QUERIES)
            scores = sliced_linear(q[group, r], keys)
            by_row, by_column = (relative[group, r] for relative in bias)
            scores.view(_QUERIES, by_row.shape[1], -1).add_(by_row[:, :, None]).add_(by_column[:, None])
            out[group, r] = sliced_linear(scores.softmax(-1), values)
    return out


def _relative(q: Tensor, attention: Attention, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Each query's bias towards every row (G, L, H) and every column (G, L, W)."""
    height, width = size
    grid = q.view(q.shape[0], height, width, -1)
    by_row = get_rel_pos(height, height, attention.rel_pos_h)
    by_column = get_rel_pos(width, width, attention.rel_pos_w)
    rel_h = torch.einsum("bhwc,hkc->bhwk", grid, by_row)
    rel_w = torch.einsum("bhwc,wkc->bhwk", grid, by_column)
    return rel_h.flatten(1, 2), rel_w.flatten(1, 2)
