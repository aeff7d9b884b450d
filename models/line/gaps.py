"""Gaps in lines: two ends that point at each other are joined, so that what a line encloses can be filled."""

import math

import torch
import torch.nn.functional as F

from .skeleton import AROUND, ends_and_forks, thinned

INK = 0.5  # lines below this count as ink
BACK = 10  # px of a line that tell where its end points
SHORTEST = 3  # px; a shorter piece has no direction
ALIGNED = 0.5  # cosine of the widest angle between where an end points and the way to its partner
WIDEST = 12  # px, half of the widest line that is measured
THINNEST = 0.75  # px, half of the thinnest line that is ink wherever it lies between pixels
COMPARED = 256  # ends that are compared with all others at a time
DRAWN = 16  # pairs that are joined at a time


def close_gaps(lines, reach):
    """Lines (B, H, W), 0 = ink, with open ends joined over gaps of up to `reach` px.

    Each end is joined with one other at most, in the widths and tones of the two. Ends near the side of another
    line, dots, and ends that point elsewhere stay as they are.
    """
    lines = lines.clone()
    for picture in lines:
        ends, forward = open_ends(picture < INK)
        if len(ends):
            ends, half, tone = measured(picture, ends, forward)
            pairs = partners(ends, forward, half, reach)
            near = paper_between(picture, ends[pairs]) <= reach
            for some in pairs[near].split(DRAWN):
                draw(picture, ends[some], forward[some], half[some], tone[some])
    return lines


def open_ends(ink):
    """Where lines of ink (H, W) end: (n, 2) in px, row first, and the unit vectors out of them."""
    core = thinned(ink[None])[0]
    ends, forks = ends_and_forks(core)
    ends = ends.nonzero()
    if not len(ends):
        return ends, ends
    path, length = walked_back(core, forks, ends, 2 * WIDEST)
    last = path[torch.arange(len(path), device=path.device), length]
    spur = forks[last.unbind(1)] & (length <= 1.5 * depths(ink, last) + 1)  # to the corner of a wide line
    steps = torch.arange(path.shape[1], device=path.device)
    core[path[spur[:, None] & (steps < length[:, None])].unbind(1)] = False

    ends, forks = ends_and_forks(core)
    ends = ends.nonzero()
    path, length = walked_back(core, forks, ends, BACK)
    ends, path = ends[length >= SHORTEST].float(), path[length >= SHORTEST]
    return ends, F.normalize(ends - path[:, -1], dim=1)


def walked_back(core, forks, ends, steps):
    """Paths (n, steps + 1, 2) from ends into lines of one px (H, W), up to where these fork or stop; their lengths."""
    padded = F.pad(core, (1, 1, 1, 1))
    around = torch.tensor(sorted(AROUND, key=lambda step: abs(step[0]) + abs(step[1])), device=core.device)
    at, before, length, path = ends, torch.full_like(ends, -9), torch.zeros_like(ends[:, 0]), [ends]
    for _ in range(steps):
        near = at[:, None] + around  # (n, 8, 2)
        free = padded[(near + 1).unbind(-1)] & ((near - before[:, None]).abs().amax(-1) > 1)
        goes = free.any(1) & ~forks[at.unbind(-1)]
        following = near[torch.arange(len(at), device=at.device), free.int().argmax(1)]
        at, before = torch.where(goes[:, None], following, at), torch.where(goes[:, None], at, before)
        length = length + goes
        path.append(at)
    return torch.stack(path, 1), length


def depths(ink, at):
    """How far places (n, 2) lie from the edge of the ink (H, W), in px."""
    side = torch.arange(-WIDEST, WIDEST + 1, device=ink.device)
    window = torch.cartesian_prod(side, side)
    paper = ~F.pad(ink, [WIDEST] * 4, value=True)[(at[:, None] + window + WIDEST).unbind(-1)]
    return window.float().norm(dim=1).where(paper, WIDEST).amin(1) - 0.5


def measured(picture, ends, forward):
    """Ends (n, 2) of lines (H, W) moved to the middle of their line, half its width (n,) in px and its tone (n,)."""
    inside = ends - SHORTEST * forward
    normal = forward.flip(1) * forward.new_tensor([-1, 1])
    limits = torch.tensor(picture.shape, device=picture.device) - 1
    steps = torch.arange(-2 * WIDEST, 2 * WIDEST + 1, device=picture.device)[:, None] / 2
    places = (inside[:, None] + steps * normal[:, None]).round().long()
    dark = 1 - picture[places.clamp(min=0).minimum(limits).unbind(-1)]  # (n, steps)
    middle = dark[:, 2 * WIDEST - 2 : 2 * WIDEST + 3].amax(1, keepdim=True)
    sides = dark[:, : 2 * WIDEST].flip(1), dark[:, 2 * WIDEST + 1 :]
    less, more = ((side / middle).clamp(max=1).cummin(1).values.sum(1) / 2 + 0.25 for side in sides)  # up to the paper
    narrow = torch.minimum(less, more)  # the other side may run on along another line
    less, more = less.minimum(2 * narrow + 1), more.minimum(2 * narrow + 1)
    return ends + normal * ((more - less) / 2)[:, None], ((less + more) / 2).clamp(min=THINNEST), 1 - middle[:, 0]


def partners(ends, forward, half, reach):
    """Pairs (m, 2) of numbers of ends, each the other's nearest of those that it points at and that point at it."""
    nearest, number = [], torch.arange(len(ends), device=ends.device)
    for some in number.split(COMPARED):
        way = ends - ends[some, None]  # (some, n, 2)
        distance = way.norm(dim=2)
        out = (way * forward[some, None]).sum(2) / distance
        back = -(way * forward).sum(2) / distance
        fits = (distance - half - half[some, None] <= reach) & (out >= ALIGNED) & (back >= ALIGNED)
        nearest.append((distance * (3 - out - back)).where(fits, math.inf).min(1))
    cost, other = (torch.cat(parts) for parts in zip(*nearest, strict=True))
    mutual = cost.isfinite() & (other[other] == number) & (number < other)
    return torch.stack([number, other], 1)[mutual]


def paper_between(picture, ends):
    """How many px of the way between pairs of ends (m, 2, 2) in lines (H, W) are no ink, (m,)."""
    way = ends[:, 1] - ends[:, 0]
    places = ends[:, :1] + torch.linspace(0, 1, 65, device=picture.device)[:, None] * way[:, None]
    limits = torch.tensor(picture.shape, device=picture.device) - 1
    paper = picture[places.round().long().clamp(min=0).minimum(limits).unbind(-1)] >= INK
    return paper.float().mean(1) * way.norm(dim=1)


def draw(picture, ends, forward, half, tone):
    """Smooth strokes into lines (H, W) between pairs of ends (m, 2, 2), as wide and dark as these (m, 2)."""
    if not len(ends):
        return
    (a, b), length = ends.unbind(1), (ends[:, 1] - ends[:, 0]).norm(dim=1, keepdim=True)
    t = torch.linspace(0, 1, 2 * math.ceil(float(length.max())) + 1, device=picture.device)[:, None, None]
    # half as long as for a round stroke: in a bend, a direction taken over BACK px points too far outwards
    leaving, arriving = forward[:, 0] * length / 2, -forward[:, 1] * length / 2
    smooth = t * t * (3 - 2 * t)
    path = a + smooth * (b - a) + t * (1 - t) ** 2 * leaving - t * t * (1 - t) * arriving  # Hermite's cubic
    radius, tone = (pair[:, 0] + t[..., 0] * (pair[:, 1] - pair[:, 0]) for pair in (half, tone))  # (steps, m)
    side = torch.arange(-WIDEST - 1, WIDEST + 2, device=picture.device)
    brush = torch.cartesian_prod(side, side)
    brush = brush[brush.abs().amax(1) <= float(radius.max()) + 1]
    place = path.round().long()[:, :, None] + brush  # (steps, m, brush, 2)
    cover = (radius[..., None] + 0.5 - (place - path[:, :, None]).norm(dim=-1)).clamp(0, 1)
    value = 1 - cover * (1 - tone[..., None])
    row, column = place.unbind(-1)
    inside = (row >= 0) & (row < picture.shape[0]) & (column >= 0) & (column < picture.shape[1])
    index = row * picture.shape[1] + column
    picture.view(-1).scatter_reduce_(0, index[inside], value[inside], "amin")
