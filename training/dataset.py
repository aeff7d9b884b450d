"""Training cases: line art, guidance by strokes or a reference, and the picture they belong to."""

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import numpy as np
import torch

from ..models import tps
from ..models.geodesic.network import LEARNT_REACH, LEARNT_WALL, guidance
from ..models.line import xdog
from .linestyles import compose, line_art
from .pictures import unpack
from .strokes import draw_one_each, draw_points, draw_strokes, stroke_count

XDOG_SIGMAS = (0.3, 0.4, 0.5)  # of AnimeDiffusion's training, drawn for every picture


def case(rng, scene, vary=True):
    """A case from cached planes (5, H, W) uint8: line (1, H, W), scribble (3, H, W), mask (1, H, W), truth (3, H, W).

    All float 0..1. vary: mirror, exchange colour channels.
    """
    (colour, ink), label = unpack(scene[:4]), scene[4]
    if vary:
        if rng.random() < 0.5:
            colour, ink, label = colour[:, ::-1], ink[:, ::-1], label[:, ::-1]
        if rng.random() < 0.3:
            colour = colour[..., rng.permutation(3)]
        if rng.random() < 0.3:
            colour = colour ** np.float32(rng.uniform(0.6, 1.3))
    truth = compose(rng, colour, ink)
    line = line_art(rng, truth, np.ascontiguousarray(ink))
    if rng.random() < 0.3:
        scribble, mask = draw_one_each(rng, truth, label)
    else:
        scribble, mask = draw_strokes(rng, truth, label, stroke_count(rng))
    return [planes(part) for part in (line[..., None], scribble, mask[..., None], truth)]


def scribble_batch(pictures, size, seed, number):
    """Batch `number` of a run: guidance (B, 9, H, W) and truth (B, 3, H, W) in -1..1; the same every time."""
    rng = np.random.default_rng((seed, number))
    cases = [case(rng, pictures[i]) for i in rng.integers(0, len(pictures), size)]
    line, scribble, mask, truth = (torch.stack(parts) for parts in zip(*cases, strict=True))
    return guidance(line, scribble, mask, LEARNT_WALL, LEARNT_REACH), 2 * truth - 1


def ahead(make, numbers, threads=1):
    """make(n) for each number in turn, begun early in threads."""
    numbers = iter(numbers)
    with ThreadPoolExecutor(threads) as pool:
        begun = deque(pool.submit(make, number) for number in islice(numbers, 4 * threads))
        while begun:
            yield begun.popleft().result()
            begun.extend(pool.submit(make, number) for number in islice(numbers, 1))


class ReferenceCases:
    """Batches by number for reference colorizers: line (B, 1, H, W), reference and picture (B, 3, H, W), in -1..1.

    The reference is the picture itself under a thin-plate-spline warp.

    source       of sources.py
    draw_points  of models/tps.py: how far the warp goes
    jitter       levels of 255 that the colours of picture and reference are shifted by at most
    styles       lines of many hands instead of AnimeDiffusion's alone
    cross        share of the references that are another picture of the same character, where the source has one
    dropout      share of the references that are white paper, as the negative's are in use: guidance above 1 needs it
    """

    def __init__(self, source, size, seed, draw_points, jitter=0, styles=False, cross=0.0, dropout=0.0):
        self.source, self.size, self.seed = source, size, seed
        self.draw_points, self.jitter = draw_points, jitter
        self.styles, self.cross, self.dropout = styles, cross, dropout

    def __call__(self, number):
        rng = np.random.default_rng((self.seed, number))
        generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
        drawings = [self.source(rng) for _ in range(self.size)]
        line = torch.stack([planes(draw_line(rng, drawing, self.styles)[..., None]) for drawing in drawings])
        offsets = tps.draw_offsets(self.size, generator, self.jitter)
        picture = tps.jitter(torch.stack([planes(drawing.colour) for drawing in drawings]), offsets)
        source, target = self.draw_points(self.size, generator)
        reference = tps.warp(picture, tps.grid(tps.fit(source, target), target, *picture.shape[2:])).clamp(0, 1)
        for index, drawing in enumerate(drawings):
            if drawing.other is not None and rng.random() < self.cross:
                reference[index] = tps.jitter(planes(drawing.other)[None], offsets[index : index + 1])[0]
            if rng.random() < self.dropout:
                reference[index] = 1
        return 2 * line - 1, 2 * reference - 1, 2 * picture - 1


class ScribbleCases:
    """Batches by number for Diffusart: line (B, 1, H, W) and picture (B, 3, H, W) in -1..1, strokes 0..1 before it.

    Of three drawings one gets single pixels of its colours, as Diffusart's training had them, the others strokes.
    """

    def __init__(self, source, size, seed, styles=False):
        self.source, self.size, self.seed, self.styles = source, size, seed, styles

    def __call__(self, number):
        rng = np.random.default_rng((self.seed, number))
        cases = []
        for _ in range(self.size):
            drawing = self.source(rng)
            line = draw_line(rng, drawing, self.styles)
            if rng.random() < 1 / 3:
                scribble, mask = draw_points(rng, drawing.colour)
            else:
                label = np.zeros(line.shape, int) if drawing.label is None else drawing.label
                scribble, mask = draw_strokes(rng, drawing.colour, label, stroke_count(rng))
            cases.append([planes(part) for part in (line[..., None], scribble, mask[..., None], drawing.colour)])
        line, scribble, mask, picture = (torch.stack(parts) for parts in zip(*cases, strict=True))
        return 2 * line - 1, scribble, mask, 2 * picture - 1


def draw_line(rng, drawing, styles):
    """Line art (H, W) of a drawing: by AnimeDiffusion's XDoG with a sigma of its training, or in any style."""
    if styles:
        return line_art(rng, drawing.colour, drawing.ink)
    image = torch.from_numpy(drawing.colour)[None]
    return xdog.animediffusion(image, sigma=float(rng.choice(XDOG_SIGMAS)))[0].numpy()


def planes(picture):
    """(H, W, C) -> tensor (C, H, W) float32."""
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1), np.float32))
