"""MobileSAM's image encoder: the 5-million-parameter TinyViT (Wu et al., TinyViT, ECCV 2022) with SAM's neck.

Module names are those of the released ``mobile_sam.pt``, so that its 439 tensors load key by key. It differs from a
classifying TinyViT in its last patch merging, which does not reduce the resolution: the embedding has 1/16 of the image's.
"""

import torch
from segment_anything.modeling.common import LayerNorm2d
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["TinyViT"]

_WIDTHS = (64, 128, 160, 320)
_DEPTHS = (2, 2, 6, 2)
_HEADS = (2, 4, 5, 10)
_WINDOWS = (7, 7, 14, 7)
_EXPANSION = 4
_UNUSED_CLASSES = 1000


class ConvNorm(nn.Sequential):
    """A convolution without bias, then batch normalisation."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.add_module("c", convolution)
        self.add_module("bn", nn.BatchNorm2d(outputs))


class PatchEmbedding(nn.Module):
    """Two strided convolutions: (B, 3, S, S) to (B, 64, S/4, S/4)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.seq = nn.Sequential(ConvNorm(3, width // 2, 3, 2), nn.GELU(), ConvNorm(width // 2, width, 3, 2))

    def forward(self, x: Tensor) -> Tensor:
        """Embed (B, 3, S, S)."""
        return self.seq(x)


class InvertedBottleneck(nn.Module):
    """The mobile convolution block of the first stage."""

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = width * _EXPANSION
        self.conv1 = ConvNorm(width, inner)
        self.conv2 = ConvNorm(inner, inner, 3, groups=inner)
        self.conv3 = ConvNorm(inner, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        return functional.gelu(x + self.conv3(functional.gelu(self.conv2(functional.gelu(self.conv1(x))))))


class PatchMerging(nn.Module):
    """The transition between stages: (B, C, H, W) to (B, D, H/stride, W/stride)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(inputs, outputs)
        self.conv2 = ConvNorm(outputs, outputs, 3, stride, groups=outputs)
        self.conv3 = ConvNorm(outputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Merge patches."""
        return self.conv3(functional.gelu(self.conv2(functional.gelu(self.conv1(x)))))


class WindowAttention(nn.Module):
    """Attention within a window, biased by the absolute offsets of the tokens."""

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.attention_biases = nn.Parameter(torch.zeros(heads, window * window))

    def forward(self, x: Tensor) -> Tensor:
        """(windows, tokens, C) to the same shape."""
        count, length, width = x.shape
        qkv = self.qkv(self.norm(x)).view(count, length, self.heads, 3, width // self.heads)
        q, k, v = qkv.permute(3, 0, 2, 1, 4).unbind(0)
        out = functional.scaled_dot_product_attention(q, k, v, attn_mask=self._bias())
        return self.proj(out.transpose(1, 2).reshape(count, length, width))

    def _bias(self) -> Tensor:
        """(heads, tokens, tokens), looked up by |dy| * window + |dx|."""
        steps = torch.arange(self.window, device=self.attention_biases.device)
        apart = (steps[:, None] - steps[None, :]).abs()
        index = apart[:, None, :, None] * self.window + apart[None, :, None, :]
        return self.attention_biases[:, index.reshape(self.window**2, self.window**2)]


class Mlp(nn.Module):
    """Normalisation and a two-layer perceptron."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, width * _EXPANSION)
        self.fc2 = nn.Linear(width * _EXPANSION, width)

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) to the same shape."""
        return self.fc2(functional.gelu(self.fc1(self.norm(x))))


class TransformerBlock(nn.Module):
    """Window attention, a depthwise convolution, a perceptron."""

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.attn = WindowAttention(width, heads, window)
        self.local_conv = ConvNorm(width, width, 3, groups=width)
        self.mlp = Mlp(width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        x = x + self._attend(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        tokens = self.local_conv(x).permute(0, 2, 3, 1)
        return (tokens + self.mlp(tokens)).permute(0, 3, 1, 2)

    def _attend(self, x: Tensor) -> Tensor:
        """Attention over (B, H, W, C), zero-padded to whole windows before the attention's normalisation."""
        batch, height, width, channels = x.shape
        side = self.window
        rows, columns = -(-height // side), -(-width // side)
        x = functional.pad(x, (0, 0, 0, columns * side - width, 0, rows * side - height))
        x = x.view(batch, rows, side, columns, side, channels).transpose(2, 3).reshape(-1, side * side, channels)
        x = self.attn(x).view(batch, rows, columns, side, side, channels).transpose(2, 3)
        return x.reshape(batch, rows * side, columns * side, channels)[:, :height, :width]


class Stage(nn.Module):
    """Blocks of one width, then the transition to the next stage, if there is one."""

    def __init__(self, index: int) -> None:
        super().__init__()
        width = _WIDTHS[index]
        blocks: list[nn.Module] = [
            TransformerBlock(width, _HEADS[index], _WINDOWS[index]) if index else InvertedBottleneck(width)
            for _ in range(_DEPTHS[index])
        ]
        self.blocks = nn.ModuleList(blocks)
        last = index == len(_WIDTHS) - 1
        self.downsample = None if last else PatchMerging(width, _WIDTHS[index + 1], stride=1 if index == 2 else 2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the next stage's input."""
        for block in self.blocks:
            x = block(x)
        return x if self.downsample is None else self.downsample(x)


class TinyViT(nn.Module):
    """The encoder.

    Attributes:
        img_size: S, the side of the square input in pixels.
    """

    def __init__(self, img_size: int = 1024, out_chans: int = 256) -> None:
        super().__init__()
        self.img_size = img_size
        self.patch_embed = PatchEmbedding(_WIDTHS[0])
        self.layers = nn.ModuleList(Stage(index) for index in range(len(_WIDTHS)))
        self.norm_head = nn.LayerNorm(_WIDTHS[-1])  # the classifier's, in the released file but unused here
        self.head = nn.Linear(_WIDTHS[-1], _UNUSED_CLASSES)
        self.neck = nn.Sequential(
            nn.Conv2d(_WIDTHS[-1], out_chans, 1, bias=False),
            LayerNorm2d(out_chans),
            nn.Conv2d(out_chans, out_chans, 3, padding=1, bias=False),
            LayerNorm2d(out_chans),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Encode float (B, 3, S, S), normalised and padded, to float (B, 256, S/16, S/16)."""
        x = self.patch_embed(x.contiguous(memory_format=torch.channels_last))
        for stage in self.layers:
            x = stage(x)
        return self.neck(x).contiguous()
