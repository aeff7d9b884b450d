"""Characters drawn twice: the same figures in the same colours, in another pose, place and size.

The second picture is what an artist has at hand for the first one: a model sheet, the frame before, another shot.
"""

import numpy as np

from .canvas import Canvas
from .curves import Pose, turned
from .figures import draw_character, place
from .palette import Style
from .scenes import draw_background, draw_object, light_up

PLANES = 8  # R, G, B without ink and coverage of the ink, of the drawing and then of its reference


class Bent(Pose):
    """A pose whose figure sways, leans and holds its arms in a way of its own."""

    def __init__(self, rng, centre, size, angle, flip, amount=1.0):
        super().__init__(centre, size, angle, flip)
        self.wave = rng.uniform(0.3, 1.1, (3, 2)) * rng.choice([-1, 1], (3, 2))  # radians per head
        self.phase = rng.uniform(0, 2 * np.pi, 3)
        self.sway = amount * rng.normal(0, 0.16, (3, 2))  # heads
        self.swing = amount * rng.normal(0, 0.8, 2)  # radians

    def __call__(self, points):
        points = np.asarray(points, float)
        return super().__call__(points + np.sin(points @ self.wave.T + self.phase) @ self.sway)

    def arm(self, side, shoulder, elbow, hand):
        return turned(np.array([elbow, hand]), shoulder, self.swing[(side + 1) // 2])


def repose(rng, pose, aspect):
    """The figure of `pose` another time: elsewhere, a little larger or smaller, sometimes from the other side."""
    size = np.clip(pose.size * np.exp(rng.normal(0, 0.3)), 0.06, 0.6)
    centre = np.array(aspect) * (rng.uniform(0.25, 0.75), rng.uniform(0.15, 0.5))
    return Bent(rng, centre, size, rng.normal(0, 0.25), rng.choice([-1, 1]))


def draw_pair(rng, height, width):
    """Two pictures as Canvases: one to 2 figures in both, the surroundings in both or in the first alone."""
    aspect = np.array([width, height]) / min(width, height)
    style, seeds = Style(rng), rng.integers(0, 2**63, 8)
    line_width = rng.choice([rng.uniform(0.6, 1.3), rng.uniform(1.2, 2.5)])
    poses = [place(rng, aspect) for _ in range(rng.choice([1, 1, 1, 2]))]
    objects = rng.integers(0, 4)
    shares_background, is_sheet = rng.random() < 0.6, rng.random() < 0.3
    canvases = []
    for take in range(2):
        canvas = Canvas(rng, height, width, line_width, grain=rng)
        if take and is_sheet:
            canvas.colour[:] = 1
        else:
            begin(canvas, style, seeds[0] if shares_background or not take else seeds[1])
            draw_background(canvas, style, aspect)
            for _ in range(objects):
                draw_object(canvas, style, aspect)
        for pose, seed in zip(poses, seeds[2:], strict=False):
            begin(canvas, style, seed)
            draw_character(canvas, style, repose(rng, pose, aspect) if take else pose)
        begin(canvas, style, seeds[7])
        light_up(canvas)
        canvases.append(canvas)
    return canvases


def begin(canvas, style, seed):
    """What is drawn from here on is decided by the seed."""
    canvas.rng = style.rng = np.random.default_rng(seed)


def pair(seed, size):
    """Planes (8, size, size) uint8 of one pair."""
    planes = [
        np.concatenate([canvas.colour.transpose(2, 0, 1), canvas.ink[None]])
        for canvas in draw_pair(np.random.default_rng(seed), size, size)
    ]
    return np.rint(np.concatenate(planes).clip(0, 1) * 255).astype(np.uint8)
