"""What reference colorization is measured against. Drawings (B, 1, H, W), references (B, 3, H, W), all 0..1."""

import importlib.util
from functools import cache

import numpy as np
import torch

from ..models.line.blur import gaussian
from ..models.scft.network import Generator
from . import colorizers


def mean_colour(line, reference):
    """The reference's mean everywhere, under the ink."""
    return reference.mean((2, 3), keepdim=True) * line


def laid_under(line, reference):
    """The reference itself under the ink, as it lies."""
    return reference * line


def histogram_transfer(line, reference, softness=6.0):
    """The drawing, blurred to shades by `softness` px, with the reference's histogram in each channel; under the ink.

    A drawing has two grey levels and no order among its paper's pixels. Blurred, busy places are dark and empty ones
    light, as in many pictures, and every shade has colours of its own.
    """
    from skimage.exposure import match_histograms

    pictures = []
    for shade, given in zip(gaussian(line[:, 0], softness), reference, strict=True):
        shades = np.repeat(shade.numpy()[..., None], 3, axis=-1)
        matched = match_histograms(shades, given.movedim(0, -1).numpy(), channel_axis=-1)
        pictures.append(torch.from_numpy(matched).to(line).movedim(-1, 0))
    return torch.stack(pictures) * line


def scft_untrained(line, reference):
    """SCFT at the published widths with the weights that it starts its training from."""
    return colorizers.run(colorizers.scft, _random_scft(), "cpu", line, reference)


@cache
def _random_scft():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Generator(places=True).eval()


def baselines():
    """By name, and a sentence about each that cannot be had."""
    found = {"mean colour × line": mean_colour, "reference × line": laid_under, "SCFT, untrained": scft_untrained}
    if importlib.util.find_spec("skimage") is None:
        return found, ["Histogram transfer is left out: the package scikit-image is not installed."]
    return {**found, "histogram transfer × line": histogram_transfer}, []
