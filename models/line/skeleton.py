"""Lines worn down to one pixel's width, and where such lines end.

Guo and Hall 1989: a pixel goes if that neither parts nor shortens what it belongs to.
"""

from functools import cache

import torch
import torch.nn.functional as F

AROUND = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))  # (down, right), clockwise from above


def thinned(ink, times=None):
    """Ink (B, H, W), bool, worn off that many times on all sides, or until nothing more goes."""
    padded = F.pad(ink, (1, 1, 1, 1))
    flat, width = padded.flatten(), padded.shape[-1]
    left, removable = flat.nonzero()[:, 0], [table.to(ink.device) for table in _tables()[:2]]
    while times is None or times > 0:
        before, times = len(left), times and times - 1
        for table in removable:
            gone = table[patterns(flat, left, width)]
            flat[left[gone]] = False
            left = left[~gone]
        if len(left) == before:
            break
    return flat.view(padded.shape)[:, 1:-1, 1:-1]


def patterns(flat, at, width):
    """For each of the places `at` in a flat plane, which of its neighbours are set: bit n for the nth of AROUND."""
    return sum(flat[at + down * width + right].long() << bit for bit, (down, right) in enumerate(AROUND))


def ends_and_forks(core):
    """Where lines of one pixel's width, (H, W), bool, end, and where they branch."""
    padded = F.pad(core, (1, 1, 1, 1))
    flat, found = padded.flatten(), []
    at = flat.nonzero()[:, 0]
    pattern = patterns(flat, at, padded.shape[-1])
    for table in _tables()[2:]:
        plane = torch.zeros_like(flat)
        plane[at] = table.to(core.device)[pattern]
        found.append(plane.view(padded.shape)[1:-1, 1:-1])
    return found


@cache
def _tables():
    """What the 256 patterns of neighbours mean: removable in the first half step, in the second, an end, a fork."""
    ring = (torch.arange(256)[None] >> torch.arange(8)[:, None] & 1).bool()
    n, ne, e, se, s, sw, w, nw = ring
    corners = (n, ne, e), (e, se, s), (s, sw, w), (w, nw, n)
    parts = sum((~a & (b | c)).int() for a, b, c in corners)
    pairs = sum((a | b).int() for a, b in ((nw, n), (ne, e), (se, s), (sw, w)))
    others = sum((a | b).int() for a, b in ((n, ne), (e, se), (s, sw), (w, nw)))
    count = torch.minimum(pairs, others)
    loose = (parts == 1) & (count >= 2) & (count <= 3)
    first, second = loose & ~((s | sw | ~nw) & w), loose & ~((n | ne | ~se) & e)
    branches = (~ring & ring.roll(-1, 0)).sum(0)
    return first, second, (parts == 1) & (count == 1), branches > 2
