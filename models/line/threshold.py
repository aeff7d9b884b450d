"""Ink by a plain threshold, as controlnet_aux's Scribble and Binary: RGB (B, H, W, 3) to lines (B, H, W)."""

import torch

from .xdog import gray_8bit


def darkest(image, level=127):
    """Ink where the darkest of the three channels is below `level` (grey levels)."""
    return (image.amin(-1).mul(255) >= level - 1e-3).to(image)


def binary(image, level=0):
    """Ink up to `level` (grey levels) of the 8-bit grey; at 0, Otsu's level for each picture."""
    levels = (gray_8bit(image) * 255).round_()
    limits = [otsu(picture) if level == 0 else level for picture in levels]
    return (levels > levels.new_tensor(limits)[:, None, None]).to(image)


def otsu(levels):
    """The level that parts a picture (whole numbers 0..255) into the two classes farthest apart in variance.

    Otsu 1979; the lowest of several that are as good, and 0 for a picture of one tone.
    """
    share = torch.bincount(levels.flatten().long().cpu(), minlength=256).double() / levels.numel()
    moment = share * torch.arange(256)
    below, mean_below = share.cumsum(0), moment.cumsum(0)
    spread = below * (1 - below)
    between = (moment.sum() * below - mean_below).square() / spread
    between[spread < 1e-7] = 0
    return int((between == between.max()).nonzero()[0])
