"""Colours as painters choose them, and a picture's way of shading them."""

import colorsys

import numpy as np

from .canvas import Paint
from .curves import TAU


def hsv(h, s, v):
    return np.array(colorsys.hsv_to_rgb(h % 1, min(max(s, 0), 1), min(max(v, 0), 1)), np.float32)


def any_colour(rng):
    """Mostly muted colours, some vivid, some near grey: the spread of painted pictures, not of a colour wheel."""
    kind = rng.random()
    if kind < 0.2:
        return hsv(rng.random(), rng.uniform(0, 0.12), rng.choice([rng.uniform(0.85, 1), rng.uniform(0.05, 0.8)]))
    if kind < 0.5:
        return hsv(rng.uniform(0, 0.17), rng.uniform(0.15, 0.7), rng.uniform(0.3, 1))
    return hsv(rng.random(), rng.beta(2, 2.5), rng.beta(3, 1.8))


def skin_colour(rng):
    light = rng.beta(4, 1.2)
    return hsv(rng.uniform(0.03, 0.09), 0.55 - 0.42 * light + rng.uniform(-0.05, 0.08), 0.35 + 0.64 * light)


def hair_colour(rng):
    return (
        any_colour(rng)
        if rng.random() < 0.5
        else hsv(rng.uniform(0.02, 0.13), rng.uniform(0.2, 0.7), rng.beta(1.5, 1.5))
    )


def shadow_of(rng, colour):
    """Darker, a little more saturated, hue pulled towards blue or red."""
    h, s, v = colorsys.rgb_to_hsv(*colour)
    return hsv(h + rng.uniform(-0.04, 0.04), s + rng.uniform(0, 0.2), v * rng.uniform(0.55, 0.9))


class Style:
    """What one artist would keep the same over a picture: how things are lit and shaded."""

    def __init__(self, rng):
        angle = rng.uniform(0, TAU)
        self.rng = rng
        self.light = np.array([np.cos(angle), np.sin(angle)])
        self.cel = rng.random() < 0.7
        self.softness = rng.choice([0, 0, 0, rng.uniform(0.01, 0.08)])
        self.gradient = rng.random() < 0.35
        self.texture = rng.choice([0, 0, 0, rng.uniform(0.01, 0.06)])

    def paint(self, colour, size=0.3, **kw):
        """A Paint in this style for a layer about `size` picture units wide."""
        rng = self.rng
        kw.setdefault("texture", self.texture)
        if self.cel and rng.random() < 0.8:
            depth = size * rng.uniform(0.05, 0.4)
            kw.setdefault("shadow", shadow_of(rng, colour))
            kw.setdefault("light", tuple(self.light * depth))
            kw.setdefault("softness", self.softness)
        if self.gradient and rng.random() < 0.4:
            kw.setdefault("second", np.clip(colour + rng.uniform(-0.3, 0.3, 3), 0, 1))
            kw.setdefault("direction", (0.0, 1.0) if rng.random() < 0.6 else (1.0, 0.0))
        return Paint(np.asarray(colour, np.float32), **kw)
