"""ISNet: where the subject of a picture is, or in a line drawing the inside of its figures.

X. Qin et al., "Highly Accurate Dichotomous Image Segmentation", ECCV 2022, with the weights of anime segmentation
(isnetis) and of sketches (sketch-segment). A U-Net of U-Nets; the module names are the files' keys.
"""

import torch
import torch.nn as nn
import torch.nn.functional as F

from ..layers import Layers

STAGES = {"stage1": 7, "stage2": 6, "stage3": 5, "stage4": 4, "stage5": 0, "stage6": 0}  # units down; 0 = flat
FLAT = 4  # units of a stage without halvings: dilations 1, 2, 4, 8
SIDE = 1024  # px, of the square the network was trained on


class ISNet(nn.Module):
    """RGB (B, 3, H, W) -> mask (B, 1, H, W) in 0..1, 1 = subject.

    widths  {stage: (units, outside)}: channels inside and at the end of stage1..6 and stage5d..1d
    """

    dtypes = torch.float16, torch.bfloat16, torch.float32
    bytes_per_pixel = 704  # in use at a time, fp32
    layout = torch.channels_last  # the faster one for its maps

    def __init__(self, widths=None, dtype=None, device=None, operations=nn):
        super().__init__()
        self.dtype = dtype
        layers = Layers(operations, dtype, device)
        widths = widths or PUBLISHED
        first = widths["conv_in"]
        self.conv_in = layers.Conv2d(3, first, 3, stride=2, padding=1)
        before = first
        for stage, depth in STAGES.items():
            middle, after = widths[stage]
            self.add_module(stage, ResidualUNet(layers, before, middle, after, depth))
            before = after
        for stage in list(STAGES)[-2::-1]:
            middle, after = widths[stage + "d"]
            joined = before + widths[stage][1]
            self.add_module(stage + "d", ResidualUNet(layers, joined, middle, after, STAGES[stage]))
            before = after
        outside = [widths[f"stage{number}d"][1] for number in range(1, 6)] + [widths["stage6"][1]]
        for number, width in enumerate(outside, 1):  # 2 to 6 only served the training
            self.add_module(f"side{number}", layers.Conv2d(width, 1, 3, padding=1))

    def forward(self, x):
        size = x.shape[-2:]
        x = self.conv_in(x)
        maps = []
        for stage in STAGES:
            x = self.get_submodule(stage)(halve(x) if maps else x)
            maps.append(x)
        maps.pop()
        for stage in list(STAGES)[-2::-1]:
            skip = maps.pop()
            x = self.get_submodule(stage + "d")(torch.cat([enlarge(x, skip.shape[-2:]), skip], 1))
        return enlarge(self.side1(x), size).sigmoid()


class ResidualUNet(nn.Module):
    """A small U-Net whose input, once convolved, is added to its output ("RSU").

    depth  units on the way down, each but the last in front of a halving; 0 for four units that dilate instead
    """

    def __init__(self, layers, before, middle, after, depth):
        super().__init__()
        self.flat = not depth
        self.depth = depth = depth or FLAT
        dilations = [2**i if self.flat else 1 for i in range(depth)]
        if not self.flat:
            dilations[-1] = 2
        self.rebnconvin = Unit(layers, before, after)
        for number, dilation in enumerate(dilations, 1):
            self.add_module(f"rebnconv{number}", Unit(layers, after if number == 1 else middle, middle, dilation))
        for number in range(depth - 1, 0, -1):
            dilation = dilations[number - 1] if self.flat else 1
            up = Unit(layers, 2 * middle, after if number == 1 else middle, dilation)
            self.add_module(f"rebnconv{number}d", up)

    def forward(self, x):
        x = whole = self.rebnconvin(x)
        maps = []
        for number in range(1, self.depth + 1):
            if not self.flat and 1 < number < self.depth:
                x = halve(x)
            x = self.get_submodule(f"rebnconv{number}")(x)
            maps.append(x)
        maps.pop()
        for number in range(self.depth - 1, 0, -1):
            skip = maps.pop()
            x = self.get_submodule(f"rebnconv{number}d")(torch.cat([enlarge(x, skip.shape[-2:]), skip], 1))
        return x + whole


class Unit(nn.Module):
    def __init__(self, layers, before, width, dilation=1):
        super().__init__()
        self.conv_s1 = layers.Conv2d(before, width, 3, padding=dilation, dilation=dilation)
        self.bn_s1 = layers.BatchNorm2d(width)

    def forward(self, x):
        return F.relu_(self.bn_s1(self.conv_s1(x)))


PUBLISHED = {
    "conv_in": 64,
    "stage1": (32, 64),
    "stage2": (32, 128),
    "stage3": (64, 256),
    "stage4": (128, 512),
    "stage5": (256, 512),
    "stage6": (256, 512),
    "stage5d": (256, 512),
    "stage4d": (128, 256),
    "stage3d": (64, 128),
    "stage2d": (32, 64),
    "stage1d": (16, 64),
}


def halve(x):
    return F.max_pool2d(x, 2, ceil_mode=True)


def enlarge(x, size):
    return x if x.shape[-2:] == size else F.interpolate(x, size, mode="bilinear")


def config(state_dict):
    """Arguments of the `ISNet` whose file this is, or None."""
    found = {}
    for stage in PUBLISHED:
        keys = [f"{stage}.rebnconv{unit}.conv_s1.weight" for unit in ("1", "in")]
        keys = ["conv_in.weight"] if stage == "conv_in" else keys
        if any(key not in state_dict for key in (*keys, "side1.weight")):
            return None
        channels = tuple(state_dict[key].shape[0] for key in keys)
        found[stage] = channels[0] if stage == "conv_in" else channels
    return {"widths": found}


def subject(network, image, side=SIDE, reach=0):
    """RGB (B, H, W, 3) in 0..1 of any size -> mask (B, H, W) in 0..1 of its subject.

    side   working size; the picture lies centred on a square of it
    reach  px by which the mask grows in all directions
    As published the network sees the colours inverted, and white around the picture.
    """
    height, width = image.shape[1:3]
    scale = side / max(height, width)
    inside = [int(length * scale) for length in (height, width)]
    picture = image.movedim(-1, 1) * 2 - 1
    small = F.interpolate(picture, scale_factor=scale, mode="bicubic")
    top, left = ((side - length) // 2 for length in inside)
    canvas = picture.new_full((len(picture), 3, side, side), -1.0)
    canvas[..., top : top + inside[0], left : left + inside[1]] = small
    mask = network(1 - (canvas + 1) / 2)[..., top : top + inside[0], left : left + inside[1]]
    return grown(back(mask, (height, width)), reach)


def figures(network, image, side=SIDE, reach=0):
    """A line drawing, RGB (B, H, W, 3) in 0..1, black on white -> mask (B, H, W) of the inside of its figures.

    For the weights of sketches: the picture is stretched to a square, colours are not inverted.
    """
    picture = F.interpolate(image.movedim(-1, 1) * 2 - 1, (side, side), mode="bicubic")
    return grown(back(network(picture), image.shape[1:3]), reach)


def back(mask, size):
    return F.interpolate(mask, size, mode="bicubic").clamp(0, 1)


def grown(mask, reach):
    return F.max_pool2d(mask, 2 * reach + 1, stride=1, padding=reach)[:, 0]
