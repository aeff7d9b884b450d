"""Labels on the pixel grid: how they spread and where they touch. Numpy, one frame (H, W) at a time."""

import numpy as np

FOUR = ((0, 1), (1, 0), (0, -1), (-1, 0))
CORNERS = ((1, 1), (1, -1), (-1, -1), (-1, 1))
FORWARD = ((0, 1), (1, 0), (1, 1), (1, -1))  # every pair of the eight-neighbourhood once
NEARLY = 1e-6  # ways whose costs differ by less are equal


def spread(labels, free, reach=None):
    """Labels (H, W) above 0 grow in place into the free pixels (bool) without one, nearest first.

    Steps go to the four neighbours, so that a line one pixel wide is a wall. Returns which free pixels no label
    reached.
    """
    wide, room, flat, open_, offsets, inner = _framed(labels, free)
    front, step = _beside(flat, open_, offsets[:4]), 0
    while front.size and step != reach:
        reached = []
        for offset in offsets[:4]:
            source = front[open_[front + offset]]
            flat[source + offset] = flat[source]
            open_[source + offset] = False
            reached.append(source + offset)
        front, step = np.concatenate(reached), step + 1
    labels[...] = wide[inner]
    return room[inner]


def flood(labels, free, cost):
    """Labels (H, W) above 0 grow in place into the free pixels (bool) without one, each on its cheapest way there.

    cost  (H, W) float above 0, of every px of the way
    """
    wide, _, flat, open_, offsets, inner = _framed(labels, free)
    price = np.pad(cost, 1).ravel()
    spent = np.where(open_, np.float32(np.inf), np.float32(0))
    front = _beside(flat, open_, offsets)
    while front.size:
        reached = []
        for number, offset in enumerate(offsets):
            at = front + offset
            new = spent[front] + (price[front] + price[at]) * (1 if number < 4 else 2**0.5)
            better = open_[at] & (new < spent[at] - NEARLY)
            at = at[better]
            spent[at], flat[at] = new[better], flat[front[better]]
            reached.append(at)
        front = np.unique(np.concatenate(reached))
    labels[...] = wide[inner]


def _framed(labels, free):
    """Labels and where they may grow in a frame of one pixel, both flat too; steps in it; where the picture is."""
    height, width = labels.shape
    wide, room = np.zeros((height + 2, width + 2), labels.dtype), np.zeros((height + 2, width + 2), bool)
    inner = slice(1, -1), slice(1, -1)
    wide[inner], room[inner] = labels, free & (labels == 0)
    return wide, room, wide.ravel(), room.ravel(), [down * (width + 2) + right for down, right in FOUR + CORNERS], inner


def _beside(flat, open_, offsets):
    """The labelled pixels that have an open one beside them, found from the fewer of both."""
    labelled, beside = np.flatnonzero(flat), np.flatnonzero(open_)
    if len(labelled) < len(beside):
        return labelled[np.any([open_[labelled + offset] for offset in offsets], 0)]
    beside = np.concatenate([beside + offset for offset in offsets])
    return np.unique(beside[flat[beside] > 0])


def pairs(array, down, right):
    """Two views of one shape: the pixels of `array` (H, W) that have a neighbour so far away, and those neighbours."""
    height, width = array.shape
    rows = slice(max(0, -down), height - max(0, down)), slice(max(0, down), height + min(0, down))
    columns = slice(max(0, -right), width - max(0, right)), slice(max(0, right), width + min(0, right))
    return array[rows[0], columns[0]], array[rows[1], columns[1]]


def contacts(labels, steps=FORWARD):
    """Pixels, as indices into the flat frame, and neighbours that have another label: two of (N,)."""
    found = []
    for down, right in steps:
        differ = np.zeros(labels.shape, bool)
        pairs(differ, down, right)[0][...] = np.not_equal(*pairs(labels, down, right))
        here = np.flatnonzero(differ)
        found.append((here, here + down * labels.shape[1] + right))
    return [np.concatenate(part) for part in zip(*found, strict=True)]


def per_pair(first, second, weight, join=np.add):
    """One row for each pair of labels among `first`, `second` (N,) whichever way round, their weights joined."""
    first, second = np.minimum(first, second), np.maximum(first, second)
    if not first.size:
        return first, second, weight
    key = first.astype(np.int64) << 32 | second
    order = np.argsort(key, kind="stable")
    key, starts = np.unique(key[order], return_index=True)
    return (key >> 32).astype(first.dtype), (key & 0xFFFFFFFF).astype(first.dtype), join.reduceat(weight[order], starts)
