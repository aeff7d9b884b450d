"""Scans and photographs of drawings: even white paper, and pencils of other colours apart."""

import torch
import torch.nn.functional as F

from ..image import luma
from .blur import gaussian

SMALL = 384  # px, longer side at which the paper is looked for
REACH = 1 / 16  # of that side: what is dark for twice that width is no ink but a dark paper
WHITE = 0.94  # of the paper's brightness counts as white: its grain goes
DARKEST = 0.005  # share of the pixels that become black, if they are ink at all
INKLESS = 0.5  # paper is lighter than this beside itself, so that a blank page stays white


def even_paper(image):
    """RGB (B, H, W, 3) in 0..1 -> the same divided by its paper, whose shade, tint and grain so become white.

    Ink comes to black by each picture's darkest pixels.
    """
    planes = image.movedim(-1, 1)
    height, width = planes.shape[-2:]
    scale = min(1.0, SMALL / max(height, width))
    small = F.adaptive_max_pool2d(planes, [max(1, round(side * scale)) for side in (height, width)])
    reach = max(1, round(max(small.shape[-2:]) * REACH))
    paper = -_largest(-_largest(small, reach), reach)  # ink is narrower than the window, shades are not
    paper = gaussian(paper.flatten(0, 1), reach / 3).unflatten(0, paper.shape[:2])
    paper = F.interpolate(paper, (height, width), mode="bilinear")
    even = (planes / paper.clamp(min=1e-3)).movedim(1, -1).clamp(0, 1)
    tones = luma(even).flatten(1)
    rank = max(1, int(DARKEST * tones.shape[1]))
    black = tones.kthvalue(rank, 1).values.clamp(max=INKLESS)[:, None, None, None]
    return ((even - black) / (WHITE - black)).clamp(0, 1)


def split_pencils(image):
    """RGB (B, H, W, 3) on white -> (lines (B, H, W), 0 = ink, without coloured pencil, blue, red (B, H, W), 1 = there).

    A coloured pencil leaves one channel as light as the paper, black ink none.
    """
    red, green, blue = image.unbind(-1)
    return image.amax(-1), (blue - red).clamp(min=0), (red - torch.maximum(green, blue)).clamp(min=0)


def _largest(planes, reach):
    """The largest value within `reach` px, along rows and along columns."""
    for size in ((2 * reach + 1, 1), (1, 2 * reach + 1)):
        planes = F.max_pool2d(planes, size, stride=1, padding=[side // 2 for side in size])
    return planes
