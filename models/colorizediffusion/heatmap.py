"""Where a text is in a reference: its correlation with the tokens, laid over the picture. Torch only."""

import torch
import torch.nn.functional as F

from ..image import fit_inside, resize
from .manipulation import spread

LARGEST = 4096  # pixels of a side, above which the picture is reduced
STEP = 63  # of 255, between two levels
COLOURS = ((0, 0, 128), (0, 124, 255), (122, 255, 134), (255, 136, 0), (140, 0, 0))  # of the levels, OpenCV's "jet"


def heat_map(reference, tokens, text, thresholds):
    """A picture (B, H, W, 3) in 0..1 of five bands, and the correlation (B, H, W) in 0..1 that they part.

    reference  (B, H, W, 3), 0..1
    tokens     (B, n, C), n a square number
    text       (1, C)
    """
    height, width = reference.shape[1:3]
    if max(height, width) > LARGEST:
        reference = resize(reference, *fit_inside(height, width, LARGEST))
    values = correlation(tokens, text, *reference.shape[1:3])
    return overlay(reference, bands(values, thresholds), round(tokens.shape[1] ** 0.5)), values


def correlation(tokens, text, height, width):
    """Products of tokens (B, n, C) and text (1, C), n a square number, as maps (B, height, width) in 0..1."""
    side = round(tokens.shape[1] ** 0.5)
    maps = (tokens @ text.mT).reshape(-1, 1, side, side)
    maps = F.interpolate(maps, (height, width), mode="bicubic", align_corners=False)
    return spread(maps, dim=(-2, -1))[:, 0]


def bands(correlation, thresholds):
    """Levels 0, 63, 126, 189, 252 of a correlation, a step more for each threshold reached."""
    return STEP * sum((correlation >= threshold).to(torch.uint8) for threshold in thresholds)


def overlay(reference, levels, side):
    """Levels (B, H, W) as colours over the picture, with a grid of side x side tokens; 0..1, in steps of 1/255."""
    colours = torch.tensor(COLOURS, dtype=torch.float32, device=levels.device)[(levels // STEP).long()]
    picture = (0.3 * (reference * 255).round() + 0.7 * colours).round()
    height, width = levels.shape[1:3]
    picture[:, [row * (height // side) for row in range(side)]] = 0
    picture[:, :, [column * (width // side) for column in range(side)]] = 0
    return picture / 255
