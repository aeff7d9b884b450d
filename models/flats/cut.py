"""Multiway cut: undecided nodes of a graph share out among the colours that they touch, where edges are cheapest."""

import numpy as np

LARGEST = (1 << 31) - 1  # SciPy's max-flow counts in 32 bits
FINEST = 16  # steps of a capacity to a unit of weight, where there is room for them


def settle(first, second, weight, colour):
    """Colours (n,) of all nodes of a graph, given those that are fixed.

    first, second, weight  edges (N,), weights above 0
    colour                 (n,) int, 0 = undecided
    Each colour gets what a minimum cut parts from all others with it: the smallest such part, which no other colour
    can claim (Dahlhaus et al. 1994), so their order does not matter. What is left over between them, at equal cost
    between two, goes to the colour that it touches most, piece by piece. Between two colours the whole is a minimum
    cut. Nodes that no colour reaches stay 0.
    """
    piece, of, touching, rank = _claims(first, second, weight, colour)
    out, several = colour.copy(), np.bincount(of, minlength=piece.max() + 1) > 1
    for turn in range(rank.max(initial=-1) + 1):
        now = np.zeros(len(several), colour.dtype)
        now[of[rank == turn]] = touching[rank == turn]
        now = now[piece]
        if (contested := (colour == 0) & several[piece] & (now > 0)).any():
            mine = _cut_off(first, second, weight, colour, contested, now)
            out[mine] = now[mine]
    piece, of, touching, rank = _claims(first, second, weight, out)
    most = np.zeros(piece.max() + 1, colour.dtype)
    last = np.r_[of[1:] != of[:-1], True][: len(of)]
    most[of[last]] = touching[last]
    return np.where(out == 0, most[piece], out)


def _pieces(first, second, colour):
    """The connected piece of undecided nodes (n,) that each is in; fixed ones are pieces by themselves."""
    from scipy.sparse import coo_array, csgraph

    inner = (colour[first] == 0) & (colour[second] == 0)
    ones = np.ones(int(inner.sum()), bool)
    graph = coo_array((ones, (first[inner], second[inner])), shape=(len(colour),) * 2)
    return csgraph.connected_components(graph, directed=False)[1]


def _claims(first, second, weight, colour):
    """Which piece each node is in; pieces and colours that touch, and the rank of the colour in its piece by that."""
    piece = _pieces(first, second, colour)
    outer = (colour[first] == 0) != (colour[second] == 0)
    first, second, weight = first[outer], second[outer], weight[outer]
    node = np.where(colour[first] == 0, first, second)
    key = piece[node].astype(np.int64) << 32 | np.maximum(colour[first], colour[second])
    key, which = np.unique(key, return_inverse=True)
    of, touching = key >> 32, (key & 0xFFFFFFFF).astype(colour.dtype)
    order = np.lexsort((touching, np.bincount(which, weight, len(key)), of))
    of, touching = of[order], touching[order]
    return piece, of, touching, np.arange(len(of)) - np.searchsorted(of, of)


def _cut_off(first, second, weight, colour, contested, now):
    """Which contested nodes fall to the colour whose turn it is, `now` (n,), by a minimum cut against all others."""
    from scipy.sparse import coo_array, csgraph

    number = np.zeros(len(colour), np.int32)
    number[contested] = np.arange(2, 2 + contested.sum())  # 0 is the source, 1 the sink
    used = contested[first] | contested[second]
    first, second, weight = first[used], second[used], weight[used]
    a = np.where(contested[first], number[first], colour[first] != now[second])
    b = np.where(contested[second], number[second], colour[second] != now[first])
    scale = min(FINEST, LARGEST / 2 / weight.sum())
    capacity = np.maximum(1, np.rint(weight * scale)).astype(np.int32)
    size = int(number.max()) + 1
    graph = coo_array((np.r_[capacity, capacity], (np.r_[a, b], np.r_[b, a])), shape=(size, size)).tocsr()
    rest = graph - csgraph.maximum_flow(graph, 0, 1).flow
    rest.eliminate_zeros()
    mine = np.zeros(size, bool)
    mine[csgraph.breadth_first_order(rest, 0, return_predecessors=False)] = True
    return contested & mine[number]
