"""`run.py evaluate flats`: the share of exact colour against gap width and line style, beside plain fills."""

import argparse
import json
import warnings
from pathlib import Path

import numpy as np
import torch

from ..models.flats.flat import flat_colours
from ..models.flats.regions import regions
from ..models.geodesic.network import WALL
from ..models.geodesic.propagation import nearest_stroke
from .flats import GAPS, STYLES, flat_case

INK = 0.5  # lines darker than this stop a flood
EXACT = 0.99  # of its paper: a region counts as right from here on


def ours(case):
    painted = torch.from_numpy(case.palette[case.strokes])[None]
    found = regions(torch.from_numpy(case.line)[None, ..., None])
    flats = flat_colours(found, painted, torch.from_numpy(case.strokes > 0)[None].float())[0].numpy()
    code, known = (np.rint(colours * 255).astype(int) @ (1 << 16, 1 << 8, 1) for colours in (flats, case.palette))
    order = np.argsort(known)
    at = np.searchsorted(known[order], code).clip(max=len(known) - 1)
    return np.where(known[order][at] == code, order[at], 0)


def flood_fill(case):
    """A bucket on each stroke in turn; what none reaches stays paper."""
    from scipy import ndimage

    pieces, _ = ndimage.label(case.line > INK)
    out = case.strokes.copy()
    for stroke in np.unique(case.strokes[case.strokes > 0]):
        reached = np.unique(pieces[(case.strokes == stroke) & (pieces > 0)])
        out[np.isin(pieces, reached) & (case.strokes == 0)] = stroke
    return out


def nearest(case):
    from scipy import ndimage

    y, x = ndimage.distance_transform_edt(case.strokes == 0, return_indices=True)[1]
    return case.strokes[y, x]


def geodesic(case):
    line, mask = (torch.from_numpy(plane)[None].float() for plane in (case.line, case.strokes > 0))
    return case.strokes.ravel()[nearest_stroke(line, mask, WALL)[1][0].numpy()]


def watershed(case):
    from skimage.segmentation import watershed

    return watershed(1 - case.line, case.strokes)


def random_walker(case):
    """At half the size: at full size it takes longer than all others together."""
    from skimage.segmentation import random_walker

    known, number = np.unique(case.strokes, return_inverse=True)  # it wants its labels without holes
    line, strokes = (_halved(plane) for plane in (-case.line, number.reshape(case.strokes.shape)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of solvers that are not installed
        out = random_walker(-line, strokes, beta=1000, mode="cg_j", tol=1e-3)
    return known[out].repeat(2, 0).repeat(2, 1)[: case.line.shape[0], : case.line.shape[1]]


def _halved(plane):
    """The largest of every 2 x 2."""
    plane = np.pad(plane, [(0, side % 2) for side in plane.shape], mode="edge")
    return np.maximum.reduce([plane[y::2, x::2] for y in (0, 1) for x in (0, 1)])


METHODS = {
    "flood fill": flood_fill,
    "nearest stroke": nearest,
    "geodesic": geodesic,
    "watershed": watershed,
    "random walker": random_walker,
    "ours": ours,
}


def scores(case, out):
    """Shares of pixels, of paper and of regions in the exact colour; pixels unpainted; pixels of full ink changed."""
    right, paper = out == case.label, case.line > INK
    whole = np.bincount(case.label[paper], minlength=len(case.palette))
    good = np.bincount(case.label[paper & right], minlength=len(case.palette))
    coloured = case.palette[out] * case.line[..., None]
    return {
        "pixels": right.mean(),
        "paper": right[paper].mean(),
        "regions": (good >= EXACT * whole)[whole > 0].mean(),
        "unpainted": int((out == 0).sum()),
        "ink changed": int((coloured[case.line == 0] != 0).any(-1).sum()),
    }


def evaluate(arguments):
    parser = argparse.ArgumentParser(
        prog="run.py evaluate flats",
        description="Share of exactly coloured pixels against baselines, by width of the gaps and style of the lines.",
    )
    parser.add_argument("--out", type=Path, default=Path("out/evaluate"), help="the tables [%(default)s]")
    parser.add_argument("--count", type=int, default=4, help="pictures for each row [%(default)s]")
    parser.add_argument("--size", type=int, default=512, help="side in px; gaps are up to 16 px wide [%(default)s]")
    options = parser.parse_args(arguments)
    measure(options.count, options.size, options.out)
    return 0


def measure(count, size, out):
    """Prints and keeps the table; returns {style: {gap: {method: {measure: mean}}}}."""
    out.mkdir(parents=True, exist_ok=True)
    text = f"{count} pictures of {size} px, default settings: pixels (regions) in exactly the colour they have\n\n"
    text += f"| lines | gap | {' | '.join(METHODS)} |\n" + "|---" * (len(METHODS) + 2) + "|\n"
    print(text, end="", flush=True)
    found = {}
    for style in STYLES:
        for gap in GAPS:
            cases = [flat_case(seed, size, gap, style) for seed in range(count)]
            row = {name: _mean([scores(case, method(case)) for case in cases]) for name, method in METHODS.items()}
            found.setdefault(style, {})[gap] = row
            cells = (f"{value['pixels']:.2%} ({value['regions']:.0%})" for value in row.values())
            line = f"| {style} | {gap} px | {' | '.join(cells)} |\n"
            print(line, end="", flush=True)
            text += line
    rows = [row["ours"] for gaps in found.values() for row in gaps.values()]
    text += f"\nours: {sum(row['unpainted'] for row in rows):g} pixels unpainted or in a colour that no stroke has, "
    text += f"{sum(row['ink changed'] for row in rows):g} of full ink changed, in all rows\n"
    print(text.splitlines()[-1])
    (out / "flats.md").write_text(text, "utf-8")
    (out / "flats.json").write_text(json.dumps(found, indent=1), "utf-8")
    return found


def _mean(rows):
    return {measure: float(np.mean([row[measure] for row in rows])) for measure in rows[0]}
