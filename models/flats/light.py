"""Light over flats, as one number a pixel: -1 black, 0 the flat colour, 1 white. Torch only.

Below 0 a colour is multiplied, above it is mixed with white: the shadow and the highlight layer of a paint program.
"""

import torch

from ..image import luma


def light(picture, flats):
    """The light (B, H, W) that gives flats (B, H, W, 3) the brightness of a picture (B, H, W, 3)."""
    wanted, flat = luma(picture), luma(flats)
    darker = wanted / flat.clamp(min=1e-3) - 1
    lighter = (wanted - flat) / (1 - flat).clamp(min=1e-3)
    return torch.where(wanted < flat, darker, lighter).clamp(-1, 1)


def lit(flats, light):
    """Flats (B, H, W, 3) under a light (B, H, W)."""
    light = light[..., None]
    return torch.where(light < 0, flats * (1 + light), flats + (1 - flats) * light)


def within_regions(values, weights, labels, radius):
    """The mean of values (H, W) around every pixel, taken over pixels of its own region only.

    weights (H, W) >= 0, labels (H, W); radius in pixels. Three box filters along rows and columns, each cut off where
    the label changes, come close to a Gaussian of that radius. Where nothing weighs anything the mean is 0.
    """
    sums = torch.stack([values * weights, weights]).double()
    along, down = _reach(labels, radius), _reach(labels.mT, radius)
    for _ in range(3):
        sums = _box(_box(sums, *along).mT, *down).mT
    return (sums[0] / sums[1].clamp(min=1e-6)).to(values)


def _reach(labels, radius):
    """First and one past the last pixel (H, W) in the row that are at most `radius` away and of the same label."""
    width = labels.shape[1]
    at = torch.arange(width, device=labels.device).expand_as(labels)
    changes = labels[:, 1:] != labels[:, :-1]
    first, last = torch.zeros_like(at), torch.full_like(at, width - 1)
    first[:, 1:] = torch.where(changes, at[:, 1:], 0)
    last[:, :-1] = torch.where(changes, at[:, :-1], width - 1)
    start = torch.maximum(first.cummax(1).values, at - radius)
    return start, torch.minimum(last.flip(1).cummin(1).values.flip(1), at + radius) + 1


def _box(planes, start, stop):
    """Means (C, H, W) of the pixels from start (H, W) to before stop in every row."""
    total = torch.nn.functional.pad(planes.cumsum(-1), (1, 0))
    start, stop = (index.expand(len(planes), -1, -1) for index in (start, stop))
    return (total.gather(-1, stop) - total.gather(-1, start)) / (stop - start)
