"""How many regions of a new drawing get their exact colour from a model sheet: figures drawn again and again.

A figure is made of flat parts, so the paint of every pixel is known in every pose. Drawing and sheet go through the
same steps as a user's: regions from the line art, dominant colours, matching.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ..models.flats import sheet
from ..models.flats.colour import decode
from ..models.flats.regions import regions
from .canvas import Canvas, Paint
from .curves import ellipse, limb, turned

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


class Take:
    """One drawing of a figure: a Canvas and the code of the paint of every pixel."""

    def __init__(self, figure, rng, size, amount=1.0):
        self.figure, self.rng, self.amount = figure, rng, amount
        self.canvas = Canvas(rng, size, size, max(1.5, size / 200))
        self.codes = [WHITE]
        self.middle = 0.5 + rng.uniform(-0.04, 0.04, 2) * amount
        self.zoom = rng.uniform(0.085, 0.11) * np.array([1 - rng.uniform(0, 0.25) * amount, 1])
        self.lean = rng.normal(0, 0.12) * amount
        self._draw()

    def put(self, points, part):
        code = self.figure.codes[part]
        colour = decode(torch.tensor(code)).numpy()
        self.canvas.shape(np.asarray(points) * self.zoom + self.middle, Paint(colour))
        self.codes.append(code)

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
        line = torch.from_numpy(1 - self.canvas.ink)[None, ..., None].expand(-1, -1, -1, 3)
        return line, torch.tensor(self.codes)[torch.from_numpy(self.canvas.label).long()]


def takes(seed, count, size):
    """`count` drawings of one figure as (labels (H, W), the code of each region (n,)), regions found in its lines."""
    rng = np.random.default_rng(seed)
    figure = Figure.random(rng)
    for _ in range(count):
        line, codes = Take(figure, rng, size).pictures()
        labels = regions(line, gap=2.0).labels[0]
        yield labels.numpy(), true_paints(labels, codes, line[0, ..., 0])


def true_paints(labels, codes, white):
    """The paint (n,) that most of each region's paper has."""
    paints, which = codes.unique(return_inverse=True)
    votes = torch.zeros(int(labels.max()), len(paints))
    votes.view(-1).index_add_(0, ((labels.long() - 1) * len(paints) + which).flatten(), white.flatten() + 1e-3)
    return paints[votes.argmax(1)].numpy()


def by_place(labels, sheets):
    """Baseline: the region at the nearest place of the figure."""
    new, (known, codes) = sheet.describe(labels), sheets[0]
    places = sheet.describe(known).features[:, :2]
    nearest = np.linalg.norm(new.features[:, None, :2] - places, axis=2).argmin(1)
    return codes[nearest], np.ones(len(nearest))


METHODS = {"nearest place": by_place, "ours": sheet.transfer}


def scores(count, size, frames, sure=0.5):
    """{method: measures} over `count` held-out figures, each with a new drawing and a sheet of `frames` drawings."""
    found = {name: [] for name in METHODS}
    for seed in range(HELD_OUT, HELD_OUT + count):
        (labels, truth), *known = takes(seed, frames + 1, size)
        areas = np.bincount(labels.ravel())[1:]
        for name, method in METHODS.items():
            codes, confidence = method(labels, known)
            found[name].append((codes == truth, confidence >= sure, areas))
    return {name: _measures(*map(np.concatenate, zip(*rows, strict=True))) for name, rows in found.items()}


def _measures(right, painted, areas):
    return {
        "regions right": right.mean(),
        "pixels right": (right * areas).sum() / areas.sum(),
        "regions painted": painted.mean(),
        "of those right": right[painted].mean(),
    }


def evaluate(arguments):
    parser = argparse.ArgumentParser(
        prog="run.py evaluate sheet",
        description="Regions of a new drawing that get exactly the right colour from a model sheet, beside a baseline.",
    )
    parser.add_argument("--out", type=Path, default=Path("out/evaluate"), help="folder of the tables [%(default)s]")
    parser.add_argument("--count", type=int, default=48, help="held-out figures [%(default)s]")
    parser.add_argument("--size", type=int, default=320, help="side of the drawings in px [%(default)s]")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    report(options.count, options.size, options.out)
    return 0


def report(count, size, out):
    """Prints and keeps the table of sheets of one and of three drawings."""
    tables = {f"{frames} drawings" if frames > 1 else "1 drawing": scores(count, size, frames) for frames in (1, 3)}
    lines = [f"sheet to new drawing, {count} figures of {size} px", ""]
    for sheets, table in tables.items():
        measures = list(next(iter(table.values())))
        lines += [f"| sheet of {sheets} | {' | '.join(measures)} |", "|---" * (len(measures) + 1) + "|"]
        lines += [f"| {name} | {' | '.join(f'{row[key]:.3f}' for key in measures)} |" for name, row in table.items()]
        lines.append("")
    print("\n".join(lines), flush=True)
    (out / "sheet.md").write_text("\n".join(lines), "utf-8")
    (out / "sheet.json").write_text(json.dumps(tables, indent=1, default=float), "utf-8")
