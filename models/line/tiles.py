"""One-pass networks on pictures of any size: padded where the network wants multiples, in tiles where they are large.

Tiles overlap; each counts less and less towards a side that has a neighbour, and nothing right at it, where the
network already sees the border. They start at multiples of the network's reduction, so that every pixel has the
place in its tile that it has in the whole picture.
"""

import math
from functools import partial

import torch
import torch.nn.functional as F

from ..layers import pad_to_multiple
from .norm import InstanceNorm, of_whole_pictures

CPU_BUDGET = 7 << 28  # bytes that a network may use at a time on a CPU beside its weights
MEASURED = 1024  # px, of the longer side of what stands for a whole picture that is too large for one pass


def padded(x, multiple, smallest):
    """(B, C, H, W) mirrored to multiples, and at least to `smallest`; to the right and below."""
    height, width = x.shape[-2:]
    x = F.pad(x, (0, max(0, smallest - width), 0, max(0, smallest - height)), mode="replicate")
    return pad_to_multiple(x, multiple)


def spans(size, most, overlap, multiple):
    """Equal spans of at most `most` that cover 0..size, `overlap` or more in common with the next one.

    size and multiple: every span starts and ends at a multiple.
    """
    most = max(most // multiple, 2 * overlap // multiple + 1) * multiple
    if size <= most:
        return [slice(0, size)]
    count = math.ceil((size - overlap) / (most - overlap))
    length = min(most, math.ceil(((size - overlap) / count + overlap) / multiple) * multiple)
    starts = [round(i * (size - length) / (count - 1) / multiple) * multiple for i in range(count)]
    return [slice(start, start + length) for start in starts]


def share(span, size, overlap, like):
    """(length,) weights of a span: 1 inside, a ramp over the middle half of the overlap towards a neighbour."""
    at = torch.arange(span.stop - span.start, device=like.device, dtype=torch.float32) + 0.5
    low, high = ((side - overlap / 4) / (overlap / 2) for side in (at, len(at) - at))
    weight = torch.ones_like(at)
    if span.start > 0:
        weight = torch.minimum(weight, low)
    if span.stop < size:
        weight = torch.minimum(weight, high)
    return weight.clamp(0, 1)


def run(network, x, pixels=1 << 22, pause=lambda: None, **options):
    """network(x, **options) for planes (B, C, H, W) of any size -> (B, 1, H, W) in float32.

    network  tells its `multiple`, `smallest` and `overlap`
    pixels   that go through it at a time: several pictures, or part of one
    pause    called before every pass
    """

    def one_pass(part):
        pause()
        return network(part, **options).float()

    height, width = x.shape[-2:]
    batch = max(1, pixels // (height * width))
    parts = (padded(part, network.multiple, network.smallest) for part in x.split(batch))
    return torch.cat([whole(network, one_pass, part, pixels)[..., :height, :width] for part in parts])


def whole(network, one_pass, x, pixels):
    height, width = x.shape[-2:]
    if height * width <= max(pixels, network.smallest**2):
        return one_pass(x)
    tiled = partial(in_tiles, one_pass, x, pixels, network.overlap, network.multiple)
    if not any(isinstance(module, InstanceNorm) for module in network.modules()):
        return tiled()
    scale = min(MEASURED / max(height, width), math.sqrt(pixels / (height * width)), 1.0)
    small = F.interpolate(x, scale_factor=scale, mode="bilinear", antialias=True)
    with of_whole_pictures(network, padded(small, network.multiple, network.smallest)):
        return tiled()


def in_tiles(one_pass, x, pixels, overlap, multiple):
    """Full-width bands if those are tall enough to pay, else squares."""
    height, width = x.shape[-2:]
    wide = width if pixels // width >= 4 * overlap else math.isqrt(pixels)
    across = spans(width, wide, overlap, multiple)
    down = spans(height, pixels // (across[0].stop - across[0].start), overlap, multiple)
    total = x.new_zeros(len(x), 1, height, width, dtype=torch.float32)
    weights = x.new_zeros(height, width, dtype=torch.float32)
    for rows in down:
        for columns in across:
            weight = share(rows, height, overlap, x)[:, None] * share(columns, width, overlap, x)
            total[..., rows, columns].add_(one_pass(x[..., rows, columns]) * weight)
            weights[rows, columns].add_(weight)
    return total.div_(weights)
