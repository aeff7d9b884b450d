"""Any coloured picture made exact: one colour per region of the drawing, with the picture's light if wanted."""

from itertools import product
from typing import NamedTuple

import torch

from ..image import repeat_batch, resize, rgb
from . import frames
from .colour import LIGHTNESS, counted_for, decode, encode, lab
from .light import light, lit, within_regions
from .palette import as_hex, nearest
from .registration import align

COARSE = 16  # 8-bit steps of the first histogram
NEIGHBOUR = torch.tensor([1 << 10, 1 << 5, 1])  # from one of its bins to the next in red, green and blue
RADII = (24, 12, 6, 3)  # 8-bit steps around the mode, narrowing
OTHER, SHARE = 20.0, 0.25  # CIELAB, lightness as in `exact`: another paint; the part of a region that makes it doubtful
LEAST = 100  # px of such a region
SEVERAL = "of it is another colour in the picture: if a line is open, raise gap in LineartRegions"
DEEPEST = -0.6  # light below this is no shadow but a line of the picture's own


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


def exact(found, areas, palette=(), reject=25.0, merge=4.0):
    """The exact colours (n,) of regions whose dominant colours are `found` (n, 3), and which keep their own (n,).

    areas    (n,) px of each region
    palette  the only colours allowed; without one, regions share the colours found
    reject   distance in CIELAB, lightness counted by 0.3, beyond which a region keeps the colour it has
    merge    without a palette: regions whose colours differ by less take the colour of the largest
    """
    codes = encode(found)
    if palette:
        wanted, far = nearest(found, palette, LIGHTNESS)
        return torch.where(far > reject, codes, wanted), far > reject
    return codes[counted_for(codes, areas, merge)], torch.zeros_like(codes, dtype=torch.bool)


def mixed(picture, found, labels, weights):
    """The part (n,) of each region whose colour in the picture is another than the dominant one found (n, 3), 0..1.

    0 in those of few pixels, where blur alone mixes colours.
    """
    of = labels.flatten().long() - 1
    scale = picture.new_tensor([LIGHTNESS, 1.0, 1.0])
    apart = ((lab(picture).flatten(0, 1) - lab(found)[of]) * scale).norm(dim=1)
    weight = weights.flatten()
    whole, other = (weight.new_zeros(len(found)).index_add(0, of, part) for part in (weight, weight * (apart > OTHER)))
    return torch.where(of.bincount() < LEAST, 0, other / whole)


def paint(codes, labels):
    """A picture (H, W, 3) of the regions' colours."""
    return decode(codes)[labels.long() - 1]


def shade(picture, found, labels, ink, radius):
    """The light (H, W), see `light`, that a picture (H, W, 3) lays over the dominant colours (n, 3) of its regions."""
    shades = light(picture[None], found[labels.long() - 1][None])[0]
    counts = paper(ink) * (shades > DEEPEST)
    return within_regions(shades, counts, labels, radius)


class Snapped(NamedTuple):
    flats: torch.Tensor  # (B, H, W, 3) exact colours
    shaded: torch.Tensor  # (B, H, W, 3) the same under the picture's light, if that was wanted
    unsure: torch.Tensor  # (B, H, W) 1 where a region is too far from the palette, or of several colours in the picture
    report: str


def snap(picture, line, regions, palette=(), register=True, softness=None, **limits):
    """Pictures (B, h, w, C) as flats on drawings (B, H, W, C) with these regions; frames of a batch share colours.

    register  find out where a picture lies on its drawing first; else it is laid over the whole of it
    softness  px over which light is averaged within a region; None leaves the flats without light
    limits    reject and merge, see `exact`
    """
    batch = max(len(picture), len(line))
    labels, ink = frames.fit(regions, line, batch)
    pictures, told = zip(*(_lay(*pair, register) for pair in _pairs(picture, line, batch)), strict=True)
    weights = paper(ink)
    found = [dominant(*part) for part in zip(pictures, labels, weights, strict=True)]
    shares = [mixed(*part) for part in zip(pictures, found, labels, weights, strict=True)]
    areas = torch.cat([part.flatten().bincount()[1:] for part in labels])
    codes, kept = exact(torch.cat(found), areas, palette, **limits)
    sizes = [len(part) for part in found]
    codes, kept = codes.split(sizes), kept.split(sizes)

    flats = torch.stack([paint(*part) for part in zip(codes, labels, strict=True)])
    shaded = flats
    if softness is not None:
        lights = [shade(*part, softness) for part in zip(pictures, found, labels, ink, strict=True)]
        shaded = lit(flats, torch.stack(lights))
    report, unsure = [], []
    for number, (sentence, part, code, own, share) in enumerate(zip(told, labels, codes, kept, shares, strict=True), 1):
        report.append(f"frame {number}: {len(code)} regions, {len(code.unique())} colours; picture {sentence}")
        report += frames.listed(part, own, lambda index, code=code: f"{as_hex(code[index])} is far from the palette")
        report += frames.listed(part, share > SHARE, lambda index, share=share: f"{share[index]:.0%} {SEVERAL}")
        unsure.append((own | (share > SHARE))[part.long() - 1].float())
    return Snapped(flats, shaded, torch.stack(unsure), "\n".join(report))


def _pairs(picture, line, batch):
    return zip(repeat_batch(picture, batch).split(1), repeat_batch(line, batch).split(1), strict=True)


def _lay(picture, line, register):
    """A picture (1, h, w, C) on its drawing: (H, W, 3), and what was done, in words."""
    size = line.shape[1:3]
    if not register:
        return resize(rgb(picture), *size)[0].cpu(), "laid over the whole drawing"
    placed, placement = align(picture, line)
    return placed[0].cpu(), placement.describe(*size)
