"""Cleaner line art: specks, faint strokes, line width, screentones. Lines are (B, H, W), 0 = ink, 1 = paper."""

import torch
import torch.nn.functional as F

from .blur import gaussian
from .components import areas, touching

INK = 0.5  # lines below this count as ink where a piece of ink is meant
TONE_REACH = 3.0  # sigma of the neighbourhood that tells a tone from single dots, in dot sizes
TONE_SHARE = 0.04  # of that neighbourhood covered by dots


def despeckle(lines, area):
    """Pieces of ink of fewer than `area` px turn to paper, with the soft edges around them."""
    return _each(lines, lambda ink: (areas(ink) < area) & ink)


def hysteresis(lines, faint, sure):
    """Ink of at least `faint` (0..1) stays where its piece holds ink of at least `sure`; all else is paper."""
    ink = 1 - lines
    kept = torch.stack([touching(one >= faint, one >= max(faint, sure)) for one in ink])
    return torch.where(kept, lines, 1)


def remove_screentone(lines, area):
    """Dots of at most `area` px turn to paper where many of them lie together; a single dot stays."""

    def dots(ink):
        small = (areas(ink) <= area) & ink
        density = gaussian(small[None].float(), TONE_REACH * area**0.5)[0]
        return small & (density > TONE_SHARE)

    return _each(lines, dots)


def _each(lines, unwanted):
    """Paper where `unwanted` says so of the ink (H, W) of each picture, and on the faint rim around it."""
    ink = lines < INK
    gone = torch.stack([unwanted(one) for one in ink])
    rim = F.max_pool2d(gone.float(), 3, stride=1, padding=1) > 0
    kept = F.max_pool2d((ink & ~gone).float(), 3, stride=1, padding=1) > 0
    return torch.where(rim & ~kept, 1, lines)


def thicken(lines, width):
    """Lines `width` px wider on each side, with round ends."""
    for size in range(width):
        if size % 2:  # a square and a cross in turn make an octagon
            lines = -F.max_pool2d(-lines, 3, stride=1, padding=1)
        else:
            upright = -F.max_pool2d(-lines, (3, 1), stride=1, padding=(1, 0))
            lines = torch.minimum(upright, -F.max_pool2d(-lines, (1, 3), stride=1, padding=(0, 1)))
    return lines


def thin(lines, width):
    """Lines `width` px narrower on each side, but never broken, and never thinner than one pixel.

    Guo and Hall 1989: a pixel goes if that neither parts nor shortens what it belongs to.
    """
    ink = lines < INK
    for _ in range(width):
        for half in (0, 1):
            ink = ink & ~_removable(ink, half)
    soft = F.max_pool2d(ink.float(), 3, stride=1, padding=1) > 0  # the rim keeps its grey
    return torch.where(ink | (soft & (lines >= INK)), lines, 1)


def _removable(ink, half):
    around = F.pad(ink, (1, 1, 1, 1))
    height, width = ink.shape[-2:]
    places = ((0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0), (0, 0))  # clockwise from above
    n, ne, e, se, s, sw, w, nw = (around[..., y : y + height, x : x + width] for y, x in places)
    corners = (n, ne, e), (e, se, s), (s, sw, w), (w, nw, n)
    parts = sum((~a & (b | c)).int() for a, b, c in corners)
    pairs = sum((a | b).int() for a, b in ((nw, n), (ne, e), (se, s), (sw, w)))
    others = sum((a | b).int() for a, b in ((n, ne), (e, se), (s, sw), (w, nw)))
    neighbours = torch.minimum(pairs, others)
    held = (n | ne | ~se) & e if half else (s | sw | ~nw) & w
    return ink & (parts == 1) & (neighbours >= 2) & (neighbours <= 3) & ~held
