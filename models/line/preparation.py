"""How the ColorizeDiffusion applications hand a sketch to their models: -1 = paper, 1 = ink, fitted and padded.

Two applications, two habits. "sd" turns pictures into tensors and then fits them, overshoot included, and pads
with -1: a black-on-white picture under "none" gets a wrong ground. "xl" fits 8-bit pictures on white paper first
for "none" and "invert", and so pads "none" with 1.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F

from . import xdog

OPTIONS = ("none", "invert", "invert-webui", "extract")
SQUARE = {"sd": 512, "xl": 768}  # px, what a picture is squashed to for "extract"


class Box(NamedTuple):
    """Where in the sketch the picture lies, in px."""

    left: int
    top: int
    width: int
    height: int


def prepare(image, height, width, option="invert", application="sd", extract=None):
    """RGB (B, h, w, 3) in 0..1 -> the sketch (B, 1 or 3, height, width) and the `Box` of the picture in it.

    option       none: is white on black; invert: is black on white; invert-webui: standard line art of it;
                 extract: lines by `extract`, at a square of the application's size
    application  "sd" or "xl"
    extract      RGB (B, H, W, 3) -> lines (B, H, W), 0 = ink; for the option of that name
    """
    if option not in OPTIONS:
        raise ValueError(f"There is no sketch option '{option}'; there are {', '.join(OPTIONS)}.")
    box = fit(image.shape[1], image.shape[2], height, width)
    if application == "xl" and option in ("none", "invert"):
        paper = image.new_ones(len(image), 3, height, width)
        inside(paper, box)[:] = resize_8bit(image.movedim(-1, 1), box.height, box.width)
        return (2 * paper - 1) * (1 if option == "none" else -1), box
    sketch = whole(image, option, SQUARE[application], extract)
    small = F.interpolate(sketch, (box.height, box.width), mode="bicubic", antialias=True)
    ground = small.new_full((*small.shape[:2], height, width), -1.0)
    inside(ground, box)[:] = small
    return ground, box


def whole(image, option, square, extract):
    """The sketch (B, 1 or 3, ...) before it is fitted; "extract" leaves it square."""
    if option in ("none", "invert"):
        sketch = 2 * image.movedim(-1, 1) - 1
        return sketch if option == "none" else -sketch
    if option == "invert-webui":
        ink = (1 - xdog.standard(image.cpu().double())) * 255  # float64: it is stored in 8 bits, rounded down
        return 2 * (ink + 1e-9).floor()[:, None].to(image) / 255 - 1
    squashed = resize_8bit(image.movedim(-1, 1), square, square)
    return 1 - 2 * extract(squashed.movedim(1, -1))[:, None]


def fit(h, w, height, width):
    scale = min(height / h, width / w)
    box_height, box_width = max(1, int(h * scale)), max(1, int(w * scale))
    return Box((width - box_width) // 2, (height - box_height) // 2, box_width, box_height)


def inside(sketch, box):
    return sketch[..., box.top : box.top + box.height, box.left : box.left + box.width]


def resize_8bit(planes, height, width):
    """Pillow's bicubic resize: planes (..., h, w) in 0..1 to another size, rounded to 8 bits after each axis.

    On the CPU, as not every device has float64.
    """
    levels = planes.cpu().double().mul_(255).round_()
    levels = (levels @ bicubic(planes.shape[-1], width).mT + 0.5).floor_().clamp_(0, 255)
    levels = (bicubic(planes.shape[-2], height) @ levels + 0.5).floor_().clamp_(0, 255)
    return levels.div_(255).to(planes)


def bicubic(size, wanted):
    """The matrix (wanted, size) of one axis: Keys' kernel with a = -0.5, widened by the ratio where it shrinks.

    Pillow keeps the weights as multiples of 2^-22.
    """
    ratio = size / wanted
    wide = max(1.0, ratio)
    centre = (torch.arange(wanted, dtype=torch.float64)[:, None] + 0.5) * ratio
    x = ((torch.arange(size, dtype=torch.float64) + 0.5 - centre) / wide).abs()
    near, far = (1.5 * x - 2.5) * x * x + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2
    weights = torch.where(x < 1, near, torch.where(x < 2, far, 0))
    return (weights / weights.sum(1, keepdim=True) * 2**22).round() / 2**22
