"""Regions of a batch of drawings, and where each region is, for reports that people read."""

import torch

from ..image import repeat_batch

LISTED = 20  # regions named one by one in a report


def fit(regions, line, batch):
    """Labels and ink of `Regions`, (batch, H, W) each; they have to be those of the drawing (B, H, W, C)."""
    if regions.labels.shape[1:] != line.shape[1:3]:
        (height, width), (rows, columns) = regions.labels.shape[1:], line.shape[1:3]
        raise ValueError(
            f"The regions are of a drawing of {width} x {height} px, but the drawing here has {columns} x {rows}: "
            "connect LineartRegions to the same drawing."
        )
    return repeat_batch(regions.labels, batch), repeat_batch(regions.ink, batch)


def middles(labels):
    """A pixel (n, 2), x and y, of every region of labels (H, W): the one nearest to the middle of all its pixels."""
    height, width = labels.shape
    flat, count = labels.flatten().long() - 1, int(labels.max())
    at = torch.stack([torch.arange(width).repeat(height), torch.arange(height).repeat_interleave(width)], dim=1)
    sums = torch.zeros(count, 2, dtype=torch.float64).index_add(0, flat, at.double())
    off = (at - sums[flat] / flat.bincount(minlength=count)[flat, None]).square().sum(1)
    nearest = off.new_full((count,), torch.inf).scatter_reduce(0, flat, off, "amin")
    best = (off == nearest[flat]).nonzero()[:, 0].flip(0)
    chosen = torch.zeros(count, dtype=torch.long).index_put((flat[best],), best)
    return at[chosen]


def listed(labels, which, tell):
    """Lines about the regions of labels (H, W) that are True in which (n,), the largest first, each with tell(i)."""
    if not which.any():
        return []
    areas, places = labels.flatten().bincount()[1:], middles(labels)
    order = [index for index in areas.argsort(descending=True).tolist() if which[index]]
    lines = [
        f"  region at {places[index, 0]}, {places[index, 1]}, {areas[index]} px: {tell(index)}"
        for index in order[:LISTED]
    ]
    return lines + [f"  and {len(order) - LISTED} more regions"] * (len(order) > LISTED)
