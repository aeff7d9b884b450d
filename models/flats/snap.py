"""Any coloured picture made exact: one colour per region of the drawing, with the picture's light if wanted."""

from itertools import product
from typing import NamedTuple

import torch

from .colour import LIGHTNESS, counted_for, decode, encode
from .light import light, within_regions
from .palette import nearest

COARSE = 16  # 8-bit steps of the first histogram
NEIGHBOUR = torch.tensor([1 << 10, 1 << 5, 1])  # from one of its bins to the next in red, green and blue
RADII = (24, 12, 6, 3)  # 8-bit steps around the mode, narrowing
DEEPEST = -0.6  # light below this is no shadow but a line of the picture's own


class Snapped(NamedTuple):
    codes: torch.Tensor  # (n,) the colour of every region, label 1 first
    far: torch.Tensor  # (n,) CIELAB distance to the palette, 0 without one
    kept: torch.Tensor  # (n,) bool: too far from the palette, so it keeps a colour of its own
    found: torch.Tensor  # (n, 3) dominant colours in the picture


def dominant(picture, labels, weights):
    """The commonest colour in each region: (n, 3), 0..1, of a picture (H, W, 3) with labels (H, W) from 1 to n.

    weights (H, W) > 0 say how much a pixel counts. A mode, not a mean: shade, seams and blur leave it where it is.
    """
    count = int(labels.max())
    pairs, inverse = ((labels.long() - 1) << 24 | encode(picture)).flatten().unique(return_inverse=True)
    weight = weights.new_zeros(len(pairs)).index_add(0, inverse, weights.flatten())
    label, colour = pairs >> 24, decode(pairs & 0xFFFFFF) * 255  # one row for each colour of each region

    bins, inverse = (label << 15 | (colour // COARSE + 1).long() @ NEIGHBOUR.to(label)).unique(return_inverse=True)
    filling = _around(bins, weight.new_zeros(len(bins)).index_add(0, inverse, weight))
    fullest = filling.new_zeros(count).scatter_reduce(0, bins >> 15, filling, "amax")
    near = (filling == fullest[bins >> 15])[inverse]
    centre = _means(colour, weight * near, label, count)
    for radius in RADII:
        near = ((colour - centre[label]).abs() <= radius).all(dim=1)
        mean = _means(colour, weight * near, label, count)
        centre = torch.where(mean.isfinite(), mean, centre)
    return centre / 255


def _around(bins, filling):
    """What the 27 bins around each one hold together: a colour on the border of two is as common as any other."""
    steps = torch.tensor(list(product((-1, 0, 1), repeat=3)), device=bins.device) @ NEIGHBOUR.to(bins)
    total = torch.zeros_like(filling)
    for step in steps:
        at = torch.searchsorted(bins, bins + step).clamp(max=len(bins) - 1)
        total += filling[at] * (bins[at] == bins + step)
    return total


def _means(colour, weight, label, count):
    total = weight.new_zeros(count).index_add(0, label, weight)
    return colour.new_zeros(count, 3).index_add(0, label, colour * weight[:, None]) / total[:, None]


def paper(ink):
    """What a pixel's colour counts for its region (H, W): little under the ink (H, W, 0..1), never nothing."""
    return (1 - ink) ** 2 + 1e-3


def snap(picture, labels, ink, palette=(), reject=25.0, merge=4.0):
    """The exact colour of every region of one drawing.

    picture   (H, W, 3) at the drawing's size
    labels    (H, W) regions, numbered from 1
    ink       (H, W) darkness of the drawing
    palette   the only colours allowed; without one, regions share the colours found
    reject    distance in CIELAB, lightness counted by 0.3, beyond which a region keeps the colour it has
    merge     without a palette: regions whose colours differ by less take the colour of the largest
    """
    found = dominant(picture, labels, paper(ink)).clamp(0, 1)
    codes = encode(found)
    if palette:
        wanted, far = nearest(found, palette, LIGHTNESS)
        kept = far > reject
        return Snapped(torch.where(kept, codes, wanted), far, kept, found)
    areas = torch.bincount(labels.flatten().long() - 1, minlength=len(codes))
    codes = codes[counted_for(codes, areas, merge)]
    return Snapped(codes, torch.zeros_like(areas).float(), torch.zeros_like(areas).bool(), found)


def flats(codes, labels):
    """A picture (H, W, 3) of the regions' colours."""
    return decode(codes)[labels.long() - 1]


def shade(picture, found, labels, ink, radius):
    """The light (H, W), see `light`, that a picture (H, W, 3) lays over the dominant colours (n, 3) of its regions."""
    shades = light(picture[None], found[labels.long() - 1][None])[0]
    counts = paper(ink) * (shades > DEEPEST)
    return within_regions(shades, counts, labels, radius)
