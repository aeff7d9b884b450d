"""Simulated colour strokes: what a person would draw over line art to say which colour goes where (numpy only)."""

import numpy as np


def draw_strokes(rng, picture, label, count):
    """Strokes over a picture (H, W, 3) 0..1: colours (H, W, 3) and mask (H, W), hard-edged.

    Each stroke wanders from a random pixel with a slowly turning heading. It either copies the picture under it,
    as strokes taken from a finished painting do, or carries one colour and stays on the region (label, H, W) that
    it starts on, as a person's does.
    """
    height, width = label.shape
    scale = min(height, width) / 128
    colours, mask = np.zeros_like(picture), np.zeros((height, width), np.float32)
    thick = rng.choice([0.5, 1, 1, 1.5, 2.2]) * scale
    reach = rng.choice([4, 12, 25]) * scale
    copies = rng.random() < 0.5
    disc = _disc(thick)
    for _ in range(count):
        start = np.array([rng.uniform(0, height), rng.uniform(0, width)])
        steps = int(np.clip(rng.gamma(2, reach / 2), 1, 60 * scale))
        heading = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.12, steps))
        path = start + np.cumsum(np.stack([np.sin(heading), np.cos(heading)], 1), 0)
        centre = np.clip(start.astype(int), 0, (height - 1, width - 1))
        pixels = (path[:, None] + disc).reshape(-1, 2).astype(int)
        pixels = pixels[((pixels >= 0) & (pixels < (height, width))).all(1)]
        y, x = pixels.T
        if not copies:
            stays = label[y, x] == label[tuple(centre)]
            y, x = y[stays], x[stays]
        if not len(y):
            continue
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
