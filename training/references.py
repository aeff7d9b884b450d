"""Training cases for Likeness: line art, a reference, the picture they belong to, and which places match.

Tags tell which places belong together: two places with tags (3,) that differ by less than 1 in each number do. In a
picture and its bent self, tags are the place in the picture, in steps of 4 px; in a pair, they are the colour.
"""

import numpy as np
import torch

from ..models import tps
from .dataset import planes
from .linestyles import compose, line_art
from .pictures import unpack

NOWHERE = 1e4  # tag of what lies outside
TONE = 0.06  # colours of a pair that differ by less are the same


def matched_batch(pictures, pairs, size, seed, number):
    """Batch `number` of a run: line (B, 1, H, W), reference, tags of the drawing, tags of the reference, picture.

    All but the line (B, 3, H, W); pictures in -1..1. One half takes the picture itself as reference, bent by a spline;
    in the other a pair's second picture serves.
    """
    rng = np.random.default_rng((seed, number))
    cases = [bent(rng, pictures[i]) for i in rng.integers(0, len(pictures), size // 2)]
    cases += [posed(rng, pairs[i]) for i in rng.integers(0, len(pairs), size - size // 2)]
    line, reference, *tags, truth = (torch.stack(parts) for parts in zip(*cases, strict=True))
    return 2 * line - 1, 2 * reference - 1, *tags, 2 * truth - 1


def bent(rng, scene, vary=True):
    """A case from cached planes (5, H, W) uint8 of one scene: its reference is the scene under a spline's warp."""
    line, truth, _ = case(rng, scene[:4], *light(rng, vary))
    grid = bend(rng, *truth.shape[1:])
    reference = tps.warp(truth[None], grid)[0].clamp(0, 1)
    return line, reference, *place_tags(grid[0]), truth


def posed(rng, pair, vary=True):
    """A case from cached planes (8, H, W) uint8 of a pair."""
    change = light(rng, vary)
    line, truth, colour = case(rng, pair[:4], *change)
    _, reference, offered = case(rng, pair[4:], *change)
    return line, reference, colour / TONE, offered / TONE, truth


def case(rng, scene, mirrored, channels, gamma, shift):
    """Line (1, H, W), finished picture (3, H, W) and its colours without ink, 0..1, from planes (4, H, W) uint8."""
    colour, ink = unpack(scene)
    colour = (colour[..., channels] ** gamma + shift).clip(0, 1)
    if mirrored:
        colour, ink = colour[:, ::-1], ink[:, ::-1]
    truth = compose(rng, colour, ink)
    line = line_art(rng, truth, np.ascontiguousarray(ink))
    return [planes(part) for part in (line[..., None], truth, colour)]


def light(rng, vary):
    """How drawing and reference are changed alike: mirrored, colour channels exchanged, gamma, channels shifted."""
    if not vary:
        return False, [0, 1, 2], np.float32(1), np.float32(0)
    channels = rng.permutation(3) if rng.random() < 0.5 else [0, 1, 2]
    gamma = rng.uniform(0.6, 1.4) if rng.random() < 0.4 else 1
    shift = rng.uniform(-0.2, 0.2, 3) if rng.random() < 0.3 else np.zeros(3)
    return rng.random() < 0.5, channels, np.float32(gamma), shift.astype(np.float32)


def bend(rng, height, width):
    """Where a reference's pixels come from, (1, H, W, 2) in 0..1: a random spline of either published kind.

    Half of them are moved further, turned, scaled and mirrored, so that the place tells less than the lines do.
    """
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    points = tps.moved_grid if rng.random() < 0.7 else tps.moved_diagonal
    source, target = points(1, generator, tps.REACH * rng.uniform(0.3, 1.1))
    grid = tps.grid(tps.fit(source, target), target, height, width)
    if rng.random() < 0.5:
        angle, scale = rng.normal(0, 0.3), np.exp(rng.normal(0, 0.2))
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) * scale
        turn[:, 0] *= rng.choice([-1, 1])
        grid = (grid - 0.5) @ torch.from_numpy(turn).float() + torch.from_numpy(rng.normal(0.5, 0.1, 2)).float()
    return grid


def place_tags(grid):
    """Tags of a picture and of itself bent by `grid` (H, W, 2), each (3, H, W)."""
    height, width = grid.shape[:2]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    own = torch.stack([x, y, torch.zeros_like(x)]) / 4
    source = (grid * torch.tensor([width, height]) / 4).movedim(-1, 0)
    inside = ((grid >= 0) & (grid <= 1)).all(-1)
    source = torch.where(inside, source, NOWHERE)
    return own, torch.cat([source, torch.zeros(1, height, width)])
