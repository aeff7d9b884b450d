"""Cleaner line art: specks, faint strokes, line width, screentones. Lines are (B, H, W), 0 = ink, 1 = paper."""

import torch
import torch.nn.functional as F

from .blur import gaussian
from .components import areas, touching
from .skeleton import thinned

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
    """Lines `width` px narrower on each side, but never broken, and never thinner than one pixel."""
    ink = thinned(lines < INK, width)
    soft = F.max_pool2d(ink.float(), 3, stride=1, padding=1) > 0  # the rim keeps its grey
    return torch.where(ink | (soft & (lines >= INK)), lines, 1)


def of_width(lines, width):
    """All lines `width` px wide, whatever they were; solid areas shrink to lines too."""
    core = torch.where(thinned(lines < INK), lines, 1)
    if width < 1:
        return 1 - (1 - core) * width
    grown = (width - 1) / 2
    whole = int(grown)
    return torch.lerp(thicken(core, whole), thicken(core, whole + 1), grown - whole)
