"""The sketch encoder of ColorizeDiffusion XL: maps of the drawing that the UNet adds to its own.

ColorizeDiffusion XL, arXiv 2603.05971. The module names are the files' keys, behind `control_encoder.`.
"""

from itertools import accumulate, pairwise

import torch
import torch.nn as nn
import torch.nn.functional as F
from einops import rearrange

from ..colorizediffusion.network import Attention
from ..layers import Layers

STEM = (16, 16, 32, 32, 96, 96, 256)  # channels of its convolutions but the last
STRIDES = (1, 1, 2, 1, 2, 1, 2, 1)
HEAD = 128  # channels per head of the published files; shapes do not tell it
PERIOD = 10000


class SketchEncoder(nn.Module):
    """Drawing (B, 3, H, W), 1 = ink, -1 = paper -> four maps, at 1/8, 1/16, 1/32 and 1/32 of its size.

    widths     channels of the maps
    head       channels per attention head
    attention  (q, k, v), each (B, heads, tokens, width) -> the same, at the usual scale 1 / sqrt(width)
    """

    def __init__(
        self,
        widths=(320, 320, 640, 1280),
        head=HEAD,
        dtype=None,
        device=None,
        operations=nn,
        attention=F.scaled_dot_product_attention,
    ):
        super().__init__()
        layers = Layers(operations, dtype, device)
        channels, inner = (3, *STEM, widths[0]), widths[-1]
        steps = []
        for (before, after), stride in zip(pairwise(channels), STRIDES, strict=True):
            steps += [layers.Conv2d(before, after, 3, stride=stride, padding=1), nn.SiLU()]
        self.model = nn.Sequential(*steps[:-1])
        self.downsample_layers = nn.ModuleList(
            nn.Sequential(nn.SiLU(), layers.Conv2d(before, after, 3, stride=stride, padding=1))
            for (before, after), stride in zip(pairwise(widths), (2, 2, 1), strict=True)
        )
        self.proj_ins = nn.ModuleList(layers.Conv2d(width, inner, 1) for width in (*widths, inner))
        self.attn_layer = CoarseToFineAttention(layers, inner, head, attention)
        self.proj_outs = nn.ModuleList(layers.Conv2d(inner, width, 1) for width in widths)

    def forward(self, sketch, true_rotation=False):
        """true_rotation  as the weights were trained; False is how the published application runs them (`turns`)"""
        maps = [self.model(sketch)]
        for layer in self.downsample_layers:
            maps.append(layer(maps[-1]))
        maps.append(maps[-1].mean((2, 3), keepdim=True))
        *maps, whole = [project(x) for project, x in zip(self.proj_ins, maps, strict=True)]
        maps = self.attn_layer(whole, maps[::-1], true_rotation)[::-1]
        return [project(x) for project, x in zip(self.proj_outs, maps, strict=True)]


class CoarseToFineAttention(Attention):
    """Every map attends to itself and to all coarser ones; added to its input, without a norm around it.

    The mean of the coarsest map is one more token beside it, which knows no place.
    """

    def __init__(self, layers, width, head, attention):
        super().__init__(layers, width, attention, head)
        self.q_norm = layers.RMSNorm(width, eps=1e-6)
        self.k_norm = layers.RMSNorm(width, eps=1e-6)

    def forward(self, whole, maps, true_rotation):
        """whole (B, C, 1, 1) and maps [(B, C, h, w)], coarsest first -> maps of the same sizes."""
        x = torch.cat([rearrange(level, "b c h w -> b (h w) c") for level in (whole, *maps)], 1)
        width = x.shape[-1] // self.heads
        tables = torch.cat([turns(*level.shape[2:], width, true_rotation) for level in maps], 1).to(x)
        q, k = turn(self.split(self.q_norm(self.to_q(x))), tables), turn(self.split(self.k_norm(self.to_k(x))), tables)
        v = self.split(self.to_v(x))
        first, *sizes = [level.shape[2] * level.shape[3] for level in maps]
        ends = [0, *accumulate(sizes, initial=1 + first)]
        out = [self.attention(q[:, :, start:end], k[:, :, :end], v[:, :, :end]) for start, end in pairwise(ends)]
        x = x + self.to_out(rearrange(torch.cat(out, 2), "b heads n c -> b n (heads c)"))
        tokens = x[:, 1:].split([first, *sizes], 1)
        return [
            rearrange(level, "b (h w) c -> b c h w", h=size.shape[2]) for level, size in zip(tokens, maps, strict=True)
        ]


def turns(height, width, channels, true_rotation):
    """Cosine and sine (2, h w, channels / 2) of how far each pair of channels turns at each place of a map.

    The first half of the pairs turns with the row, the other with the column. The published application loses the
    imaginary part of its table and keeps the cosine in half precision: its pairs shrink and do not turn. Weights were
    trained with the rotation; the published pictures were made without.
    """
    period = PERIOD ** (torch.arange(channels // 4) / (channels // 4))
    rows, columns = (torch.arange(size)[:, None] / period for size in (height, width))
    angle = torch.cat([rows[:, None].expand(-1, width, -1), columns.expand(height, -1, -1)], -1).flatten(0, 1)
    if true_rotation:
        return torch.stack([angle.cos(), angle.sin()])
    return torch.stack([angle.cos().half().float(), torch.zeros_like(angle)])


def turn(x, tables):
    """Turns pairs of neighbouring channels of x (B, heads, 1 + tokens, C); its first token stays."""
    still, moving = x[:, :, :1], x[:, :, 1:]
    (cosine, sine), (a, b) = tables, moving.unflatten(-1, (-1, 2)).unbind(-1)
    turned = torch.stack([a * cosine - b * sine, a * sine + b * cosine], -1).flatten(-2)
    return torch.cat([still, turned], 2)
