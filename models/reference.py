"""What of a reference picture counts, and how networks that see squares get to see it."""

import torch
import torch.nn.functional as F

from .image import repeat_batch, resize, rgb


def read_reference(reference, mask=None):
    """Pictures (B, H, W, 3) and where they count (B, H, W), 0..1; the longer batch of the two decides B.

    A mask that is all 0 counts as none: LoadImage gives that for a picture without transparency.
    """
    reference = rgb(reference)
    if mask is None or not mask.any():
        return reference, reference.new_ones(reference.shape[:3])
    mask = resize(mask.nan_to_num(0)[..., None].to(reference), *reference.shape[1:3])[..., 0].clamp(0, 1)
    batch = max(len(reference), len(mask))
    return repeat_batch(reference, batch), repeat_batch(mask, batch)


def on_white(picture, mask):
    """A picture (B, H, W, C) with white paper where its mask (B, H, W, 1) is 0."""
    return picture * mask + (1 - mask)


def widen(picture, scale):
    """A picture (B, H, W, C) in the middle of one of the same height and scale times its width, with white margins."""
    width = picture.shape[2]
    more = int(width * scale) - width
    return F.pad(picture, (0, 0, more // 2, more - more // 2), value=1.0)


def squash(image, side):
    """IMAGE (B, H, W, C) as (B, C, side, side), proportions lost; values overshoot 0..1 a little.

    ColorizeDiffusion's way. What torch makes of align_corners together with antialias is what the models learned from.
    """
    return F.interpolate(image.movedim(-1, 1).float(), (side, side), mode="bicubic", align_corners=True, antialias=True)


def without_figures(reference, figures, threshold):
    """A reference, white = 1, white wherever the soft mask of its figures, of the same size, is not below."""
    return torch.where(figures < threshold, reference, torch.ones_like(reference))


def ground_of(reference, figures, threshold):
    """The reference (B, H, W, C) without its figures, by their soft mask (B, h, w) of any size."""
    figures = resize(figures[..., None].to(reference), *reference.shape[1:3])
    batch = max(len(reference), len(figures))
    return without_figures(repeat_batch(rgb(reference), batch), repeat_batch(figures, batch), threshold)


def stretch(planes, height, width):
    """Planes (B, C, h, w) at another size and proportion as the published encoders take them: sharp, overshooting."""
    return F.interpolate(planes, (height, width), mode="bicubic")
