"""Which way round a drawing is: black ink on white paper, or light lines on a dark ground."""

import torch

from ..image import luma, rgb

DARK = 0.3  # a ground darker than this is one that lines are drawn on in white
FLAT = 0.06  # how far the tones of one ground lie apart
SAMPLES = 256  # per side; the ground is found on every nth pixel


def dark_ground(image):
    """(B,) bool: more than half of the picture is one flat dark tone, as in white-on-black line art.

    A dark painting is not: its tones vary, and its outlines are darker still.
    """
    step = [max(1, side // SAMPLES) for side in image.shape[1:3]]
    tones = luma(image[:, :: step[0], :: step[1]]).flatten(1)
    ground = tones.median(1, keepdim=True).values
    return (ground[:, 0] < DARK) & (((tones - ground).abs() < FLAT).float().mean(1) > 0.5)


def black_on_white(image, invert="auto"):
    """An IMAGE (B, H, W, 1..4) as RGB, dark lines on light ground; invert: "auto", "yes" or "no"."""
    image = rgb(image)
    if invert == "no":
        return image
    if invert == "yes":
        return 1 - image
    return torch.where(dark_ground(image)[:, None, None, None], 1 - image, image)
