"""ColorizeDiffusion v1, v1.5 and v2: what they add to a latent diffusion UNet. Module names are the checkpoint's keys.

D. Yan et al.: "ColorizeDiffusion: Adjustable Sketch Colorization with Reference Image and Text" (arXiv 2401.01456,
WACV 2025), "Image Referenced Sketch Colorization Based on Animation Creation Workflow" (arXiv 2502.19937, CVPR 2025:
v1.5) and arXiv 2504.06895 (v2).
"""

import math
from itertools import pairwise

import torch
import torch.nn as nn
import torch.nn.functional as F
from einops import rearrange

from ..layers import Layers

HINT_BLOCKS = (0, 3, 6, 9, 11)  # input blocks of the UNet, to whose output the hints are added
HINT_RATIOS = (1, 2, 4, 8, 8)  # of the latent's sides to the hints'
MULTIPLES = (1, 2, 4, 4)  # of the model's channels, by level
HEAD = 64  # width of the heads of what is added
SINUSOID = 256  # width of a number's sinusoidal embedding


class SketchEncoder(nn.Module):
    """Sketch (B, 3, H, W), -1 = paper, 1 = ink -> hints at 1/8, 1/16, 1/32, 1/64 and 1/64 of its sides."""

    def __init__(self, channels, dtype=None, device=None, operations=nn):
        super().__init__()
        layers = Layers(operations, dtype, device)
        widths = [3, 16, 16, 32, 32, 96, 96, 256, channels]
        stem = []
        for index, (before, width) in enumerate(pairwise(widths)):
            stride = 2 if index in (2, 4, 6) else 1
            stem += [layers.Conv2d(before, width, 3, stride=stride, padding=1), nn.SiLU()]
        self.model = nn.Sequential(*stem[:-1])
        self.zero_layer = nn.Sequential(layers.Conv2d(channels, channels, 1))
        self.output_blocks, self.zero_blocks = nn.ModuleList(), nn.ModuleList()
        before = channels
        for multiple, stride in zip(MULTIPLES, (2, 2, 2, 1), strict=True):
            width = multiple * channels
            down = layers.Conv2d(before, width, 3, stride=stride, padding=1)
            self.output_blocks.append(
                nn.Sequential(nn.SiLU(), down, nn.SiLU(), layers.Conv2d(width, width, 3, padding=1))
            )
            self.zero_blocks.append(nn.Sequential(layers.Conv2d(width, width, 1)))
            before = width

    def forward(self, sketch):
        x = self.model(sketch)
        hints = [self.zero_layer(x)]
        for block, zero in zip(self.output_blocks, self.zero_blocks, strict=True):
            x = block(x)
            hints.append(zero(x))
        return hints


class Attention(nn.Module):
    """Cross-attention of (B, n, C) to (B, m, C); `attention` as everywhere: (B, heads, n, width) in and out."""

    def __init__(self, layers, width, attention, head=HEAD):
        super().__init__()
        self.heads = max(1, width // head)
        self.attention = attention
        self.to_q, self.to_k, self.to_v = (layers.Linear(width, width, bias=False) for _ in range(3))
        self.to_out = nn.Sequential(layers.Linear(width, width))

    def forward(self, x, context):
        q, k, v = (self.split(tokens) for tokens in (self.to_q(x), self.to_k(context), self.to_v(context)))
        return self.to_out(rearrange(self.attention(q, k, v), "b heads n c -> b n (heads c)"))

    def split(self, x):
        return rearrange(x, "b n (heads c) -> b heads n c", heads=self.heads)


def feed_forward(layers, width):
    return nn.Sequential(layers.Linear(width, 4 * width), nn.SiLU(), layers.Linear(4 * width, width))


class ClusterTransformer(nn.Module):
    """v1.5: background tokens (B, n, C) -> as many learned queries (B, m, C) after they have read them."""

    def __init__(self, width, tokens, depth, dtype=None, device=None, operations=nn, attention=None):
        super().__init__()
        layers = Layers(operations, dtype, device)
        self.embedding = nn.Parameter(torch.empty(tokens, width, dtype=dtype, device=device))
        self.layers = nn.ModuleList(
            nn.ModuleList(
                [
                    layers.LayerNorm(width),
                    layers.LayerNorm(width),
                    Attention(layers, width, attention or F.scaled_dot_product_attention),
                    feed_forward(layers, width),
                ]
            )
            for _ in range(depth)
        )

    def forward(self, tokens):
        x = self.embedding.to(tokens).expand(len(tokens), -1, -1)
        for norm1, norm2, attend, feed in self.layers:
            x = x + attend(norm1(x), tokens)
            x = x + feed(norm2(x))
        return x


class ThresholdEmbedder(nn.Module):
    """v1.5: a threshold 0..1 -> (1, 1, C), added to every token that was found by it."""

    def __init__(self, width, dtype=None, device=None, operations=nn):
        super().__init__()
        layers = Layers(operations, dtype, device)
        self.embed_layer = nn.Sequential(layers.Linear(SINUSOID, width), nn.SiLU(), layers.Linear(width, width))

    def forward(self, threshold, like):
        return self.embed_layer(sinusoid(torch.tensor([threshold])).to(like))[:, None]


class Warp(nn.Module):
    """v2: a skip map (B, C, h, w) reads the background encoder's tokens (B, m, C) of its level."""

    def __init__(self, layers, width, attention):
        super().__init__()
        self.attn = Attention(layers, width, attention)
        self.ff = feed_forward(layers, width)
        self.norm1, self.norm2 = layers.LayerNorm(width), layers.LayerNorm(width)

    def forward(self, skip, tokens):
        x = skip.flatten(2).mT
        x = x + self.attn(self.norm1(x), tokens)
        x = x + self.ff(self.norm2(x))
        return x.mT.reshape(skip.shape)


class Modulation(nn.ModuleList):
    """v2: scales and shifts a map (B, C, h, w) by a style vector (B, 2C) and the time vector."""

    def __init__(self, layers, width, time):
        super().__init__(
            [layers.LayerNorm(2 * width), layers.Linear(time, 2 * width), layers.Linear(2 * width, 2 * width)]
        )

    def forward(self, x, time, style):
        norm, embed, out = self
        scale, shift = out(norm(style + embed(time)))[..., None, None].chunk(2, dim=1)
        return x * (1 + scale) + shift


def skip_widths(channels):
    """Channels of the skip that each output block takes: those of the input blocks, from the last."""
    widths = [channels]
    for level, multiple in enumerate(MULTIPLES):
        widths += [multiple * channels] * (2 if level == len(MULTIPLES) - 1 else 3)
    return widths[::-1]


def output_widths(channels):
    """Channels that each output block gives."""
    return [multiple * channels for multiple in reversed(MULTIPLES) for _ in range(3)]


def sinusoid(numbers, channels=SINUSOID):
    """(B,) -> (B, channels): cosines, then sines, of frequencies from 1 down to 1/10000."""
    half = channels // 2
    frequencies = torch.exp(-math.log(10000) * torch.arange(half) / half)
    angle = numbers[:, None].float() * frequencies.to(numbers.device)
    return torch.cat([angle.cos(), angle.sin()], dim=-1)


def size_embedding(picture_size, size):
    """v2: how large a picture (height, width) is against the drawing -> (1, 512).

    A picture smaller than the drawing counts as that much larger, as in training.
    """
    (a, b), (height, width) = picture_size, size
    if a < height or b < width:
        larger = a + max(height, width)
        a, b = larger, b / a * larger
    return sinusoid(torch.tensor([a / height, b / width])).reshape(1, -1)
