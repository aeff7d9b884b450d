"""Strokes of the hand as exact colours."""

import numpy as np

from .grid import FORWARD, pairs

ALIKE = 8  # of 255: neighbours in a stroke that differ more are of two strokes
REST = 4  # px: less, beside another stroke, is the edge between two


def read(colours, mask):
    """Strokes (H, W, 3) 0..1 where the mask (H, W) is above 0.5, as exact colours.

    Returns the number of the colour (H, W) int32 from 1, 0 = none; the number of the stroke (H, W) int32 from 1; the
    colours (n, 3) uint8. A stroke is of the colour that most of it has.
    """
    from scipy.sparse import coo_array, csgraph

    painted = mask > 0.5
    index, stroke = np.zeros(mask.shape, np.int32), np.zeros(mask.shape, np.int32)
    count = int(painted.sum())
    if not count:
        return index, stroke, np.zeros((0, 3), np.uint8)
    number = np.cumsum(painted).reshape(mask.shape) - 1
    edges = []
    for step in FORWARD:
        (a, b), both = pairs(number, *step), np.logical_and(*pairs(painted, *step))
        edges.append((a[both], b[both]))
    first, second = (np.concatenate(ends) for ends in zip(*edges, strict=True))
    level = np.rint(colours[painted] * 255).astype(np.int16)  # (count, 3)
    alike = (np.abs(level[first] - level[second]) <= ALIKE).all(1)
    graph = coo_array((np.ones(int(alike.sum()), bool), (first[alike], second[alike])), shape=(count, count))
    found, piece = csgraph.connected_components(graph, directed=False)

    size = np.bincount(piece)
    edge = np.zeros(found, bool)
    edge[piece[first[~alike]]] = edge[piece[second[~alike]]] = True
    edge &= size < REST
    edge &= ~edge.all()
    code = level.astype(np.int64) @ (1 << 16, 1 << 8, 1)
    own = _commonest(piece, code)
    palette, colour = np.unique(own[~edge], return_inverse=True)
    of_piece = np.zeros(found, np.int32)
    of_piece[~edge] = colour + 1
    index[painted], stroke[painted] = of_piece[piece], np.where(edge, 0, np.arange(1, found + 1))[piece]
    return index, stroke, np.stack([palette >> 16, palette >> 8 & 255, palette & 255], 1).astype(np.uint8)


def _commonest(group, code):
    """The commonest code (groups,) of each group, the lowest of equals."""
    pair, count = np.unique(group.astype(np.int64) << 24 | code, return_counts=True)
    order = np.lexsort((pair, -count, pair >> 24))
    best = np.unique(pair[order] >> 24, return_index=True)[1]
    return (pair[order] & 0xFFFFFF)[best]
