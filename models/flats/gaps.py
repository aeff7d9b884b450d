"""Long gaps in lines: ends that point at each other are joined. Numpy and SciPy, one frame (H, W) at a time."""

import numpy as np
import torch

from ..line.cleanup import thin
from .grid import CORNERS, FOUR

HALF = 6  # px, half the width of the widest lines whose ends are found
BACK = 12  # px along the line that tell where its end points
LEAST = 5  # px, a shorter branch is no line
ASTRAY = np.cos(np.radians(60))  # how far an end may point past the other
FAN = np.radians([0, -12, 12, -24, 24])  # directions in which an end looks for a line
HIT = 0.5  # a line that is run into is so much further away than an end that points back


def bridges(drawn, reach):
    """Pixels (H, W) bool over which line ends are joined: with each other, or with the line that they run into.

    reach  px, of the longest straight join; less where it turns. Each end is joined once, the best joins first.
    """
    joined = np.zeros(drawn.shape, bool)
    ends, towards = line_ends(drawn) if reach >= 1 else ((), ())
    if not len(ends):
        return joined
    free = np.ones(len(ends), bool)
    joins = _meetings(ends, towards, reach) + _hits(drawn, ends, towards, reach)
    for first, second, target, _ in sorted(joins, key=lambda join: join[-1]):
        if not free[[first, second]].all():
            continue
        steps = 2 * int(np.hypot(*(target - ends[first]))) + 2
        y, x = np.rint(np.linspace(ends[first], target, steps)).astype(int).T
        leaves = np.flatnonzero(np.diff(drawn[y, x].astype(np.int8)) == -1)
        if len(leaves) > 1:  # another line lies between
            continue
        joined[y, x] = True
        free[[first, second]] = False
    return joined & ~drawn


def _meetings(ends, towards, reach):
    """Rows (end, end, where the second is, cost) of ends that point at each other."""
    from scipy.spatial import cKDTree

    a, b = cKDTree(ends).query_pairs(reach, output_type="ndarray").T
    across = (ends[b] - ends[a]).astype(np.float64)
    length = np.hypot(*across.T)
    across /= length[:, None]
    ahead, back = (towards[a] * across).sum(1), -(towards[b] * across).sum(1)
    cost = length * (3 - ahead - back)
    good = np.flatnonzero((ahead > ASTRAY) & (back > ASTRAY) & (cost <= reach))
    return [(a[i], b[i], ends[b[i]], cost[i]) for i in good]


def _hits(drawn, ends, towards, reach):
    """Rows (end, the same end, where it meets ink, cost) of ends that run into a line, within a narrow cone."""
    rows = []
    along = np.arange(1, int(reach) + 1)
    for angle in FAN:
        c, s = np.cos(angle), np.sin(angle)
        way = towards @ np.array([[c, s], [-s, c]])
        y, x = (np.rint(ends[:, None] + along[:, None] * way[:, None])).astype(int).transpose(2, 0, 1)
        inside = (y >= 0) & (x >= 0) & (y < drawn.shape[0]) & (x < drawn.shape[1])
        ink = drawn[y.clip(0, drawn.shape[0] - 1), x.clip(0, drawn.shape[1] - 1)] & inside
        out = np.logical_or.accumulate(~ink, axis=1)  # beyond the line's own tip
        hit = ink & out
        step = hit.argmax(1)
        cost = along[step] * (1 + HIT + abs(angle))
        for i in np.flatnonzero(hit.any(1) & (cost <= reach)):
            rows.append((i, i, np.array([y[i, step[i]], x[i, step[i]]]), cost[i]))
    return rows


def line_ends(drawn):
    """Where lines end, (N, 2) rows and columns, and the unit vectors (N, 2) in which they would go on."""
    line = thin(torch.from_numpy(~drawn)[None].float(), HALF)[0].numpy() < 0.5
    line = np.pad(line & drawn, BACK + 1)
    width = line.shape[1]
    flat = line.ravel()
    offsets = np.array([down * width + right for down, right in FOUR + CORNERS])
    at = np.flatnonzero(flat)
    beside = flat[at[:, None] + offsets]
    ends = at[beside.sum(1) == 1]

    here, before = ends.copy(), np.full(len(ends), -1)
    steps = np.zeros(len(ends), int)
    for _ in range(BACK):  # back along each line, until it forks or ends
        next_ = here[:, None] + offsets
        ways = flat[next_] & (next_ != before[:, None]) & ~np.isin(next_ - before[:, None], offsets)
        goes = ways.sum(1) == 1
        following = next_[np.arange(len(here)), ways.argmax(1)]
        before, here = np.where(goes, here, before), np.where(goes, following, here)
        steps += goes
    keep = steps >= LEAST
    ends, here = (np.stack(np.divmod(side[keep], width), 1) - BACK - 1 for side in (ends, here))
    towards = (ends - here).astype(np.float64)
    return ends, towards / np.maximum(np.hypot(*towards.T), 1e-9)[:, None]
