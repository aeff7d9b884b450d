"""Simulated colour strokes: what a person would draw over line art to say which colour goes where (numpy only)."""

import numpy as np


def draw_strokes(rng, picture, label, count):
    """Strokes over a picture (H, W, 3) 0..1: colours (H, W, 3) and mask (H, W), hard-edged.

    Each stroke starts at a random pixel. It either copies the picture under it, as strokes taken from a finished
    painting do, or carries one colour and stays on the region (label, H, W) that it starts on, as a person's does.
    """
    height, width = label.shape
    starts = rng.integers(0, (height, width), (count, 2))
    return _strokes(rng, picture, label, starts, copies=rng.random() < 0.5)


def draw_one_each(rng, picture, label, least=24):
    """One stroke on every region of at least so many pixels, as a careful person draws them; same results."""
    regions, sizes = np.unique(label, return_counts=True)
    starts = [rng.choice(np.argwhere(label == region)) for region in regions[sizes >= least]]
    return _strokes(rng, picture, label, np.array(starts).reshape(-1, 2), copies=False)


def draw_points(rng, picture):
    """Single pixels of a picture as hints, a few in a thousand or fewer, as in Diffusart's training; same results."""
    threshold = 1 - abs(rng.normal(0, 0.005))
    mask = (rng.random(picture.shape[:2]) >= threshold).astype(np.float32)
    return picture * mask[..., None], mask


def _strokes(rng, picture, label, starts, copies):
    """Strokes of one hand: same brush, each wandering from its start with a slowly turning heading."""
    scale = min(label.shape) / 128
    colours, mask = np.zeros_like(picture), np.zeros(label.shape, np.float32)
    disc = _disc(rng.choice([0.5, 1, 1, 1.5, 2.2]) * scale)
    reach = rng.choice([4, 12, 25]) * scale
    for start in starts:
        steps = int(np.clip(rng.gamma(2, reach / 2), 1, 60 * scale))
        heading = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.12, steps))
        path = start + np.cumsum(np.stack([np.sin(heading), np.cos(heading)], 1), 0)
        pixels = (path[:, None] + disc).reshape(-1, 2).astype(int)
        y, x = pixels[((pixels >= 0) & (pixels < label.shape)).all(1)].T
        if not copies:
            stays = label[y, x] == label[tuple(start)]
            y, x = y[stays], x[stays]
        if len(y):
            mask[y, x] = 1
            colours[y, x] = picture[y, x] if copies else np.median(picture[y, x], 0)
    return colours, mask


def _disc(radius):
    reach = np.arange(-int(radius), int(radius) + 1)
    offsets = np.stack(np.meshgrid(reach, reach, indexing="ij"), -1).reshape(-1, 2)
    return offsets[(offsets**2).sum(1) <= radius**2 + 0.3]


def stroke_count(rng):
    """How many strokes a picture gets: often a couple of dozen, sometimes a few, sometimes none."""
    return int(
        rng.choice([0, rng.integers(1, 8), rng.integers(8, 40), rng.integers(30, 90)], p=[0.06, 0.2, 0.58, 0.16])
    )
