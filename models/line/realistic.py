"""Realistic line art: pencil-like lines from photographs, a generator with three residual blocks.

C. Chan, F. Durand, P. Isola: "Learning to Generate Line Drawings that Convey Geometry and Semantics", CVPR 2022;
sk_model.pth (fine) and sk_model2.pth (coarse), whose keys the module names are.
"""

import torch
import torch.nn as nn

from ..layers import Layers
from .norm import InstanceNorm


class RealisticLines(nn.Module):
    """RGB (B, 3, H, W) in 0..1 -> lines (B, 1, H, W), 0 = ink, 1 = paper; both sides multiples of 4.

    The first norm removes scale, so pictures in 0..255 give the same lines.

    widths  channels at the full, half and quarter size
    blocks  residual blocks at the quarter size
    """

    multiple, smallest, overlap = 4, 16, 64
    dtypes = torch.float16, torch.bfloat16, torch.float32
    bytes_per_pixel = 844  # in use at a time, fp32
    layout = torch.contiguous_format  # the faster one for its maps

    def __init__(self, widths=(64, 128, 256), blocks=3, dtype=None, device=None, operations=nn):
        super().__init__()
        self.dtype = dtype
        layers = Layers(operations, dtype, device)
        full, half, quarter = widths
        self.model0 = nn.Sequential(nn.ReflectionPad2d(3), layers.Conv2d(3, full, 7), *finish())
        self.model1 = nn.Sequential(
            layers.Conv2d(full, half, 3, stride=2, padding=1),
            *finish(),
            layers.Conv2d(half, quarter, 3, stride=2, padding=1),
            *finish(),
        )
        self.model2 = nn.Sequential(*(Residual(layers, quarter) for _ in range(blocks)))
        self.model3 = nn.Sequential(
            layers.ConvTranspose2d(quarter, half, 3, stride=2, padding=1, output_padding=1),
            *finish(),
            layers.ConvTranspose2d(half, full, 3, stride=2, padding=1, output_padding=1),
            *finish(),
        )
        self.model4 = nn.Sequential(nn.ReflectionPad2d(3), layers.Conv2d(full, 1, 7), nn.Sigmoid())

    def forward(self, x):
        return self.model4(self.model3(self.model2(self.model1(self.model0(x)))))


class Residual(nn.Module):
    def __init__(self, layers, width):
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(1),
            layers.Conv2d(width, width, 3),
            *finish(),
            nn.ReflectionPad2d(1),
            layers.Conv2d(width, width, 3),
            InstanceNorm(),
        )

    def forward(self, x):
        return self.conv_block(x).add_(x)


def finish():
    return InstanceNorm(), nn.ReLU(inplace=True)


def config(state_dict):
    """Arguments of the `RealisticLines` whose file this is, or None."""
    keys = ["model0.1.weight", "model1.0.weight", "model1.3.weight"]
    if any(key not in state_dict for key in (*keys, "model2.0.conv_block.1.weight", "model4.1.weight")):
        return None
    blocks = {key.split(".")[1] for key in state_dict if key.startswith("model2.")}
    return {"widths": tuple(state_dict[key].shape[0] for key in keys), "blocks": len(blocks)}


def extract(network, image):
    """RGB (B, H, W, 3) in 0..1 -> lines (B, H, W), 0 = ink."""
    return network(image.movedim(-1, 1))[:, 0].clamp(0, 1)
