"""Multiway cut: undecided nodes of a graph share out among the colours that they touch, where edges are cheapest."""

import numpy as np

LARGEST = (1 << 31) - 1  # SciPy's max-flow counts in 32 bits
FINEST = 16  # steps of a capacity to a unit of weight, where there is room for them


def settle(first, second, weight, colour):
    """Colours (n,) of all nodes of a graph, given those that are fixed.

    first, second, weight  edges (N,), weights above 0
    colour                 (n,) int, 0 = undecided
    A piece of undecided nodes between two colours is cut exactly, and of equal cuts the one that leaves least to the
    lower colour is taken, so that graphs with the same cuts have the same labels. Among more, each colour in turn is
    cut off from the rest (the greedy way of LazyBrush), the one that touches least first. Pieces do not touch each
    other, so one max-flow serves all of them. Nodes that no colour reaches stay 0.
    """
    colour = colour.copy()
    piece = _pieces(first, second, colour)
    claims = _claims(first, second, weight, colour, piece)
    of_piece = np.bincount(claims[0], minlength=piece.max() + 1)
    for turn in range(of_piece.max(initial=0)):
        now = np.zeros(len(of_piece), colour.dtype)
        here = claims[2] == turn
        now[claims[0][here]] = claims[1][here]
        now, left = now[piece], of_piece[piece] - turn
        free = colour == 0
        colour[free & (left == 1)] = now[free & (left == 1)]
        if (contested := free & (left > 1)).any():
            mine = _cut_off(first, second, weight, colour, contested, now)
            colour[mine] = now[mine]
    return colour


def _pieces(first, second, colour):
    """The connected piece of undecided nodes (n,) that each is in; fixed ones are pieces by themselves."""
    from scipy.sparse import coo_array, csgraph

    inner = (colour[first] == 0) & (colour[second] == 0)
    ones = np.ones(int(inner.sum()), bool)
    graph = coo_array((ones, (first[inner], second[inner])), shape=(len(colour),) * 2)
    return csgraph.connected_components(graph, directed=False)[1]


def _claims(first, second, weight, colour, piece):
    """Pieces and colours that touch: (piece, colour, rank of that colour in the piece by how much it touches)."""
    outer = (colour[first] == 0) != (colour[second] == 0)
    first, second, weight = first[outer], second[outer], weight[outer]
    node = np.where(colour[first] == 0, first, second)
    key = piece[node].astype(np.int64) << 32 | np.maximum(colour[first], colour[second])
    key, which = np.unique(key, return_inverse=True)
    of, touching = key >> 32, (key & 0xFFFFFFFF).astype(colour.dtype)
    amount = np.where(np.bincount(of)[of] > 2, np.bincount(which, weight, len(key)), 0)
    order = np.lexsort((touching, amount, of))
    of, touching = of[order], touching[order]
    return of, touching, np.arange(len(of)) - np.searchsorted(of, of)


def _cut_off(first, second, weight, colour, contested, now):
    """Which contested nodes fall to the colour whose turn it is, `now` (n,), by a minimum cut against all others."""
    from scipy.sparse import coo_array, csgraph

    number = np.zeros(len(colour), np.int32)
    number[contested] = np.arange(2, 2 + contested.sum())  # 0 is the source, 1 the sink
    used = contested[first] | contested[second]
    first, second, weight = first[used], second[used], weight[used]
    a = np.where(contested[first], number[first], colour[first] != now[second])
    b = np.where(contested[second], number[second], colour[second] != now[first])
    size = int(number.max()) + 1
    of_node = np.bincount(a, weight, size) + np.bincount(b, weight, size)
    scale = min(FINEST, LARGEST / 2 / of_node[2:].max())
    capacity = np.maximum(1, np.rint(weight * scale)).astype(np.int32)
    graph = coo_array((np.r_[capacity, capacity], (np.r_[a, b], np.r_[b, a])), shape=(size, size)).tocsr()
    rest = graph - csgraph.maximum_flow(graph, 0, 1).flow
    rest.eliminate_zeros()
    mine = np.zeros(size, bool)
    mine[csgraph.breadth_first_order(rest, 0, return_predecessors=False)] = True
    return contested & mine[number]
