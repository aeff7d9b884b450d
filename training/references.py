"""Training cases for reference colorizers: line art, a reference, and the picture they belong to."""

import numpy as np
import torch

from ..models import tps
from .linestyles import compose, line_art


def reference_batch(pictures, pairs, size, seed, number):
    """Batch `number` of a run: guidance (B, 4, H, W) in 0..1, line and reference, and truth (B, 3, H, W) in -1..1.

    One half takes the picture itself as reference, bent by a spline; in the other a pair's second picture serves.
    """
    rng = np.random.default_rng((seed, number))
    cases = [bent(rng, pictures[i]) for i in rng.integers(0, len(pictures), size // 2)]
    cases += [posed(rng, pairs[i]) for i in rng.integers(0, len(pairs), size - size // 2)]
    line, reference, truth = (torch.stack(planes) for planes in zip(*cases, strict=True))
    return torch.cat([line, reference], dim=1), 2 * truth - 1


def bent(rng, planes, vary=True):
    """A case from cached planes (5, H, W) uint8 of one scene: its reference is the scene under a spline's warp."""
    line, truth = case(rng, planes[:4], *light(rng, vary))
    return line, bend(rng, truth), truth


def posed(rng, planes, vary=True):
    """A case from cached planes (8, H, W) uint8 of a pair."""
    change = light(rng, vary)
    line, truth = case(rng, planes[:4], *change)
    _, reference = case(rng, planes[4:], *change)
    return line, reference, truth


def case(rng, planes, mirrored, channels, gamma, shift):
    """Line (1, H, W) and finished picture (3, H, W) in 0..1 from planes R, G, B, ink (4, H, W) uint8."""
    colour = planes[:3].transpose(1, 2, 0)[..., channels] / np.float32(255)
    colour = (colour**gamma + shift).clip(0, 1)
    ink = planes[3] / np.float32(255)
    if mirrored:
        colour, ink = colour[:, ::-1], ink[:, ::-1]
    truth = compose(rng, colour, ink)
    line = line_art(rng, truth, np.ascontiguousarray(ink))
    picture = truth.transpose(2, 0, 1)
    return [torch.from_numpy(np.ascontiguousarray(part, np.float32)) for part in (line[None], picture)]


def light(rng, vary):
    """How drawing and reference are changed alike: mirrored, colour channels exchanged, gamma, channels shifted."""
    if not vary:
        return False, [0, 1, 2], np.float32(1), np.float32(0)
    channels = rng.permutation(3) if rng.random() < 0.5 else [0, 1, 2]
    gamma = rng.uniform(0.6, 1.4) if rng.random() < 0.4 else 1
    shift = rng.uniform(-0.2, 0.2, 3) if rng.random() < 0.3 else np.zeros(3)
    return rng.random() < 0.5, channels, np.float32(gamma), shift.astype(np.float32)


def bend(rng, picture):
    """A picture (3, H, W) under a random spline of either published kind, black where it shows what lies outside."""
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    points = tps.moved_grid if rng.random() < 0.7 else tps.moved_diagonal
    source, target = points(1, generator, tps.REACH * rng.uniform(0.3, 1.1))
    grid = tps.grid(tps.fit(source, target), target, *picture.shape[1:])
    return tps.warp(picture[None], grid)[0].clamp(0, 1)
