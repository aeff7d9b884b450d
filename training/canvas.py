"""Painting with signed distances: closed curves become flat, shaded and inked layers of one picture (numpy only).

Every curve is a polygon in picture units (the short side is 1), so the same scene can be drawn at any size.
"""

from dataclasses import dataclass

import numpy as np


@dataclass
class Paint:
    """How one layer looks. Colours are RGB in 0..1."""

    colour: np.ndarray
    shadow: np.ndarray | None = None  # colour of the cel shadow; None = flat
    light: tuple = (0.0, 0.0)  # the shadow is the layer minus itself moved by this, picture units
    second: np.ndarray | None = None  # other end of a linear gradient
    direction: tuple = (0.0, 1.0)  # of that gradient
    texture: float = 0.0  # amplitude of soft noise
    softness: float = 0.0  # width of the shadow's edge, picture units


def smooth_noise(rng, height, width, cells, octaves=1):
    """Value noise in -1..1 of shape (height, width) with about `cells` bumps across the short side."""
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        n = max(1, int(cells * 2**octave))
        grid = rng.uniform(-1, 1, (n + 2, n + 2)).astype(np.float32)
        y = np.linspace(0, n, height, dtype=np.float32)[:, None]
        x = np.linspace(0, n, width, dtype=np.float32)[None]
        yi, xi = y.astype(int), x.astype(int)
        y, x = y - yi, x - xi
        y, x = y * y * (3 - 2 * y), x * x * (3 - 2 * x)
        top = grid[yi, xi] * (1 - x) + grid[yi, xi + 1] * x
        bottom = grid[yi + 1, xi] * (1 - x) + grid[yi + 1, xi + 1] * x
        total += (top * (1 - y) + bottom * y) / 2**octave
    return total / (2 - 2.0 ** (1 - octaves))


def polygon_distance(points, x, y):
    """Signed distance (negative inside) from the positions x (A,), y (A,) to a closed polygon (N, 2)."""
    a = points[:, None].astype(np.float32)  # (N, 1, 2)
    edge = np.roll(a, -1, 0) - a
    wx, wy = x[None] - a[..., 0], y[None] - a[..., 1]  # (N, A)
    ex, ey = edge[..., 0], edge[..., 1]
    along = np.clip((wx * ex + wy * ey) / (ex * ex + ey * ey + 1e-12), 0, 1)
    squared = ((wx - ex * along) ** 2 + (wy - ey * along) ** 2).min(0)
    starts_above, ends_above = a[..., 1] > y, np.roll(a[..., 1], -1, 0) > y
    left = wx * ey - wy * ex
    crossings = ((starts_above != ends_above) & ((left > 0) == ends_above)).sum(0)
    return np.sqrt(squared) * np.where(crossings % 2, -1, 1)


def polyline_distance(points, x, y):
    """Distance to an open polyline (N, 2) and the position along it in 0..1, each (A,)."""
    a = points[:-1, None].astype(np.float32)
    edge = points[1:, None].astype(np.float32) - a
    wx, wy = x[None] - a[..., 0], y[None] - a[..., 1]
    along = np.clip((wx * edge[..., 0] + wy * edge[..., 1]) / ((edge**2).sum(-1) + 1e-12), 0, 1)
    squared = (wx - edge[..., 0] * along) ** 2 + (wy - edge[..., 1] * along) ** 2
    nearest = squared.argmin(0)
    column = np.arange(len(x))
    return np.sqrt(squared[nearest, column]), (nearest + along[nearest, column]) / len(edge)


class Canvas:
    """A picture under construction: `colour` (H, W, 3), `ink` (H, W) coverage, `label` (H, W) topmost layer."""

    def __init__(self, rng, height, width, line_width, grain=None):
        self.rng, self.height, self.width = rng, height, width
        self.grain = grain  # draws textures; without it rng does, and what is cut off by the edge changes what follows
        self.scale = min(height, width)
        self.line_width = line_width  # pixels
        self.pressure = 1 + 0.5 * smooth_noise(rng, height, width, 5, 2)
        self.colour = np.ones((height, width, 3), np.float32)
        self.ink = np.zeros((height, width), np.float32)
        self.label = np.zeros((height, width), np.int32)
        self.layers = 0

    def _window(self, points, margin):
        low = np.floor((points.min(0) - margin) * self.scale).astype(int)
        high = np.ceil((points.max(0) + margin) * self.scale).astype(int) + 1
        x0, y0 = np.maximum(low, 0)
        x1, y1 = np.minimum(high, (self.width, self.height))
        if x1 <= x0 or y1 <= y0:
            return None
        y, x = np.mgrid[y0:y1, x0:x1].astype(np.float32)
        return (slice(y0, y1), slice(x0, x1)), (x + 0.5) / self.scale, (y + 0.5) / self.scale

    def shape(self, points, paint, ink=1.0):
        """Fill a closed polygon and ink its outline; `ink` scales the line width, 0 leaves it out."""
        self.layers += 1
        margin = (self.line_width + 2) / self.scale
        found = self._window(points, margin)
        if found is None:
            return
        window, x, y = found
        distance = polygon_distance(points, x.ravel(), y.ravel()).reshape(x.shape) * self.scale  # pixels
        cover = np.clip(0.5 - distance, 0, 1)
        self.label[window] = np.where(distance < 0, self.layers, self.label[window])
        colour = self._colour(points, paint, x, y, distance, window)
        self.colour[window] += (colour - self.colour[window]) * cover[..., None]
        self.ink[window] *= 1 - cover
        if ink:
            self._draw(window, np.abs(distance), ink)

    def line(self, points, ink=1.0, taper=True, inside=None):
        """Ink an open polyline; `inside` is the label that it must not leave."""
        found = self._window(points, (self.line_width + 2) / self.scale)
        if found is None:
            return
        window, x, y = found
        distance, along = polyline_distance(points, x.ravel(), y.ravel())
        distance = distance.reshape(x.shape) * self.scale
        if taper:
            ink = ink * np.sqrt(np.clip(4 * along * (1 - along), 0, 1)).reshape(x.shape)
        if inside is not None:
            ink = ink * (self.label[window] == inside)
        self._draw(window, distance, ink)

    def _draw(self, window, distance, ink):
        half = self.line_width * ink * self.pressure[window] / 2
        cover = np.clip(half - distance + 0.5, 0, 1) * np.clip(2 * half, 0, 1)
        self.ink[window] = np.maximum(self.ink[window], cover)

    def _colour(self, points, paint, x, y, distance, window):
        colour = np.broadcast_to(paint.colour.astype(np.float32), (*x.shape, 3))
        if paint.second is not None:
            low, high = points.min(0), points.max(0)
            ramp = sum(
                d * (c - lo) / (hi - lo + 1e-6) for d, c, lo, hi in zip(paint.direction, (x, y), low, high, strict=True)
            )
            colour = colour + (paint.second - colour) * np.clip(ramp, 0, 1)[..., None]
        if paint.shadow is not None:
            dx, dy = (round(d * self.scale) for d in paint.light)
            moved = np.roll(distance, (dy, dx), (0, 1))
            shade = np.clip(0.5 + moved / max(1, 2 * paint.softness * self.scale), 0, 1)
            colour = colour + (paint.shadow - colour) * shade[..., None]
        if paint.texture:
            grain = self.grain or self.rng
            noise = smooth_noise(grain, *x.shape, grain.integers(2, 8), 3)
            colour = colour + paint.texture * noise[..., None]
        return np.clip(colour, 0, 1)
