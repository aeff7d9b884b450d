"""LazyBrush (Sýkora, Dingliana, Collins 2009): strokes share out the whole frame, and borders run along the ink.

Its energy counts what neighbours of different colour have between them: K for paper, next to nothing for ink, K being
more than any border along ink costs. So gaps close by themselves, without a width to choose. The cut is not taken on
the pixels but on a graph of the regions, of which most are settled by the stroke on them. Only where two colours meet
on paper does it go down to pixels: at gaps, and in regions that hold several colours, from blocks to pixels by halves.
Borders move until no cut of the pixels around them is cheaper. Up to 512 x 512 they look so far around that between two
colours the labels are those of the cut on all pixels, but for a few pixels at most (`run.py bench flats` counts them).
"""

import numpy as np

from .cut import settle
from .grid import CORNERS, FORWARD, FOUR, contacts, flood, per_pair, spread
from .ink import SHARE, level, toll

BLOCKS = 6_000  # at most so many to begin with where regions hold several colours
ROUNDS = 6  # of letting borders move on, pixel by pixel
FURTHER, EXACT = 8, 1 << 18  # px that they move further at last in pictures of so many px
POWER = 4  # of brightness, in what a border on it costs
SPILT = 0.25  # of a stroke's part in another region: a smaller part is a slip of the hand


class Energy:
    """What it costs to part neighbours of a frame whose ink (H, W) is 0..1."""

    def __init__(self, ink):
        self.width = ink.shape[1]
        self.bright = np.clip(1 - ink * (SHARE / level(ink)), 0, 1).ravel()
        self.paper = 2 * sum(ink.shape)

    def __call__(self, here, there):
        """Weights (N,) of pairs of the eight-neighbourhood, as flat indices; ink beside a diagonal counts as on it."""
        width = self.width
        across = here // width * width + there % width, there // width * width + here % width
        darkest = self.bright[here]
        for end in (there, *across):
            darkest = np.minimum(darkest, self.bright[end])
        length = np.where((across[0] == here) | (across[0] == there), 1, 0.5**0.5)
        return length * (1 + self.paper * darkest**POWER)


def paint(labels, ink, strokes, stroke=None, gap=0.0, done=lambda part: None):
    """The colour of every pixel, (H, W) int32 from 1.

    labels   regions (H, W) from 1
    ink      (H, W), 0..1
    strokes  (H, W) int, which colour is painted here, from 1; 0 = none. At least one pixel has some
    stroke   (H, W) int, which stroke of the hand that is part of: its slips into regions that another colour has are
             left out. None = every pixel of a stroke keeps its colour
    gap      px up to which borders may lie from where the regions have them
    done     called as the work goes on with the part of it that is done, 0..1
    """
    energy = Energy(ink)
    dry = ink < level(ink)
    fixed = _on_paper(strokes, dry)
    if stroke is not None:
        fixed = _without_slips(labels, fixed, stroke)
    fixed = held(labels, dry, fixed, round(gap))
    out, size = _by_regions(labels, energy, fixed)
    stages = iter(np.linspace(0, 1, size.bit_length() + 2 * ROUNDS + 2)[1:])
    done(next(stages))
    reach = round(gap / 2) + 3
    while size > 1:
        size //= 2
        _move_borders(out, labels, energy, dry, fixed, size, max(8 * size, reach))
        done(next(stages))
    for further in (reach, reach + FURTHER)[: 2 if out.size <= EXACT else 1]:
        moved = None
        for _ in range(ROUNDS):
            moved = _move_borders(out, labels, energy, dry, fixed, 1, further, moved)
            done(next(stages))
            if not moved.size:
                break
    return _under_ink(out, ink, dry, fixed)


def _on_paper(strokes, dry):
    """Strokes count where they are on paper; those of a colour that is nowhere else count on ink."""
    seen = np.zeros(strokes.max() + 1, bool)
    seen[strokes[dry]] = True
    return np.where(dry | ~seen[strokes], strokes, 0)


def _without_slips(labels, fixed, stroke):
    """Strokes without the small parts that reach into a region where another colour is at home."""
    at = np.flatnonzero(fixed)
    colour, hand, region = fixed.flat[at], stroke.flat[at], labels.flat[at]
    _, one, part, size = np.unique(
        hand.astype(np.int64) << 32 | region, return_index=True, return_inverse=True, return_counts=True
    )
    largest = np.zeros(hand.max() + 1, int)
    np.maximum.at(largest, hand[one], size)
    slip = size < SPILT * largest[hand[one]]
    home = np.zeros((2, labels.max() + 1), colour.dtype)  # lowest and highest colour at home, the lowest negated
    for row, sign in zip(home, (-1, 1), strict=True):
        row[:] = np.iinfo(row.dtype).min
        np.maximum.at(row, region[one][~slip], sign * colour[one][~slip])
    lowest, highest = -home[0][region[one]], home[1][region[one]]
    slip &= (highest > 0) & ((lowest != colour[one]) | (highest != colour[one]))
    out = fixed.copy()
    out.flat[at[slip[part]]] = 0
    return out


def held(labels, dry, fixed, reach):
    """Strokes and the paper up to `reach` px from them, in the regions in which they are.

    It is theirs: else a cut around a short stroke would be cheaper than one across a wide opening.
    """
    at = np.flatnonzero(fixed)
    own = np.unique(labels.flat[at].astype(np.int64) << 32 | fixed.flat[at])
    out = fixed.copy()
    spread(out, dry, reach)
    at = np.flatnonzero(out)
    out.flat[at[~np.isin(labels.flat[at].astype(np.int64) << 32 | out.flat[at], own)]] = 0
    return out


def _by_regions(labels, energy, fixed):
    """The cut on regions, of which those with several colours are in blocks.

    Returns the colours (H, W) and the side of the blocks in px.
    """
    at = np.flatnonzero(fixed)
    count = int(labels.max()) + 1
    region, colour = np.divmod(np.unique(labels.flat[at].astype(np.int64) << 32 | fixed.flat[at]), 1 << 32)
    several = np.bincount(region, minlength=count) > 1
    part, size = labels, 1
    known = np.zeros(count, np.int32)
    known[region] = colour
    known[several] = 0
    if several.any():
        part, shared = labels.astype(np.int64), several[labels]
        while shared.sum() > BLOCKS * size * size:
            size *= 2
        y, x = np.nonzero(shared)
        block = (part[y, x] << 40) | (y // size << 20) | (x // size)
        block, which = np.unique(block, return_inverse=True)
        part[y, x] = count + which
        part = np.where(shared & (fixed > 0), count + len(block) + fixed, part)
        known = np.concatenate([known, np.zeros(len(block), np.int32), np.arange(fixed.max() + 1, dtype=np.int32)])
    here, there = contacts(part)
    edges = per_pair(part.flat[here], part.flat[there], energy(here, there))
    return settle(*edges, known)[part], size


def _move_borders(out, labels, energy, dry, fixed, size, reach, lately=None):
    """Let borders on paper move up to `reach` px, along blocks of `size` px, to where they are cheapest, in place.

    Returns the pixels (flat indices) of another colour than before. Those of the last time, `lately`, tell which
    borders can move again; None = all.
    """
    here, there = contacts(out, FOUR[:2])
    meet = dry.flat[here] & dry.flat[there]
    if lately is not None:
        meet &= np.isin(here, _around(lately, reach + 1, out.shape))
    at = _around(np.concatenate([here[meet], there[meet]]), reach, out.shape, size)
    at = at[(fixed.flat[at] == 0) & (dry.flat[at] | (size == 1))]
    if not at.size:
        return at
    node = np.zeros(out.size, np.int32)  # from 1; 0 = stays
    height, width = out.shape
    y, x = np.divmod(at, width)
    if size > 1:
        block = labels.flat[at].astype(np.int64) * (int(out.max()) + 1) + out.flat[at]
        block = (block * (height // size + 1) + y // size) * (width // size + 1) + x // size
        node[at] = np.unique(block, return_inverse=True)[1] + 1
    else:
        node[at] = np.arange(1, len(at) + 1)
    count = int(node[at].max()) + 1

    edges = []
    for down, right in FOUR + CORNERS:
        inside = (y + down >= 0) & (y + down < height) & (x + right >= 0) & (x + right < width)
        here = at[inside]
        there = here + down * width + right
        once = (node[there] == 0) | ((down, right) in FORWARD)
        here, there = here[once], there[once]
        other = np.where(node[there] > 0, node[there], count + out.flat[there])
        apart = node[here] != other
        here, there, other = here[apart], there[apart], other[apart]
        edges.append((node[here], other.astype(np.int32), energy(here, there)))
    edges = per_pair(*map(np.concatenate, zip(*edges, strict=True)))
    known = np.concatenate([np.zeros(count, np.int32), np.arange(out.max() + 1, dtype=np.int32)])
    new = settle(*edges, known)[node[at]]
    new = np.where(new > 0, new, out.flat[at])
    moved = at[new != out.flat[at]]
    out.flat[at] = new
    return moved


def _around(pixels, reach, shape, size=1):
    """The pixels (flat indices) of the blocks of `size` px within `reach` px of those given."""
    reach = -(-reach // size)
    area = np.zeros([-(-side // size) + 2 * reach for side in shape], bool)
    y, x = np.divmod(pixels, shape[1])
    at = np.unique((y // size + reach) * area.shape[1] + x // size + reach)
    for down in range(-reach, reach + 1):
        across = int((reach**2 - down**2) ** 0.5)
        for right in range(-across, across + 1):
            area.flat[at + down * area.shape[1] + right] = True
    area = area[reach:-reach, reach:-reach]
    return np.flatnonzero(area.repeat(size, 0).repeat(size, 1)[: shape[0], : shape[1]])


def _under_ink(out, ink, dry, fixed):
    """Ink without a stroke in the colour of the paper that has least ink between."""
    wet = ~dry & (fixed == 0)
    if dry.any():
        out[wet] = 0
        flood(out, wet, toll(ink))
    return out
