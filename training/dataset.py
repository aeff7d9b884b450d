"""Training cases for scribble colorizers: line art, strokes and the picture they belong to."""

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import numpy as np
import torch

from ..models.geodesic.network import LEARNT_REACH, LEARNT_WALL, guidance
from .linestyles import compose, line_art
from .strokes import draw_one_each, draw_strokes, stroke_count


def case(rng, planes, vary=True):
    """A case from cached planes (5, H, W) uint8: line (1, H, W), scribble (3, H, W), mask (1, H, W), truth (3, H, W).

    All float 0..1. vary: mirror, exchange colour channels.
    """
    colour = planes[:3].transpose(1, 2, 0) / np.float32(255)
    ink, label = planes[3] / np.float32(255), planes[4]
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
    planes = (line[None], scribble.transpose(2, 0, 1), mask[None], truth.transpose(2, 0, 1))
    return [torch.from_numpy(np.ascontiguousarray(plane, np.float32)) for plane in planes]


def scribble_batch(pictures, size, seed, number):
    """Batch `number` of a run: guidance (B, 9, H, W) and truth (B, 3, H, W) in -1..1; the same every time."""
    rng = np.random.default_rng((seed, number))
    cases = [case(rng, pictures[i]) for i in rng.integers(0, len(pictures), size)]
    line, scribble, mask, truth = (torch.stack(planes) for planes in zip(*cases, strict=True))
    return guidance(line, scribble, mask, LEARNT_WALL, LEARNT_REACH), 2 * truth - 1


def ahead(make, numbers, depth=4):
    """make(n) for each number in turn, begun early in a thread."""
    numbers = iter(numbers)
    with ThreadPoolExecutor(1) as thread:
        begun = deque(thread.submit(make, number) for number in islice(numbers, depth))
        while begun:
            yield begun.popleft().result()
            begun.extend(thread.submit(make, number) for number in islice(numbers, 1))
