"""Gaussian blurs of picture planes, any size, any sigma, with the borders and cut-offs of OpenCV and scipy.

Two ways to the same numbers. A narrow blur adds shifted slices in place, a band of rows at a time: all its passes
run in cache. A wide one is a product with a few cosines: convolution with an even kernel under a mirrored border
is diagonal in a cosine basis, and a wide Gaussian keeps only the lowest frequencies.
"""

import math
from typing import NamedTuple

import numpy as np
import torch

TILE = 1 << 18  # values that a CPU works on at a time: 1 MiB of float32
WIDE = 10.0  # px; above this sigma the cosine product is the faster way
REACH = 8.0  # a wide blur keeps the frequencies up to REACH / sigma


class Rule(NamedTuple):
    """How a library ends a blur: the kernel's radius, and whether the mirror repeats the edge."""

    name: str
    repeats_edge: bool

    def radius(self, sigma):
        """Half width of the kernel in px."""
        if self.repeats_edge:
            return int(4 * sigma + 0.5)
        return (round(8 * sigma + 1) | 1) // 2


OPENCV = Rule("opencv", repeats_edge=False)  # GaussianBlur with ksize 0 on floats, border dcb|abcd|cba
SCIPY = Rule("scipy", repeats_edge=True)  # ndimage.gaussian_filter, border dcba|abcd|dcba


def taps(sigma, radius):
    """One half of the normalised kernel, from the centre outwards: radius + 1 weights."""
    kernel = np.exp(-0.5 / (sigma * sigma) * np.arange(-radius, radius + 1) ** 2)
    return (kernel / kernel.sum())[radius:].tolist()


def mirror(size, radius, rule, device=None):
    """Source of each of the size + 2 radius positions of a mirrored axis; the radius may exceed the size."""
    period = 2 * size if rule.repeats_edge else max(1, 2 * size - 2)
    index = torch.arange(-radius, size + radius, device=device) % period
    return torch.minimum(index, (period - 1 if rule.repeats_edge else period) - index)


def groups(planes):
    """Slices of a batch (B, H, W, ...) that fit the cache: one large picture or many small ones."""
    batch = planes.shape[0]
    size = max(1, min(batch, _budget(planes) // planes[:1].numel())) if batch else 1
    return [slice(first, min(first + size, batch)) for first in range(0, batch, size)]


def bands(planes, times=1):
    """Slices of rows of planes (B, H, W, ...) that fit the cache, `times` of them together."""
    height = planes.shape[1]
    size = max(1, min(height, _budget(planes) // (times * planes[:, 0].numel())))
    return [slice(top, min(top + size, height)) for top in range(0, height, size)]


def _budget(planes):
    return TILE if planes.device.type == "cpu" else planes.numel()


def gaussian(planes, sigma, rule=OPENCV):
    """The blur of planes (B, H, W), sigma in px."""
    out, add = torch.zeros_like(planes), blurred(planes, sigma, rule)
    for rows in bands(planes):
        add(out[:, rows], rows, 1.0)
    return out


def blurred(planes, sigma, rule=OPENCV):
    """Prepares the blur of planes (B, H, W).

    Returns `add(out, rows, weight)`, which adds weight times those rows of the blur to `out`.
    """
    return (_wide if sigma > WIDE else _narrow)(planes, sigma, rule)


def gaussian_8bit(planes, sigma):
    """scipy's gaussian_filter on uint8 data: each of the two passes cuts its result down to a whole number.

    planes: (B, H, W) of whole numbers 0..255. The sum runs as scipy's does, from the outermost pair inwards,
    because 99.9999 becomes 99. On the CPU, as not every device has float64.
    """
    radius = SCIPY.radius(sigma)
    centre, *weights = taps(sigma, radius)
    values = planes.cpu().double()
    for axis in (1, 2):
        size = planes.shape[axis]
        padded = values.index_select(axis, mirror(size, radius, SCIPY))
        values = padded.narrow(axis, radius, size) * centre
        for x, tap in zip(range(radius, 0, -1), reversed(weights), strict=True):
            pair = padded.narrow(axis, radius - x, size) + padded.narrow(axis, radius + x, size)
            values += pair.mul_(tap)
        values.floor_()
    return values.to(planes.dtype).to(planes.device)


def gaussian_8bit_fixed(planes, sigma):
    """OpenCV's GaussianBlur on uint8 data, to the bit: 8-bit weights, one rounding after both passes.

    planes: (B, H, W) of whole numbers 0..255 in float32 or wider, which holds the sums exactly.
    """
    radius = (round(6 * sigma + 1) | 1) // 2
    carry, side = 0.0, []
    for tap in reversed(taps(sigma, radius)[1:]):  # what rounding loses at one weight goes to the next inwards
        exact = 256 * tap + carry
        side.append(round(exact))
        carry = exact - side[-1]
    weights = [*side, 256 - 2 * sum(side), *reversed(side)]
    for axis in (1, 2):
        size = planes.shape[axis]
        padded = planes.index_select(axis, mirror(size, radius, OPENCV, planes.device))
        planes = torch.zeros_like(planes)
        for first, weight in enumerate(weights):
            planes.add_(padded.narrow(axis, first, size), alpha=weight)
    return planes.add_(32768).div_(65536).floor_()


def _narrow(planes, sigma, rule):
    radius = rule.radius(sigma)
    centre, *weights = taps(sigma, radius)
    height, width = planes.shape[-2:]
    above = mirror(height, radius, rule, planes.device)
    beside = mirror(width, radius, rule, planes.device)
    left, right = beside[:radius], beside[radius + width :]

    # the sums only ever allocate what fits the cache: touching fresh memory costs more than the arithmetic
    def add(out, rows, weight):
        count = rows.stop - rows.start
        top, bottom = rows.start - radius, rows.stop + radius
        if top >= 0 and bottom <= height:
            band = planes[:, top:bottom]
        else:
            band = planes.index_select(1, above[rows.start : rows.stop + 2 * radius])
        column = band[:, radius : radius + count] * centre
        for x, tap in enumerate(weights, 1):
            column.add_(band[:, radius - x :][:, :count], alpha=tap)
            column.add_(band[:, radius + x :][:, :count], alpha=tap)
        band = torch.cat([column[..., left], column, column[..., right]], 2)
        out.add_(column, alpha=weight * centre)
        for x, tap in enumerate(weights, 1):
            out.add_(band[..., radius - x :][..., :width], alpha=weight * tap)
            out.add_(band[..., radius + x :][..., :width], alpha=weight * tap)

    return add


def _wide(planes, sigma, rule):
    (down, up_rows), (across, up_columns) = (_cosines(size, sigma, rule, planes) for size in planes.shape[-2:])
    lows = down @ planes @ across.mT  # (B, frequencies, frequencies)

    def add(out, rows, weight):
        out.add_((up_rows[rows] @ lows) @ up_columns.mT, alpha=weight)

    return add


def _cosines(size, sigma, rule, like):
    """Analysis (frequencies, size), with the kernel's response in it, and synthesis (size, frequencies)."""
    radius = rule.radius(sigma)
    centre, *weights = taps(sigma, radius)
    full = {"dtype": torch.float64, "device": "cpu"}
    steps = size if rule.repeats_edge else max(1, size - 1)
    position = torch.arange(size, **full) + (0.5 if rule.repeats_edge else 0.0)
    # a Gaussian passes exp(-(sigma w)^2 / 2); what cutting it off leaks lies below 3e-4 / (sigma w)
    count = min(size, math.ceil(REACH / sigma * steps / math.pi) + 1)
    frequency = torch.arange(count, **full) * (math.pi / steps)
    distance = torch.arange(1, radius + 1, **full)
    passed = centre + 2 * torch.cos(frequency[:, None] * distance) @ torch.tensor(weights, **full)
    synthesis = torch.cos(position[:, None] * frequency)
    share = torch.ones_like(position)
    if not rule.repeats_edge and size > 1:
        share[0] = share[-1] = 0.5  # an edge pixel that the mirror does not repeat counts once per period
    analysis = synthesis.mT * share
    analysis *= (passed / (analysis * synthesis.mT).sum(1))[:, None]
    return analysis.to(like.dtype).to(like.device), synthesis.to(like.dtype).to(like.device)
