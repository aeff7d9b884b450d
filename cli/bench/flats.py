"""Flats from strokes: against the cut of the same energy on every pixel, and against what one waits for, one thread."""

import tracemalloc
from dataclasses import replace

import numpy as np
import torch

from ...models.flats.cut import settle
from ...models.flats.flat import flat_colours
from ...models.flats.grid import FORWARD, flood, pairs
from ...models.flats.ink import level, toll
from ...models.flats.lazybrush import Energy, held, paint
from ...models.flats.regions import regions
from ...training.flats import flat_case
from . import Row, medians

GAP = 8  # px
SHAPES = 18, 19  # outlines: their pieces have 20 colours and more


def run():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield against_pixels(512)
        yield from waiting(512, 0.5, 0.5)
        yield from waiting(2048, 15.0, 1.0)
        yield memory(2048, 2048)
    finally:
        torch.set_num_threads(threads)


def against_pixels(size):
    """Two colours: among more a minimum cut is out of reach, and every greedy order has its own labels."""
    case = in_two(flat_case(0, size, GAP, "anti-aliased"))
    found = regions(drawing(case))
    labels, ink = found.labels[0].numpy(), found.ink[0].numpy()
    ours, theirs = [], []
    calls = (
        lambda: ours.append(paint(labels, ink, case.strokes, gap=found.gap)),
        lambda: theirs.append(pixel_cut(case, labels, found.gap)),
    )
    calls[0]()
    ms, pixel_ms = medians(*calls, runs=1, warm=True)
    note = f"{np.sum(ours[0] != theirs[0])} labels differ, two colours"
    return Row("flats", ms, "ms", f"cut on all pixels, {size} x {size}", pixel_ms, pixel_ms / ms, 10.0, note)


def waiting(size, cold, moved):
    """A drawing with its strokes from nothing, and with a stroke moved while the regions are kept."""
    case = flat_case(0, size, GAP, "anti-aliased", SHAPES)
    colours, mask = strokes(case)
    found = regions(drawing(case))
    again_ms, cold_ms = medians(
        lambda: flat_colours(found, colours, mask),
        lambda: flat_colours(regions(drawing(case)), colours, mask),
        runs=3,
    )
    note = f"{len(np.unique(case.strokes)) - 1} colours"
    for name, limit, ms in (("flats, cold", cold, cold_ms), ("flats, stroke moved", moved, again_ms)):
        yield Row(name, ms / 1000, "s", f"limit, {size} x {size}", limit, 1000 * limit / ms, 1.0, note)


def memory(size, limit):
    case = flat_case(0, size, GAP, "anti-aliased", SHAPES)
    tracemalloc.start()
    flat_colours(regions(drawing(case)), *strokes(case))
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    return Row("flats, memory", peak, "MiB", f"limit, {size} x {size}", limit, limit / peak, 1.0, "arrays of NumPy")


def in_two(case):
    """The same drawing with its strokes in two colours."""
    two = (np.arange(len(case.palette)) * 7919) % 2 + 1
    two[0] = 0
    return replace(case, strokes=two[case.strokes].astype(np.int32), label=two[case.label])


def drawing(case):
    return torch.from_numpy(case.line)[None, ..., None]


def strokes(case):
    return torch.from_numpy(case.palette[case.strokes])[None], torch.from_numpy(case.strokes > 0)[None].float()


def pixel_cut(case, labels, gap):
    """Labels (H, W) by the same energy on the graph of all pixels, and ink as it is shared out there."""
    ink = 1 - case.line
    energy = Energy(ink)
    dry = ink < level(ink)
    steps = [pairs(np.arange(case.line.size).reshape(case.line.shape), *step) for step in FORWARD]
    here, there = (np.concatenate([ends[side].ravel() for ends in steps]) for side in (0, 1))
    known = held(labels, dry, np.where(dry, case.strokes, 0), round(gap)).ravel().astype(np.int32)
    out = settle(here, there, energy(here, there), known).reshape(case.line.shape)
    out[~dry] = 0
    flood(out, ~dry, toll(ink))
    return out
