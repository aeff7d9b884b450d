"""sketchKeras: line art from pictures, one colour plane at a time.

L. Zhang, lllyasviel/sketchKeras; the U-Net of its torch port, whose keys the module names are. The network
reads a high-passed plane (N, 1, H, W), at most 1, and returns ink: 0 = paper, about 1 = a full line.
"""

from functools import partial

import torch
import torch.nn as nn
import torch.nn.functional as F

from ..layers import Layers
from .blur import gaussian_8bit_fixed

NORM_EPS = 1e-3
SIGMA = 3.0  # px, of the blur that is taken off
OUTPUTS = {"plain": 0.0, "enhanced": 0.10, "pured": 0.18, "colored": 0.0}  # published names -> ink below is paper


class SketchKeras(nn.Module):
    """High-passed planes (N, 1, H, W) -> ink (N, 1, H, W); both sides multiples of 16, at least 32.

    widths  channels of the six encoder blocks
    """

    multiple, smallest, overlap = 16, 32, 48
    dtypes = torch.float16, torch.bfloat16, torch.float32
    bytes_per_pixel = 1872  # in use at a time, fp32
    layout = torch.channels_last  # the faster one for its maps

    def __init__(self, widths=(32, 64, 128, 256, 512, 512), dtype=None, device=None, operations=nn):
        super().__init__()
        self.dtype = dtype
        layers = Layers(operations, dtype, device)
        first, *inner, fifth, sixth = widths
        self.downblock_1 = nn.Sequential(*unit(layers, 1, first, 3))
        for number, (before, width) in enumerate(zip(widths, inner, strict=False), 2):
            down = *unit(layers, before, width, 4, stride=2), *unit(layers, width, width, 3)
            self.add_module(f"downblock_{number}", nn.Sequential(*down))
        self.downblock_5 = nn.Sequential(*unit(layers, inner[-1], fifth, 4, stride=2))
        self.downblock_6 = nn.Sequential(*unit(layers, fifth, sixth, 3))

        joined = [fifth + sixth, *(2 * width for width in widths[3:0:-1])]
        for number, before in enumerate(joined, 1):
            middle, after = widths[5 - number], widths[4 - number]
            up = *unit(layers, before, middle, 4, pad=(1, 2, 1, 2)), *unit(layers, middle, after, 3)
            self.add_module(f"upblock_{number}", nn.Sequential(nn.Identity(), *up))
        self.last_pad = nn.ReflectionPad2d(1)
        self.last_conv = layers.Conv2d(2 * first, 1, 3)

    def forward(self, x, upsampling="nearest"):
        """upsampling: "nearest" as the weights were trained, or "bicubic" as ColorizeDiffusion runs them."""
        skips = []
        for number in range(1, 6):
            x = self.get_submodule(f"downblock_{number}")(x)
            skips.append(x)
        x = self.downblock_6(x)
        for number in range(1, 5):
            x = torch.cat([skips.pop(), x], 1)
            x = self.get_submodule(f"upblock_{number}")(enlarge(x, upsampling))
        return self.last_conv(self.last_pad(torch.cat([skips.pop(), x], 1)))


def enlarge(x, mode):
    return F.interpolate(x, scale_factor=2, mode=mode, align_corners=None if mode == "nearest" else False)


def unit(layers, before, width, kernel, stride=1, pad=1):
    conv = layers.Conv2d(before, width, kernel, stride=stride)
    return nn.ReflectionPad2d(pad), conv, layers.BatchNorm2d(width, eps=NORM_EPS), nn.ReLU(inplace=True)


def config(state_dict):
    """Arguments of the `SketchKeras` whose file this is, or None."""
    keys = [f"downblock_{number}.1.weight" for number in range(1, 7)]
    if any(key not in state_dict for key in (*keys, "last_conv.weight")):
        return None
    return {"widths": tuple(state_dict[key].shape[0] for key in keys)}


def highpass(image):
    """RGB (B, H, W, 3) in 0..1, as 8 bits -> planes (B, 3, H, W), the largest value of each picture 1.

    The blur is OpenCV's on bytes, to the bit. A picture of one colour is 0 throughout.
    """
    levels = image.movedim(-1, 1).mul(255).round_()
    high = levels - gaussian_8bit_fixed(levels.flatten(0, 1), SIGMA).unflatten(0, levels.shape[:2])
    peak = high.amax((1, 2, 3), keepdim=True)
    return high / torch.where(peak > 0, peak, 1)


def ink(network, image):
    """RGB (B, H, W, 3) -> ink of each colour plane (B, 3, H, W), not clamped; a grey picture costs one plane."""
    planes = highpass(image)
    grey = (planes == planes[:, :1]).flatten(1).all(1)
    wanted = torch.ones(planes.shape[:2], dtype=torch.bool, device=planes.device)
    wanted[grey, 1:] = False
    found = torch.empty_like(planes)
    found[wanted] = network(planes[wanted][:, None])[:, 0].to(found)
    found[grey, 1:] = found[grey, :1]
    return found


def extract(network, image, output="enhanced", **options):
    """RGB (B, H, W, 3) -> lines (B, H, W), or with "colored" (B, H, W, 3); 0 = ink.

    network  planes (N, 1, H, W) of any size, and the options -> ink
    output   one of OUTPUTS
    """
    planes = ink(partial(network, **options), image)
    if output == "colored":
        return (1 - planes).clamp_(0, 1).movedim(1, -1)
    return paper_below(planes.amax(1), OUTPUTS[output]).neg_().add_(1).clamp_(0, 1)


def paper_below(ink, threshold):
    """Ink that is fainter than the threshold becomes paper."""
    return torch.where(ink < threshold, 0, ink)
