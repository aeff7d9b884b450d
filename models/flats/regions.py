"""Line art to regions: pieces of paper that lines enclose, gaps in the lines up to a chosen width counting as closed.

Trapped ball (Zhang et al. 2009) read as a watershed: a ball that shrinks from radius to radius finds the room that it
fits into; where two rooms meet through an opening, they stay two if the opening is narrow, both for the chosen gap
and beside the rooms themselves. So a strip as thin as a gap is one region, and not a string of beads.
"""

from dataclasses import dataclass

import numpy as np
import torch

from ..image import luma
from .gaps import bridges
from .grid import FOUR, contacts, flood, per_pair, spread
from .ink import distance, level, toll

GAP, AREA = 10.0, 16  # px, px
LONG = 2.5  # times the gap, between two ends of a line that point at each other
STEP = 0.5  # px, from one radius of the ball to the next
WIDER = 1.3  # a room is at least so many times as wide as the openings that part it from others
LONGER = 0.5  # px that it must be wider besides: less is the grid's doing
BY_PAPER = 2  # the power by which a border joins two regions more where it has less ink


@dataclass(frozen=True)
class Regions:
    """Regions of line art.

    labels  (B, H, W) int32, 1..n in every frame; ink has the label of the paper with least ink between
    ink     (B, H, W) float32, darkness of the drawing, 0..1
    gap     px up to which openings in the lines are closed
    """

    labels: torch.Tensor
    ink: torch.Tensor
    gap: float


def regions(line, gap=GAP, area=AREA, done=lambda frames: None):
    """The regions of line art (B, H, W, C), dark ink on light paper, 0..1, of any size.

    gap   width in px of the openings in lines that count as closed
    area  px below which a region is no region, but part of the neighbour that it touches most
    done  called as the work goes on with the number of frames that are done, parts of one included
    Without ink the whole frame is one region, and so is one that is ink all over.
    """
    ink, labels = 1 - luma(line.float()).cpu(), []
    for number, frame in enumerate(ink):
        labels.append(torch.from_numpy(_frame(frame.numpy(), gap, area, lambda part, n=number: done(n + part))))
        done(number + 1)
    return Regions(torch.stack(labels), ink, float(gap))


def _frame(ink, gap, area, done):
    drawn = ink >= level(ink)
    if drawn.all() or not drawn.any():
        return np.ones(ink.shape, np.int32)
    narrow = (gap + 1) / 2  # distance from the ink, pixel to pixel, in the middle of the widest opening to close
    walls = drawn | bridges(drawn, LONG * gap)
    done(0.1)
    room = distance(walls, WIDER * narrow + LONGER)
    done(0.3)
    labels = rooms(room, STEP, lambda part: done(0.3 + 0.4 * part))
    labels = join_rooms(labels, room, narrow, area)
    done(0.9)
    flood(labels, walls, cost := toll(ink))
    return in_order(merge_slivers(labels, cost, area))


def rooms(room, step, done):
    """Watershed basins (H, W), 1..n, of the distance from ink: one for each place that is wider than around it."""
    from scipy import ndimage

    radius = highest = float(room.max())
    labels, count = ndimage.label(room >= radius)
    labels = labels.astype(np.int32, copy=False)
    while radius > 0:
        radius = max(0.0, radius - step)
        left = spread(labels, room > radius)
        new, found = ndimage.label(left)
        labels[left] = new[left] + count
        count += found
        done(1 - radius / highest)
    return labels


def join_rooms(labels, room, narrow, area):
    """Basins joined where the opening between them is wide, one is hardly wider than it, or smaller than `area`."""
    size = np.bincount(labels.ravel())
    peak = np.zeros(len(size), np.float32)
    np.maximum.at(peak, labels.ravel(), room.ravel())

    here, there = contacts(labels, FOUR[:2])
    saddle = np.minimum(room.flat[here], room.flat[there])
    here, there, saddle = here[saddle > 0], there[saddle > 0], saddle[saddle > 0]
    first, second, saddle = per_pair(labels.flat[here], labels.flat[there], saddle, np.maximum)
    parent = list(range(len(size)))
    size, peak = size.tolist(), peak.tolist()

    def root(node):
        while parent[node] != node:
            parent[node] = node = parent[parent[node]]
        return node

    for i in np.argsort(-saddle, kind="stable").tolist():
        a, b, opening = root(first[i]), root(second[i]), float(saddle[i])
        if a == b:
            continue
        lower = min(peak[a], peak[b])
        if opening > narrow or lower <= WIDER * opening + LONGER or min(size[a], size[b]) < area:
            parent[b] = a
            size[a], peak[a] = size[a] + size[b], max(peak[a], peak[b])
    return np.array([root(node) for node in range(len(parent))], np.int32)[labels]


def merge_slivers(labels, cost, area):
    """Regions below `area` px become part of the neighbour they touch most, where the cost of a way is low."""
    from scipy.sparse import coo_array, csgraph

    while True:
        size = np.bincount(labels.ravel())
        if not ((size > 0) & (size < area)).any() or (size > 0).sum() < 2:
            return labels

        here, there = contacts(labels, FOUR[:2])
        weight = (cost.flat[here] + cost.flat[there]) ** -BY_PAPER
        first, second, weight = per_pair(labels.flat[here], labels.flat[there], weight)
        first, second, weight = np.r_[first, second], np.r_[second, first], np.r_[weight, weight]
        small = size[first] < area
        first, second, weight = first[small], second[small], weight[small]
        order = np.lexsort((second, -weight, first))
        first, best = np.unique(first[order], return_index=True)
        graph = coo_array((np.ones(len(first)), (first, second[order][best])), shape=(len(size), len(size)))
        labels = csgraph.connected_components(graph, directed=False)[1].astype(np.int32)[labels]


def in_order(labels):
    """The same regions numbered 1..n, in the order in which their first pixels come."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    number = np.empty(len(first), np.int32)
    number[np.argsort(first)] = np.arange(1, len(first) + 1)
    return number[inverse].reshape(labels.shape)
