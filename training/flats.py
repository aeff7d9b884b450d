"""Flat pictures with exact truth: layered shapes with outlines that have gaps of a known width, and strokes (numpy).

Everything is in pixels, so that a gap of 8 px is one of 8 px at every size.
"""

from dataclasses import dataclass

import numpy as np
import torch

from ..models.line import xdog
from .canvas import smooth_noise
from .curves import TAU, blob, lock, polygon
from .linestyles import soften

GAPS = (0, 2, 4, 8, 16)  # px
STYLES = ("binary", "anti-aliased", "pencil", "broken", "XDoG")
SHAPES = 9, 14
BETWEEN_GAPS = 110  # px of outline to a gap, on average
BETWEEN_DASHES, DASH = 30, 4  # px: broken lines have gaps of this width besides
SMALLEST = 60  # px of paper: a narrow place that is smaller gets no stroke


@dataclass
class FlatCase:
    line: np.ndarray  # (H, W) 0..1
    strokes: np.ndarray  # (H, W) int, the label that is painted here, 0 = none
    label: np.ndarray  # (H, W) int from 1, under the ink too
    palette: np.ndarray  # (n + 1, 3) 0..1, by label


def flat_case(seed, size, gap, style, shapes=SHAPES):
    """A case of `shapes` (from, below) outlines; geometry, colours, strokes depend on them, the seed and the size."""
    rng = np.random.default_rng((seed, size))
    outlines = list(_shapes(rng, size, shapes))
    label, ink = np.ones((size, size), np.int32), np.zeros((size, size), np.float32)
    whole = ink.copy()
    width = rng.uniform(1.6, 3.2)
    for number, outline in enumerate(outlines, 2):
        inside = fill(outline, size)
        label[inside] = number
        distance, along, length = outline_distance(outline, size, width + 2)
        cover = np.clip(width / 2 - distance + 0.5, 0, 1)
        places, dashes = (_along(rng, length, between) for between in (BETWEEN_GAPS, BETWEEN_DASHES))
        whole = np.maximum(np.where(inside, 0, whole), cover)
        cut = _cut(along, length, places, gap)
        if style == "broken":
            cut = np.minimum(cut, _cut(along, length, dashes, DASH))
        ink = np.maximum(np.where(inside, 0, ink), cover * cut)
    label = _numbered(label)
    palette = _palette(rng, label.max() + 1)
    strokes = _strokes(rng, label, whole)
    return FlatCase(_styled(rng, palette[label], ink, style), strokes, label, palette)


def _shapes(rng, size, shapes):
    for _ in range(rng.integers(*shapes)):
        centre, radius = rng.uniform(0, size, 2), size * rng.uniform(0.07, 0.22)
        kind = rng.integers(0, 4)
        if kind == 0:
            points = polygon(rng, centre, radius, rng.integers(3, 7))
        elif kind == 1:
            tip = centre + 2.5 * radius * np.array([np.cos(a := rng.uniform(0, TAU)), np.sin(a)])
            points = lock(rng, centre, tip, radius * rng.uniform(0.2, 0.5), rng.uniform(-0.4, 0.4))
        else:
            points = blob(rng, centre, radius * rng.uniform(0.5, 1, 2), rng.uniform(0, 0.4))
        yield points


def _along(rng, length, between):
    """Places on an outline, about so many px from each other."""
    count = max(1, round(length / between))
    return (np.arange(count) + rng.uniform(0.2, 0.8, count)) * length / count


def fill(points, size):
    """Pixels (size, size) whose centres lie inside a closed polygon (N, 2), by counting its crossings of their rows."""
    turns = np.zeros((size, size + 1), np.int32)
    for (ax, ay), (bx, by) in zip(points, np.roll(points, -1, 0), strict=True):
        (ax, ay), (bx, by) = sorted([(ax, ay), (bx, by)], key=lambda p: p[1])
        rows = np.arange(max(0, int(np.ceil(ay - 0.5))), min(size, int(np.ceil(by - 0.5))))
        if rows.size:
            at = ax + (rows + 0.5 - ay) * (bx - ax) / (by - ay)
            np.add.at(turns, (rows, np.clip(np.ceil(at - 0.5), 0, size).astype(int)), 1)
    return turns.cumsum(1)[:, :size] % 2 > 0


def outline_distance(points, size, reach):
    """Distance of pixels to a closed polygon up to `reach` px (infinite beyond), position along it and length in px."""
    distance = np.full((size, size), np.inf, np.float32)
    along, start = np.zeros((size, size), np.float32), 0.0
    for a, b in zip(points, np.roll(points, -1, 0), strict=True):
        step = b - a
        length = float(np.hypot(*step))
        low = np.maximum(np.floor(np.minimum(a, b) - reach), 0).astype(int)
        high = np.minimum(np.ceil(np.maximum(a, b) + reach), size).astype(int)
        if length > 1e-6 and (high > low).all():
            window = slice(low[1], high[1]), slice(low[0], high[0])
            y, x = np.mgrid[window].astype(np.float32) + 0.5
            part = np.clip(((x - a[0]) * step[0] + (y - a[1]) * step[1]) / length**2, 0, 1)
            away = np.hypot(x - a[0] - part * step[0], y - a[1] - part * step[1])
            nearer = away < np.minimum(distance[window], reach)
            distance[window][nearer] = away[nearer]
            along[window][nearer] = (start + part * length)[nearer]
        start += length
    return distance, along, start


def _cut(along, length, places, gap):
    """What is left of a line (H, W), 0..1, with gaps of so many px at some places along it."""
    left = np.ones(along.shape, np.float32)
    for place in places if gap else ():
        away = np.abs((along - place + length / 2) % length - length / 2)
        left = np.minimum(left, np.clip(away - gap / 2 + 0.5, 0, 1))
    return left


def _numbered(label):
    """Every connected part of a label as a label of its own, from 1."""
    from scipy import ndimage

    out, count = np.zeros_like(label), 0
    for one in np.unique(label):
        parts, found = ndimage.label(label == one)
        out[parts > 0] = parts[parts > 0] + count
        count += found
    return out


def _palette(rng, count):
    """8-bit colours (count, 3) as floats 0..1, all different and so light that XDoG takes none for ink."""
    levels = rng.choice(1000, count, replace=False)
    return ((np.stack([levels // 100, levels // 10 % 10, levels % 10], 1) + 11) * 12 / 255).astype(np.float32)


def _strokes(rng, label, ink):
    """One straight stroke on every place, of about its width, in its roomy part.

    A place is what whole lines enclose, but two places if the widest of the gaps is as wide as the way between them.
    """
    from scipy import ndimage

    strokes = np.zeros_like(label)
    paper = ink < 0.1
    rooms = ndimage.distance_transform_edt(paper)
    wide, count = ndimage.label(rooms > max(GAPS) / 2 + 1)
    pieces, found = ndimage.label(paper)
    narrow = ~np.isin(pieces, np.unique(pieces[wide > 0]))
    pieces = np.where(narrow & paper, pieces + count, wide)
    for piece in range(1, count + found + 1):
        own = pieces == piece
        if own.sum() < (1 if piece <= count else SMALLEST):
            continue
        one = np.bincount(label[own]).argmax()
        room = np.where(own, rooms, 0)
        core = np.argwhere(room >= 0.6 * room.max())
        start = core[rng.integers(len(core))]
        radius = np.clip(room[tuple(start)] - 1, 0, 3)
        best = start[None]
        for end in np.argwhere(room > radius)[rng.integers(0, (room > radius).sum(), 12)]:
            end = start + (end - start) * min(1, own.sum() ** 0.5 / (1e-6 + np.hypot(*(end - start))))
            path = np.rint(np.linspace(start, end, int(2 * np.hypot(*(end - start))) + 2)).astype(int)
            stays = room[tuple(path.T)] > radius
            path = path[: len(path) if stays.all() else stays.argmin()]
            best = max(best, path, key=len)
        reach = np.arange(-3, 4)
        disc = np.stack(np.meshgrid(reach, reach), -1).reshape(-1, 2)
        disc = disc[(disc**2).sum(1) <= radius**2]
        y, x = np.unique((best[:, None] + disc).reshape(-1, 2), axis=0).T
        inside = (y >= 0) & (x >= 0) & (y < label.shape[0]) & (x < label.shape[1])
        y, x = y[inside], x[inside]
        y, x = y[own[y, x]], x[own[y, x]]
        strokes[y, x] = one
    return strokes


def _styled(rng, colour, ink, style):
    """Line art (H, W) 0..1 from ink coverage (H, W) over colours (H, W, 3)."""
    if style == "binary":
        return 1 - (ink > 0.5).astype(np.float32)
    if style == "pencil":
        grain = smooth_noise(rng, *ink.shape, max(ink.shape) // 2)
        soft = soften((ink[..., None] * np.ones(3, np.float32)), 0.6)[..., 0]
        return 1 - (soft * (0.62 + 0.3 * grain)).clip(0, 1).astype(np.float32)
    if style == "XDoG":
        picture = torch.from_numpy((colour * (1 - ink[..., None])).astype(np.float32))[None]
        return xdog.xdog(picture, sigma=0.5, p=20, eps=0.4, phi=10)[0].clamp(0, 1).numpy()
    return 1 - ink
