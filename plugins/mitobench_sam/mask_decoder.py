"""SAM's mask decoder for many prompts of one image: the official parameters and result, less arithmetic.

Three rearrangements, each exact in real numbers. What the first layer computes from the image alone is computed once
for all prompts. Later, the few tokens (about eight) are projected onto the image's side of a cross attention instead of
the 4096 image positions onto the tokens' side. The two transposed convolutions, whose stride is their kernel, are
matrix products in the image's token layout, and only the one mask that is kept is multiplied out.
"""

from dataclasses import dataclass, replace

import torch
from segment_anything.modeling import MaskDecoder
from segment_anything.modeling.transformer import Attention, TwoWayAttentionBlock
from torch import Tensor, nn
from torch.nn import functional

from mitobench_sam.linear import linear

__all__ = ["ImageSide", "decode", "decode_all"]


@dataclass(frozen=True, eq=False)
class ImageSide:
    """The image's N positions as the decoder's layers see them; B = 1 where all prompts still share them.

    Attributes:
        keys: (B, N, C).
        positioned: the keys with their positional encoding added, (B, N, C).
        position: (1, N, C).
        size: (h, w), N = h * w.
        k, v, q: what the first layer's attentions project the shared keys to, (1, heads, N, d); None unless B = 1.
    """

    keys: Tensor
    positioned: Tensor
    position: Tensor
    size: tuple[int, int]
    k: Tensor | None = None
    v: Tensor | None = None
    q: Tensor | None = None

    @classmethod
    def of(cls, decoder: MaskDecoder, image: Tensor, position: Tensor, dense: Tensor) -> "ImageSide":
        """Prepare an image, for all prompts at once where they share ``dense``.

        Args:
            decoder: an official mask decoder.
            image: float (C, h, w), the image embedding.
            position: float (C, h, w), the positional encoding of the embedding.
            dense: float (B, C, h, w), embedded mask prompts; B = 1 where all prompts share it.
        """
        keys = (image + dense).flatten(2).transpose(1, 2).contiguous()
        places = position.flatten(1).transpose(0, 1)[None].contiguous()
        side = cls(keys, keys + places, places, (image.shape[1], image.shape[2]))
        if keys.shape[0] > 1:
            return side
        first = decoder.transformer.layers[0]
        ask, answer = first.cross_attn_token_to_image, first.cross_attn_image_to_token
        return replace(
            side,
            k=_heads(ask, linear(side.positioned, ask.k_proj.weight, ask.k_proj.bias)),
            v=_heads(ask, linear(keys, ask.v_proj.weight, ask.v_proj.bias)),
            q=_heads(answer, linear(side.positioned, answer.q_proj.weight, answer.q_proj.bias)),
        )

    def updated(self, keys: Tensor) -> "ImageSide":
        """The same image after a layer has changed the keys."""
        return ImageSide(keys, keys + self.position, self.position, self.size)


def decode(decoder: MaskDecoder, side: ImageSide, sparse: Tensor, choose: Tensor) -> tuple[Tensor, Tensor]:
    """Predict one mask per prompt.

    Args:
        decoder: an official mask decoder.
        side: the image, prepared by the same decoder; of 1 or B prompts.
        sparse: float (B, T, C), embedded boxes and points.
        choose: bool (B,): True = the best scored of the three masks, False = the single mask.

    Returns:
        logits float32 (B, 4h, 4w) and the predicted IoU float32 (B,).
    """
    batch = sparse.shape[0]
    outputs = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])
    tokens = torch.cat([outputs.expand(batch, -1, -1), sparse], dim=1)
    queries, keys = _transform(decoder, side, tokens)
    scores = decoder.iou_prediction_head(queries[:, 0]).float()
    chosen = torch.where(choose, 1 + scores[:, 1:].argmax(dim=1), 0)
    rows = torch.arange(batch, device=chosen.device)
    hyper = torch.stack(
        [mlp(queries[:, 1 + index]) for index, mlp in enumerate(decoder.output_hypernetworks_mlps)], dim=1
    )[rows, chosen]
    masks = _masks(decoder, keys.unflatten(1, side.size), hyper[:, None])
    return masks[:, 0].float(), scores[rows, chosen]


def decode_all(decoder: MaskDecoder, side: ImageSide, sparse: Tensor) -> tuple[Tensor, Tensor]:
    """Predict all four masks of each prompt, with gradients where they are on.

    Args:
        decoder: an official mask decoder.
        side: the images of B prompts.
        sparse: float (B, T, C), embedded boxes and points.

    Returns:
        logits float32 (B, 4, 4h, 4w), the single mask first, and predicted IoU float32 (B, 4).
    """
    outputs = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])
    tokens = torch.cat([outputs.expand(len(sparse), -1, -1), sparse.to(outputs.dtype)], dim=1)
    queries, keys = _transform(decoder, side, tokens)
    hyper = torch.stack([mlp(queries[:, 1 + i]) for i, mlp in enumerate(decoder.output_hypernetworks_mlps)], dim=1)
    return _masks(decoder, keys.unflatten(1, side.size), hyper).float(), decoder.iou_prediction_head(
        queries[:, 0]
    ).float()


def _transform(decoder: MaskDecoder, side: ImageSide, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """The two-way transformer: queries (B, T, C) and keys (B, N, C)."""
    transformer = decoder.transformer
    queries = tokens
    for layer in transformer.layers:
        queries, side = _layer(layer, queries, tokens, side)
    queries = queries + _tokens_to_image(transformer.final_attn_token_to_image, queries + tokens, side)
    return transformer.norm_final_attn(queries), side.keys


def _layer(layer: TwoWayAttentionBlock, queries: Tensor, tokens: Tensor, side: ImageSide) -> tuple[Tensor, ImageSide]:
    if layer.skip_first_layer_pe:
        queries = layer.self_attn(q=queries, k=queries, v=queries)
    else:
        placed = queries + tokens
        queries = queries + layer.self_attn(q=placed, k=placed, v=queries)
    queries = layer.norm1(queries)
    queries = queries + _tokens_to_image(layer.cross_attn_token_to_image, queries + tokens, side)
    queries = layer.norm2(queries)
    queries = layer.norm3(queries + layer.mlp(queries))
    keys = _image_to_tokens(layer.cross_attn_image_to_token, side, queries + tokens, queries)
    return queries, side.updated(layer.norm4(keys))


def _heads(attention: Attention, x: Tensor) -> Tensor:
    """(B, L, D) to (B, heads, L, D / heads)."""
    return x.unflatten(2, (attention.num_heads, -1)).transpose(1, 2)


def _folded(attention: Attention, projected: Tensor, weight: Tensor) -> Tensor:
    """Tokens' projections (B, T, D) taken through another projection's weight (D, C): (B, heads * T, C)."""
    per_head = weight.view(attention.num_heads, -1, weight.shape[1])
    return torch.matmul(_heads(attention, projected), per_head).flatten(1, 2)


def _tokens_to_image(attention: Attention, queries: Tensor, side: ImageSide) -> Tensor:
    """Tokens (B, T, C) attend to the image; returns (B, T, C)."""
    batch, count = queries.shape[:2]
    q = attention.q_proj(queries)
    if side.k is not None and side.v is not None:
        together = _heads(attention, q.reshape(1, batch * count, -1))
        out = functional.scaled_dot_product_attention(together, side.k, side.v).transpose(1, 2)
        return attention.out_proj(out.reshape(batch, count, -1))
    # The bias of k_proj adds the same to every position's logit, which the softmax ignores.
    folded = _folded(attention, q * _scale(attention), attention.k_proj.weight)
    weights = (folded @ side.positioned.transpose(1, 2)).softmax(dim=-1)
    pooled = (weights @ side.keys).unflatten(1, (attention.num_heads, count))
    values = attention.v_proj.weight.unflatten(0, (attention.num_heads, -1)).transpose(1, 2)
    out = torch.matmul(pooled, values).transpose(1, 2).reshape(batch, count, -1)
    return attention.out_proj(out + attention.v_proj.bias)


def _image_to_tokens(attention: Attention, side: ImageSide, tokens: Tensor, values: Tensor) -> Tensor:
    """The image attends to the tokens (B, T, C); returns keys + attention, (B, N, C)."""
    batch, count = tokens.shape[:2]
    k = attention.k_proj(tokens) * _scale(attention)
    if side.q is not None:
        logits = torch.matmul(_heads(attention, k), side.q.transpose(2, 3))
    else:
        per_head = attention.q_proj.bias.view(attention.num_heads, 1, -1)
        bias = (_heads(attention, k) * per_head).sum(-1, keepdim=True)
        logits = _folded(attention, k, attention.q_proj.weight) @ side.positioned.transpose(1, 2)
        logits = logits.unflatten(1, (attention.num_heads, count)) + bias
    weights = logits.softmax(dim=2).flatten(1, 2)
    update = _folded(attention, attention.v_proj(values), attention.out_proj.weight.t())
    update = update + attention.out_proj.bias / attention.num_heads  # a position's weights sum to one in each head
    return torch.baddbmm(side.keys.expand(batch, -1, -1), weights.transpose(1, 2), update)


def _scale(attention: Attention) -> float:
    return float((attention.internal_dim // attention.num_heads) ** -0.5)


def _masks(decoder: MaskDecoder, keys: Tensor, hyper: Tensor) -> Tensor:
    """Upscale (B, h, w, C) keys and multiply with (B, M, D): logits (B, M, 4h, 4w)."""
    first, norm, act1, second, act2 = decoder.output_upscaling
    batch, height, width = keys.shape[:3]
    x = _upscaled(first, keys)
    x = act1(functional.layer_norm(x, x.shape[-1:], norm.weight, norm.bias, norm.eps))
    x = act2(_upscaled(second, x))
    out = torch.bmm(x.reshape(batch, -1, x.shape[-1]), hyper.to(x.dtype).transpose(1, 2)).transpose(1, 2)
    out = out.reshape(batch, -1, height, width, 2, 2, 2, 2).permute(0, 1, 2, 4, 6, 3, 5, 7)
    return out.reshape(batch, -1, 4 * height, 4 * width)


def _upscaled(layer: nn.ConvTranspose2d, x: Tensor) -> Tensor:
    """A 2 x 2 transposed convolution of stride 2 in token layout: (..., C) to (..., 2, 2, D)."""
    weight = layer.weight.permute(2, 3, 1, 0)
    flat = linear(x, weight.reshape(-1, x.shape[-1]), layer.bias.repeat(weight.shape[0] * weight.shape[1]))
    return flat.unflatten(-1, weight.shape[:3])
