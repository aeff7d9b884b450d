"""The U-Net of the colorizers that ship, and the preconditioning it is trained with.

Karras et al. 2022 ("EDM", table 1): the network returns F, and with sigma_data 0.5 the picture is c_skip x + c_out F.
The host's ModelType.EDM does that arithmetic.
"""

import math
from itertools import pairwise

import torch
import torch.nn as nn
import torch.nn.functional as F
from einops import rearrange

from .layers import Layers, pad_to_multiple

SIGMA_DATA, SIGMA_MIN, SIGMA_MAX = 0.5, 0.01, 80.0  # of the preconditioning, and of training


def sizes(state_dict):
    """Widths and detail of a `UNet` with these weights, or None if they are no UNet's."""
    if "stem.weight" not in state_dict or "head.3.weight" not in state_dict:
        return None
    widths = [state_dict["stem.weight"].shape[0]]
    while f"down.{len(widths) - 1}.weight" in state_dict:
        widths.append(state_dict[f"down.{len(widths) - 1}.weight"].shape[0])
    return {"widths": tuple(widths), "detail": state_dict["head.1.weight"].shape[0]}


class UNet(nn.Module):
    """F of a noisy picture (B, 3, H, W) of any size, given its noise level and planes of guidance.

    guidance  number of planes that the network reads beside the picture
    widths    channels at 1/2, 1/4, ... of the picture's size
    detail    channels of the head, the only part at full size
    hint      channels of a map that is added at 1/4, 0 without
    """

    def __init__(self, guidance, widths, detail, hint=0, dtype=None, device=None, operations=nn):
        super().__init__()
        self.dtype = dtype
        layers = Layers(operations, dtype, device)
        first, *_, deepest = widths
        self.multiple = 2 ** len(widths)
        time = 4 * first
        inputs = 3 + guidance

        self.time = nn.Sequential(layers.Linear(first, time), nn.SiLU(), layers.Linear(time, time), nn.SiLU())
        self.stem = layers.Conv2d(4 * inputs, first, 3, padding=1)
        self.enter = nn.ModuleList(ResBlock(layers, width, width, time) for width in widths)
        self.down = nn.ModuleList(layers.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairwise(widths))
        if hint:
            self.hint = layers.Conv2d(hint, widths[1], 1)
        self.attention = Attention(layers, deepest)
        self.middle = ResBlock(layers, deepest, deepest, time)
        self.up = nn.ModuleList(layers.Conv2d(b, a, 1) for a, b in pairwise(widths))
        self.leave = nn.ModuleList(ResBlock(layers, 2 * width, width, time) for width in widths)
        self.grow = layers.Conv2d(first, 4 * detail, 1)
        self.head = nn.Sequential(
            nn.SiLU(),
            layers.Conv2d(detail + inputs, detail, 3),
            nn.SiLU(),
            layers.Conv2d(detail, 3, 3),
        )

    def forward(self, x, t, guidance, hint=None):
        """x (B, 3, H, W) scaled by c_in, t (B,) = ln(sigma) / 4, guidance (B, G, H, W) -> F (B, 3, H, W).

        hint (B, C, h, w) covers the picture at any size of its own.
        """
        height, width = x.shape[-2:]
        x = x * quiet(t).to(x)
        x = pad_to_multiple(torch.cat([x, guidance], dim=1), self.multiple)
        time = self.time(fourier(t, self.stem.weight.shape[0]).to(x))

        h = self.stem(F.pixel_unshuffle(x, 2))
        skips = []
        for level, block in enumerate(self.enter):
            h = self.down[level - 1](h) if level else h
            if level == 1 and hint is not None:
                h = h + F.interpolate(self.hint(hint), h.shape[-2:], mode="bilinear")
            h = block(h, time)
            skips.append(h)
        h = self.middle(self.attention(h), time)
        for level in reversed(range(len(self.leave))):
            h = self.leave[level](torch.cat([h, skips[level]], dim=1), time)
            if level:
                h = F.interpolate(self.up[level - 1](h), scale_factor=2, mode="nearest")
        h = F.pixel_shuffle(self.grow(h), 2)
        h = F.pad(torch.cat([h, x], dim=1), (2, 2, 2, 2), mode="replicate")  # zeros would frame the picture
        return self.head(h)[..., :height, :width]


class ResBlock(nn.Module):
    """Two normalised convolutions; the noise level scales and shifts between them."""

    def __init__(self, layers, inputs, outputs, time):
        super().__init__()
        self.norm1 = layers.GroupNorm(8, inputs)
        self.conv1 = layers.Conv2d(inputs, outputs, 3, padding=1)
        self.time = layers.Linear(time, 2 * outputs)
        self.norm2 = layers.GroupNorm(8, outputs)
        self.conv2 = layers.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = layers.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x, time):
        scale, shift = self.time(time)[..., None, None].chunk(2, dim=1)
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.conv2(F.silu(self.norm2(h) * (1 + scale) + shift))
        return self.skip(x) + h


class Attention(nn.Module):
    """Self-attention over the coarsest map: regions far apart that share a colour find each other."""

    def __init__(self, layers, width, heads=4):
        super().__init__()
        self.heads = heads
        self.norm = layers.GroupNorm(8, width)
        self.qkv = layers.Conv2d(width, 3 * width, 1)
        self.out = layers.Conv2d(width, width, 1)

    def forward(self, x):
        q, k, v = rearrange(self.qkv(self.norm(x)), "b (n h c) y x -> n b h (y x) c", n=3, h=self.heads)
        h = F.scaled_dot_product_attention(q, k, v)
        return x + self.out(rearrange(h, "b h (y x) c -> b (h c) y x", y=x.shape[-2]))


def quiet(t):
    """What turns c_in x into c_skip x, (B,) -> (B, 1, 1, 1): noise fades before the network sees it, not inside it.

    A first step starts from noise alone, and none of it may show in the flat colours that it returns.
    """
    return (SIGMA_DATA**2 / ((4 * t.float()).exp() ** 2 + SIGMA_DATA**2).sqrt())[:, None, None, None]


def fourier(t, width):
    """Sines and cosines of the noise level, (B,) -> (B, width)."""
    frequency = torch.exp(torch.linspace(0, math.log(64), width // 2, device=t.device))
    angle = t.float()[:, None] * frequency
    return torch.cat([angle.sin(), angle.cos()], dim=1)
