"""Anime2Sketch: line art from anime pictures, a pix2pix U-Net that halves its picture eight times.

X. Xiang et al., "Adversarial Open Domain Adaptation for Sketch-to-Photo Synthesis", WACV 2022; netG.pth, whose
keys the module names are: every level of the U-Net lies inside the one above it.
"""

import torch
import torch.nn as nn

from ..layers import Layers
from .norm import InstanceNorm

LEVELS = 8


class Anime2Sketch(nn.Module):
    """RGB (B, 3, H, W) in -1..1 -> lines (B, 1, H, W), -1 = ink, 1 = paper; both sides multiples of 256.

    widths  channels of each level, from the outermost
    """

    multiple, smallest, overlap = 256, 256, 256
    dtypes = torch.float16, torch.bfloat16, torch.float32
    bytes_per_pixel = 532  # in use at a time, fp32
    layout = torch.contiguous_format  # the faster one for its maps

    def __init__(self, widths=(64, 128, 256, 512, 512, 512, 512, 512), dtype=None, device=None, operations=nn):
        super().__init__()
        self.dtype = dtype
        layers = Layers(operations, dtype, device)
        level = None
        for outer, inner in zip(widths[-2::-1], widths[:0:-1], strict=True):
            level = Level(layers, outer, inner, level)
        self.model = nn.Module()
        self.model.model = nn.Sequential(
            halve(layers, 3, widths[0]), level, nn.ReLU(inplace=True), double(layers, 2 * widths[0], 1), nn.Tanh()
        )

    def forward(self, x):
        return self.model.model(x)


class Level(nn.Module):
    """A map (B, outer, H, W) -> itself joined with what the levels below make of it, (B, 2 outer, H, W)."""

    def __init__(self, layers, outer, inner, below=None):
        super().__init__()
        down = [nn.LeakyReLU(0.2), halve(layers, outer, inner)]
        if below is not None:
            down += [InstanceNorm(), below]  # the smallest map may be a single pixel: it has no norm
        up = double(layers, inner if below is None else 2 * inner, outer)
        self.model = nn.Sequential(*down, nn.ReLU(inplace=True), up, InstanceNorm())

    def forward(self, x):
        return torch.cat([x, self.model(x)], 1)


def halve(layers, before, width):
    return layers.Conv2d(before, width, 4, stride=2, padding=1)


def double(layers, before, width):
    return layers.ConvTranspose2d(before, width, 4, stride=2, padding=1)


def config(state_dict):
    """Arguments of the `Anime2Sketch` whose file this is, or None."""
    keys = ["model.model.0.weight"]
    keys += ["model.model.1." + "model.3." * depth + "model.1.weight" for depth in range(LEVELS - 1)]
    if any(key not in state_dict for key in (*keys, "model.model.3.weight")):
        return None
    return {"widths": tuple(state_dict[key].shape[0] for key in keys)}


def extract(network, image):
    """RGB (B, H, W, 3) in 0..1 -> lines (B, H, W), 0 = ink. Dark, low-contrast areas show a fixed pattern."""
    return network(image.movedim(-1, 1) * 2 - 1)[:, 0].add(1).div(2).clamp(0, 1)
