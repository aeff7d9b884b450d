"""Regions as pictures."""

import torch


def tinted(regions):
    """Every region in a colour of its own under the drawing, (B, H, W, 3), 0..1."""
    number = torch.arange(int(regions.labels.max()) + 1)
    hue = number * 0.618034  # the golden ratio: hues never come near the last few
    thirds = torch.tensor([0.0, 1 / 3, 2 / 3])
    colours = 0.72 + 0.25 * torch.cos(2 * torch.pi * (hue[:, None] + thirds))
    return colours[regions.labels.long()] * (1 - regions.ink)[..., None]


def masks(regions, count):
    """MASKs (B * count, H, W) of the largest regions of each frame, largest first; blank where there are fewer."""
    found = []
    for labels in regions.labels:
        sizes = torch.bincount(labels.flatten())
        order = sizes.argsort(descending=True, stable=True)[:count]
        one = torch.zeros(count, *labels.shape)
        for mask, label in zip(one, order.tolist(), strict=False):
            mask[:] = (labels == label) & (sizes[label] > 0)
        found.append(one)
    return torch.cat(found)
