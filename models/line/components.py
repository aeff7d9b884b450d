"""Connected pieces of ink."""

import torch

NEIGHBOURS = ((0, 1), (1, -1), (1, 0), (1, 1))  # the other four are these seen from the other side


def components(ink, neighbours=NEIGHBOURS):
    """(number of each ink pixel's piece, number of pieces) of ink (H, W), bool; all eight neighbours touch, or some.

    Pixels are counted row by row; the numbers are those of `ink.nonzero()`.
    """
    height, width = ink.shape
    index = torch.full(ink.shape, -1, device=ink.device)
    count = int(ink.sum())
    index[ink] = torch.arange(count, device=ink.device)
    first, second = [], []
    for down, right in neighbours:
        a = index[: height - down, max(0, -right) : width - max(0, right)]
        b = index[down:, max(0, right) : width + min(0, right)]
        touching = (a >= 0) & (b >= 0)
        first.append(a[touching])
        second.append(b[touching])
    label = join(count, torch.cat(first), torch.cat(second))
    roots, label = label.unique(return_inverse=True)
    return label, len(roots)


def join(count, first, second):
    """The lowest of the nodes 0..count-1 that each is connected with, by edges between `first` and `second`."""
    label = torch.arange(count, device=first.device)
    while True:
        a, b = label[first], label[second]
        if torch.equal(a, b):
            return label
        lowest = torch.minimum(a, b)
        label = label.scatter_reduce(0, a, lowest, "amin").scatter_reduce(0, b, lowest, "amin")
        while not torch.equal(shorter := label[label], label):
            label = shorter


def areas(ink):
    """The size in px of the piece that each pixel of ink (H, W) belongs to; 0 on paper."""
    label, count = components(ink)
    size = torch.zeros(ink.shape, dtype=torch.long, device=ink.device)
    size[ink] = torch.bincount(label, minlength=count)[label]
    return size


def touching(ink, seeds):
    """The pieces of ink (H, W) that hold at least one seed (H, W)."""
    label, count = components(ink)
    kept = torch.zeros(count, dtype=torch.bool, device=ink.device)
    kept[label[seeds[ink]]] = True
    out = torch.zeros_like(ink)
    out[ink] = kept[label]
    return out
