"""MangaLineExtraction: structural lines of manga, without its screentones.

C. Li, X. Liu, T.-T. Wong: "Deep Extraction of Manga Structural Lines", ACM TOG 36(4), 2017; erika.pth, whose keys
the module names are. A residual U-Net with its norms in front of the convolutions.
"""

import torch
import torch.nn as nn

from ..image import luma
from ..layers import Layers

NORM_EPS = 1e-3
BLOCKS = (2, 3, 5, 7, 12, 7, 5, 3, 2, 2)  # in block0..block9
HALVES = range(1, 5)  # block1..4 end with a halving, block5..8 begin with a doubling
DOUBLES = range(5, 9)


class MangaLines(nn.Module):
    """Grey levels (B, 1, H, W), 0..255 -> lines (B, 1, H, W), about 0 = ink, 255 = paper, not clamped.

    Both sides multiples of 16.

    widths  channels of block0..block9
    """

    multiple, smallest, overlap = 16, 16, 128
    dtypes = torch.bfloat16, torch.float32  # no fp16: sums of grey levels up to 255 may overflow it
    bytes_per_pixel = 1240  # in use at a time, fp32
    layout = torch.channels_last  # the faster one for its maps

    def __init__(self, widths=(24, 48, 96, 192, 384, 192, 96, 48, 24, 16), dtype=None, device=None, operations=nn):
        super().__init__()
        self.dtype = dtype
        layers = Layers(operations, dtype, device)
        for stage, (before, width) in enumerate(zip((1, *widths), widths, strict=False)):
            self.add_module(f"block{stage}", Stage(layers, before, width, stage))
        self.conv15 = Unit(layers, widths[-1], 1, kernel=1)

    def forward(self, x):
        skips = []
        for stage in range(4):
            x = self.get_submodule(f"block{stage}")(x)
            skips.append(x)
        x = self.block4(x)
        for stage in DOUBLES:
            x = self.get_submodule(f"block{stage}")(x) + skips.pop()
        return self.conv15(self.block9(x))


class Stage(nn.Module):
    def __init__(self, layers, before, width, stage):
        super().__init__()
        blocks = [Block(layers, before, width, doubles=stage in DOUBLES)]
        blocks += [Block(layers, width, width) for _ in range(BLOCKS[stage] - 2)]
        blocks += [Block(layers, width, width, stride=2 if stage in HALVES else 1)]
        self.model = nn.Sequential(*blocks)

    def forward(self, x):
        return self.model(x)


class Block(nn.Module):
    """Two units and a shortcut, which is a convolution where the map changes size or width."""

    def __init__(self, layers, before, width, stride=1, doubles=False):
        super().__init__()
        self.conv1 = Unit(layers, before, width, stride=stride, doubles=doubles)
        self.residual = Unit(layers, width, width)
        self.shortcut = None
        if before != width or stride > 1 or doubles:
            self.shortcut = Shortcut(layers, before, width, stride, doubles)

    def forward(self, x):
        short = x if self.shortcut is None else self.shortcut(x)
        return self.residual(self.conv1(x)).add_(short)


class Unit(nn.Module):
    def __init__(self, layers, before, width, kernel=3, stride=1, doubles=False):
        super().__init__()
        norm = layers.BatchNorm2d(before, eps=NORM_EPS)
        conv = layers.Conv2d(before, width, kernel, stride=stride, padding=kernel // 2)
        self.model = nn.Sequential(norm, nn.LeakyReLU(0.2, inplace=True), conv, *double(doubles))

    def forward(self, x):
        return self.model(x)


class Shortcut(nn.Module):
    def __init__(self, layers, before, width, stride, doubles):
        super().__init__()
        self.model = nn.Sequential(layers.Conv2d(before, width, 1, stride=stride), *double(doubles))

    def forward(self, x):
        return self.model(x)


def double(wanted):
    return [nn.Upsample(scale_factor=2)] if wanted else []


def config(state_dict):
    """Arguments of the `MangaLines` whose file this is, or None."""
    keys = [f"block{stage}.model.0.conv1.model.2.weight" for stage in range(len(BLOCKS))]
    if any(key not in state_dict for key in (*keys, "conv15.model.2.weight")):
        return None
    return {"widths": tuple(state_dict[key].shape[0] for key in keys)}


def extract(network, image):
    """RGB (B, H, W, 3) in 0..1 -> lines (B, H, W), 0 = ink."""
    return network(luma(image)[:, None] * 255)[:, 0].div(255).clamp(0, 1)
