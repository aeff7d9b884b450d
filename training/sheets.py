"""Model sheets: figures drawn again and again, with the paint of every pixel, whatever the pose.

A figure is made of flat parts. Drawings go through the same steps as a user's: their regions come from the line art.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from ..models import tps
from ..models.flats.colour import decode, encode
from ..models.flats.regions import regions
from .canvas import Canvas, Paint
from .characters import begin, repose
from .curves import blob, ellipse, limb, polygon, turned
from .figures import draw_character, place
from .palette import Style
from .scenes import draw_background, draw_object

PARTS = ("skin", "hair", "shirt", "trousers", "shoes", "eye", "white", "belt", "gloves", "badge", "socks")
WHITE = 0xFFFFFF
HELD_OUT = 1_000_003  # seeds of evaluation begin here


@dataclass
class Figure:
    """Who is drawn: build, clothes and colours. All lengths are in heads of a figure about seven heads tall."""

    build: dict
    has: dict
    codes: dict
    strands: int

    @classmethod
    def random(cls, rng):
        build = {part: rng.uniform(0.8, 1.25) for part in ("head", "torso", "arm", "leg", "width", "hair")}
        has = {what: rng.random() < 0.5 for what in ("gloves", "belt", "badge", "socks", "skirt", "tails", "sleeves")}
        codes = dict(zip(PARTS, rng.choice(0xFFFFFF, len(PARTS), replace=False).tolist(), strict=True))
        return cls(build, has, codes | {"white": WHITE}, int(rng.integers(2, 6)))


class Shot:
    """How one drawing differs from the next: from near to far poses, mirrored, close, broken lines, things around."""

    def __init__(self, rng):
        self.amount = rng.uniform(0.2, 1.8)
        self.side = rng.choice([1, 1, 1, -1])
        self.size = np.exp(rng.uniform(-0.4, 0.45))
        self.look_at = 0.0, rng.uniform(-0.5, 0.5)  # in heads from the middle of the figure
        if rng.random() < 0.3:
            self.size, self.look_at = rng.uniform(1.6, 3), (rng.uniform(-1, 1), rng.uniform(-3, 1))
        self.angle = rng.normal(0, 0.12)
        self.width = np.exp(rng.uniform(-0.5, 0.7))
        self.holes = rng.choice([0, 0, rng.integers(1, 25)])
        self.things = rng.choice([0, 0, 1, 2, 3])
        self.gap = rng.choice([2, 2, 3, 4, 6])


class Take:
    """One drawing of a figure: a Canvas and the code of the paint of every pixel."""

    def __init__(self, figure, rng, size, shot=None):
        self.figure, self.rng, self.amount = figure, rng, shot.amount if shot else 1.0
        self.canvas = Canvas(rng, size, size, max(1.5, size / 200) * (shot.width if shot else 1))
        self.codes = [WHITE]
        self.middle = 0.5 + rng.uniform(-0.04, 0.04, 2) * self.amount
        self.zoom = rng.uniform(0.085, 0.11) * np.array([1 - rng.uniform(0, 0.25) * self.amount, 1])
        self.lean = rng.normal(0, 0.12) * self.amount
        self.angle = 0.0
        if shot is None:
            self._draw()
            return
        self.zoom = self.zoom * shot.size * (shot.side, 1)
        self.middle = self.middle - self.zoom * shot.look_at
        self.angle = shot.angle
        things = [rng.random() < 0.6 for _ in range(shot.things)]  # in front?
        for _ in range(things.count(False)):
            self._thing()
        self._draw()
        for _ in range(things.count(True)):
            self._thing()
        wear(self.canvas.ink, rng, shot)

    def put(self, points, part):
        self._put(np.asarray(points) * self.zoom + self.middle, self.figure.codes[part])

    def _put(self, points, code):
        points = turned(points, np.array([0.5, 0.5]), self.angle) if self.angle else points
        self.canvas.shape(points, Paint(decode(torch.tensor(code)).numpy()))
        self.codes.append(code)

    def _thing(self):
        """Something in the picture that is no part of the figure, in a paint of its own or in one of the figure's."""
        rng = self.rng
        code = int(rng.choice(0xFFFFFF)) if rng.random() < 0.7 else self.figure.codes[rng.choice(PARTS)]
        centre, radius = rng.uniform(0.1, 0.9, 2), rng.uniform(0.03, 0.16)
        self._put(blob(rng, centre, radius) if rng.random() < 0.5 else polygon(rng, centre, radius, 5), code)

    def sway(self, spread):
        return self.rng.normal(0, spread) * self.amount

    def _draw(self):
        build, has = self.figure.build, self.figure.has
        hip = np.array([0, 1.2])
        neck = turned(hip + (0, -2.2 * build["torso"]), hip, self.lean)
        head = turned(neck + (0, -build["head"]), neck, self.lean + self.sway(0.15))
        radius = 0.85 * build["head"]
        sides = (-1, 1) if self.rng.random() < 0.5 else (1, -1)
        self.put(ellipse(head + (0, 0.25 * build["hair"]), radius * np.array([1.3, 1.45 * build["hair"]])), "hair")
        self._arm(neck, sides[0])
        for side in sides:
            self._leg(hip, side)
        wide = build["width"]
        self.put(limb([neck, (neck + hip) / 2, hip], [0.75 * wide, 0.7 * wide, 0.62 * wide]), "shirt")
        if has["skirt"]:
            corners = (-0.62, -0.25), (0.62, -0.25), (1.1, 1.1), (-1.1, 1.1)
            self.put([hip + (x * wide, y) for x, y in corners], "trousers")
        if has["belt"]:
            self.put([hip + (x * wide, y) for x, y in ((-0.7, -0.35), (0.7, -0.35), (0.7, -0.1), (-0.7, -0.1))], "belt")
        if has["badge"]:
            self.put(ellipse(0.7 * neck + 0.3 * hip + (0.3, 0), 0.16), "badge")
        self.put(limb([neck + (0, 0.2), neck, head], [0.25, 0.25, 0.25]), "skin")
        self._face(head, radius)
        self._arm(neck, sides[1])

    def _face(self, head, radius):
        look, strands = self.sway(0.15), self.figure.strands
        self.put(ellipse(head, radius * np.array([1, 1.1])), "skin")
        for side in (-1, 1):
            centre = head + (side * 0.35 * radius + look, 0.1)
            self.put(ellipse(centre, radius * np.array([0.22, 0.26])), "white")
            self.put(ellipse(centre + (0.3 * look, 0), radius * np.array([0.12, 0.16])), "eye")
        for left, right in zip(
            *(np.linspace(-1.05, 1.05, strands + 1)[part] for part in (slice(-1), slice(1, None))), strict=True
        ):
            tip = (left + right) / 2 + 0.5 * look / radius, 0.05 + 0.2 * self.sway(1)
            roots = [(0.9 * x, 0.2 * abs(x) - 1) for x in (left, right)]
            self.put([head + radius * np.array(p) for p in ((left, -0.35), *roots, (right, -0.35), tip)], "hair")
        if self.figure.has["tails"]:
            for side in (-1, 1):
                self.put(ellipse(head + (side * 1.2 * radius, 0.5), (0.3, 0.8 * self.figure.build["hair"])), "hair")

    def _arm(self, neck, side):
        has, length = self.figure.has, self.figure.build["arm"]
        shoulder = turned(neck + (side * 0.75 * self.figure.build["width"], 0.35), neck, self.lean)
        elbow = turned(shoulder + (0, 1.2 * length), shoulder, -side * 0.35 + self.sway(0.6))
        hand = turned(elbow + (0, 1.1 * length), elbow, -side * 0.2 + self.sway(0.7))
        self.put(limb([shoulder, elbow], [0.3, 0.26]), "shirt")
        self.put(limb([elbow, hand], [0.24, 0.2]), "shirt" if has["sleeves"] else "skin")
        self.put(ellipse(hand, 0.28), "gloves" if has["gloves"] else "skin")

    def _leg(self, hip, side):
        has, length = self.figure.has, self.figure.build["leg"]
        top = hip + (side * 0.45 * self.figure.build["width"], 0)
        knee = turned(top + (0, 1.5 * length), top, -side * 0.1 + self.sway(0.3))
        foot = turned(knee + (0, 1.4 * length), knee, self.sway(0.25))
        self.put(limb([top, knee], [0.42 * self.figure.build["width"], 0.33]), "trousers")
        self.put(limb([knee, foot], [0.33, 0.25]), "skin" if has["skirt"] else "trousers")
        if has["socks"]:
            self.put(limb([0.3 * knee + 0.7 * foot, foot], [0.3, 0.27]), "socks")
        self.put(ellipse(foot + (0.15 * side, 0.15), (0.42, 0.25)), "shoes")

    def pictures(self):
        """Line art (1, H, W, 3) and the paint of every pixel as codes (H, W)."""
        return _pictures(self.canvas, self.codes)


class Coded(Canvas):
    """A Canvas that keeps the flat code of each layer's paint."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.codes = [WHITE]

    def shape(self, points, paint, ink=1.0):
        self.codes.append(int(encode(torch.as_tensor(np.asarray(paint.colour, np.float32)))))
        super().shape(points, paint, ink)


def characters(rng, count, size):
    """Drawings of one of the characters that colorizers are trained on, each (line (1, H, W, 3), codes (H, W), gap)."""
    aspect, style, seed = np.ones(2), Style(rng), rng.integers(0, 2**63)
    pose = place(rng, aspect)
    for take in range(count):
        shot = Shot(rng)
        canvas = Coded(rng, size, size, max(1.5, size / 200) * shot.width, grain=rng)
        begin(canvas, style, seed)
        draw_character(canvas, style, repose(rng, pose, aspect) if take else pose)
        wear(canvas.ink, rng, shot)
        yield *_pictures(canvas, canvas.codes), shot.gap


def scenes(rng, count, size):
    """Drawings of one picture full of things, bent as from one frame to the next, or seen from the other side."""
    aspect, style = np.ones(2), Style(rng)
    canvas = Coded(rng, size, size, max(1.5, size / 200) * np.exp(rng.uniform(-0.4, 0.4)))
    draw_background(canvas, style, aspect)
    for _ in range(rng.integers(1, 5)):
        draw_character(canvas, style, place(rng, aspect))
    for _ in range(rng.integers(0, 30)):
        draw_object(canvas, style, aspect)
    ink, codes = torch.from_numpy(canvas.ink)[None, None], torch.tensor(canvas.codes)[torch.from_numpy(canvas.label)]
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    for _ in range(count):
        shot = Shot(rng)
        source, target = tps.moved_grid(1, generator, reach=rng.uniform(0.02, 0.14))
        at = 2 * tps.grid(tps.fit(source, target), target, size, size) - 1
        at = at * torch.tensor([shot.side, 1.0]) * np.exp(rng.normal(0, 0.2)) + torch.from_numpy(rng.normal(0, 0.08, 2))
        bent = F.grid_sample(ink, at.float(), padding_mode="border", align_corners=False)[0, 0].numpy()
        wear(bent, rng, shot)
        seen = F.grid_sample(codes[None, None].double(), at, "nearest", "border", False)[0, 0].long()
        yield torch.from_numpy(1 - bent)[None, ..., None].expand(-1, -1, -1, 3), seen, shot.gap


def wear(ink, rng, shot):
    """Takes dots out of the ink (H, W) that the gap of the shot closes again."""
    drawn, reach = np.argwhere(ink > 0.5), 1 + (shot.gap > 3)
    for y, x in drawn[rng.integers(0, len(drawn), shot.holes)] if len(drawn) else ():
        ink[max(y - reach, 0) : y + reach, max(x - reach, 0) : x + reach] = 0


def _pictures(canvas, codes):
    line = torch.from_numpy(1 - canvas.ink)[None, ..., None].expand(-1, -1, -1, 3)
    return line, torch.tensor(codes)[torch.from_numpy(canvas.label).long()]


def figures(rng, count, size, wide=True):
    """Drawings of one Figure, each (line, codes, gap); without `wide` all are whole, upright and cleanly inked."""
    figure = Figure.random(rng)
    for _ in range(count):
        shot = Shot(rng) if wide else None
        yield *Take(figure, rng, size, shot).pictures(), shot.gap if wide else 2.0


def plain(rng, count, size):
    return figures(rng, count, size, wide=False)


KINDS = {"other pose": plain, "far pose": figures, "character": characters, "scene": scenes}


def takes(seed, count, size, kind="other pose"):
    """`count` drawings of one figure as (labels (H, W), the code of each region (n,)), regions found in its lines."""
    for line, codes, gap in KINDS[kind](np.random.default_rng(seed), count, size):
        labels = regions(line, gap=float(gap)).labels[0]
        yield labels.numpy(), true_paints(labels, codes, line[0, ..., 0])


def true_paints(labels, codes, white):
    """The paint (n,) that most of each region's paper has."""
    paints, which = codes.unique(return_inverse=True)
    votes = torch.zeros(int(labels.max()), len(paints))
    votes.view(-1).index_add_(0, ((labels.long() - 1) * len(paints) + which).flatten(), white.flatten() + 1e-3)
    return paints[votes.argmax(1)].numpy()
