"""Procedural pictures: characters, objects and backgrounds from random curves, free of anybody's art.

`draw_scene` is the one entry. All shapes live in picture units (short side 1, y down).
"""

import numpy as np

from .canvas import Canvas, smooth_noise
from .curves import blob, ellipse, lock, polygon, smooth
from .figures import draw_character, place
from .palette import Style, any_colour


def draw_object(canvas, style, aspect):
    """One of: blob, polygon, bunch of strips, box with panels, plant, text-like marks."""
    rng = canvas.rng
    centre = np.array(aspect) * rng.uniform(0, 1, 2)
    size = rng.choice([rng.uniform(0.03, 0.12), rng.uniform(0.1, 0.4)])
    ink = rng.choice([0, 0.7, 1, 1.2], p=[0.15, 0.15, 0.5, 0.2])
    colour = any_colour(rng)
    kind = rng.integers(0, 7)
    if kind == 0:
        canvas.shape(
            blob(rng, centre, size * rng.uniform(0.5, 1, 2), rng.uniform(0, 0.5)),
            style.paint(colour, size),
            ink,
        )
    elif kind == 1:
        canvas.shape(polygon(rng, centre, size, rng.integers(3, 8)), style.paint(colour, size), ink)
    elif kind == 2:
        for _ in range(rng.integers(3, 12)):
            tip = centre + size * rng.normal(0, 1, 2)
            shade = np.clip(colour + rng.normal(0, 0.03, 3), 0, 1)
            canvas.shape(
                lock(rng, centre, tip, size * rng.uniform(0.05, 0.3), rng.uniform(-0.4, 0.4)),
                style.paint(shade, size),
                ink,
            )
    elif kind == 3:
        draw_box(canvas, style, centre, size, colour, ink)
    elif kind == 4:
        for _ in range(rng.integers(4, 14)):
            leaf = blob(rng, centre + size * rng.normal(0, 0.5, 2), size * rng.uniform(0.15, 0.4), 0.3, 7)
            canvas.shape(leaf, style.paint(np.clip(colour * rng.uniform(0.8, 1.15), 0, 1), size * 0.3), ink)
    elif kind == 5:
        for _ in range(rng.integers(2, 10)):
            points = centre + np.cumsum(rng.normal(0, size * 0.3, (rng.integers(3, 6), 2)), 0)
            canvas.line(smooth(points, 20, False), max(ink, 0.5), rng.random() < 0.7)
    else:
        rings = rng.integers(2, 5)
        for ring in range(rings):
            canvas.shape(ellipse(centre, size * (1 - ring / rings)), style.paint(any_colour(rng), size), ink)


def draw_box(canvas, style, centre, size, colour, ink):
    """A building, a window, a screen: a skewed rectangle divided in panels."""
    rng = canvas.rng
    half = size * rng.uniform(0.4, 1.5, 2)
    skew = rng.normal(0, 0.12, (2, 2)) + np.eye(2)
    corner = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    canvas.shape(centre + (corner * half) @ skew, style.paint(colour, size), ink)
    rows, columns = rng.integers(1, 5, 2)
    pane = any_colour(rng)
    if rows * columns == 1:
        return
    for row in range(rows):
        for column in range(columns):
            middle = (np.array([column + 0.5, row + 0.5]) / (columns, rows) * 2 - 1) * half
            panel = middle + corner * half / (columns, rows) * 0.75
            canvas.shape(centre + panel @ skew, style.paint(pane, size / rows), ink * 0.8)


def draw_background(canvas, style, aspect):
    """Flat paper, a gradient, or hills, floors, walls and clouds with or without ink."""
    rng = canvas.rng
    kind = rng.random()
    if kind < 0.2:
        canvas.colour[:] = 1 if rng.random() < 0.6 else any_colour(rng)
        return
    top, bottom = any_colour(rng), any_colour(rng)
    if rng.random() < 0.5:
        bottom = np.clip(top + rng.normal(0, 0.15, 3), 0, 1)
    ramp = np.linspace(0, 1, canvas.height, dtype=np.float32)[:, None, None]
    canvas.colour[:] = np.clip(top + (bottom - top) * ramp, 0, 1)
    if kind < 0.4:
        return
    ink = rng.choice([0, 0.6, 1])
    for _ in range(rng.integers(1, 5)):
        level = aspect[1] * rng.uniform(0.2, 0.95)
        x = np.linspace(-0.1, aspect[0] + 0.1, rng.integers(2, 9))
        ridge = np.stack([x, level + rng.normal(0, rng.choice([0.01, 0.06, 0.15]), len(x))], 1)
        ridge = smooth(ridge, 24, False) if rng.random() < 0.6 else ridge
        land = np.concatenate([ridge, [(aspect[0] + 0.1, aspect[1] + 0.2), (-0.1, aspect[1] + 0.2)]])
        canvas.shape(land, style.paint(any_colour(rng), 0.3), ink)
    for _ in range(rng.integers(0, 5)):
        draw_object(canvas, style, aspect)


def light_up(canvas):
    """The light of the whole picture: tint, vignette, soft glow, night."""
    rng = canvas.rng
    colour = canvas.colour
    if rng.random() < 0.35:
        colour *= (
            1 + rng.uniform(0, 0.35) * smooth_noise(rng, canvas.height, canvas.width, rng.integers(1, 4))[..., None]
        )
    if rng.random() < 0.25:
        tint = rng.uniform(0.55, 1.0, 3) if rng.random() < 0.6 else np.full(3, rng.uniform(0.35, 0.8))
        colour *= tint.astype(np.float32)
    if rng.random() < 0.25:
        target = any_colour(rng)
        colour += (target - colour) * rng.uniform(0, 0.3)
    np.clip(colour, 0, 1, out=colour)


def draw_scene(rng, height, width):
    """A picture as a Canvas: `colour` without ink (H, W, 3), `ink` coverage (H, W), `label` map (H, W)."""
    aspect = np.array([width, height]) / min(width, height)
    canvas = Canvas(rng, height, width, line_width=rng.choice([rng.uniform(0.6, 1.3), rng.uniform(1.2, 2.5)]))
    style = Style(rng)
    draw_background(canvas, style, aspect)
    kind = rng.random()
    if kind < 0.68:
        for _ in range(rng.choice([1, 1, 1, 2, 2, 3])):
            draw_character(canvas, style, place(rng, aspect))
        for _ in range(rng.integers(0, 4)):
            draw_object(canvas, style, aspect)
    else:
        for _ in range(rng.integers(6, 22)):
            draw_object(canvas, style, aspect)
    light_up(canvas)
    return canvas
