"""Where a drawing is ink, and how far its paper lies from it. Numpy and SciPy, one frame (H, W) at a time."""

import numpy as np

FAINTEST = 0.06  # darkness below which nothing is ink: paper grain, JPEG
SHARE = 0.4  # of the darkness of the drawing's firm ink: from here on a pixel is ink
EVEN, RIDGE = 0.003, 6  # of a way through ink: what it costs besides darkness, and the power of that
STRIP = 1 << 22  # px whose distances are found at a time


def level(ink):
    """The darkness from which on a pixel of `ink` (H, W) 0..1 is ink: a share of what the drawing's dark lines have."""
    dark = ink[ink > FAINTEST]
    return max(FAINTEST, SHARE * float(np.quantile(dark, 0.9))) if dark.size else FAINTEST


def toll(ink):
    """What a way through `ink` (H, W) 0..1 costs per px, for `grid.flood`: colours meet where lines are darkest.

    Where ink is even they meet in the middle; the half covered pixels along its edges move that by parts of a pixel.
    """
    return EVEN + np.clip(ink * (SHARE / level(ink)), 0, 1) ** RIDGE


def distance(drawn, reach):
    """Euclidean distance (H, W) float32 of every pixel to the drawn ones (bool), at most `reach` px.

    Works in strips that overlap by `reach`, so that what is in use stays small on a large scan.
    """
    from scipy import ndimage

    height, width = drawn.shape
    halo, rows = int(np.ceil(reach)), max(1, STRIP // width)
    out = np.empty(drawn.shape, np.float32)
    for top in range(0, height, rows):
        low, bottom = max(0, top - halo), min(height, top + rows)
        part = drawn[low : min(height, bottom + halo)]
        found = ndimage.distance_transform_edt(~part) if part.any() else np.full(part.shape, reach)
        out[top:bottom] = found[top - low : bottom - low]
    return np.minimum(out, reach, out=out)
