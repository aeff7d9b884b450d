"""FDoG: XDoG along the lines of a picture, which joins broken strokes and ignores noise that has no direction.

Kang, Lee, Chui 2007 with the flow of Kyprianidis, Doellner 2008: the smoothed structure tensor tells in which
direction lines run; the difference of Gaussians is taken across that direction, then smoothed along it.
"""

import math

import torch
import torch.nn.functional as F

from .blur import gaussian, taps
from .memory import fresh
from .xdog import luminance, threshold_


def fdog(image, sigma=0.8, k=1.6, p=60.0, eps=0.2, phi=2.0, flow=3.0, along=3.0):
    """RGB (B, H, W, 3) in 0..1 -> lines (B, H, W), 0 = ink.

    sigma, k, p, eps, phi  as in xdog.xdog, in its S form
    flow   px, how far directions are averaged: more makes straighter, smoother lines; no wider gap is bridged
    along  px, sigma of the smoothing along a line: gaps up to about that width are bridged
    """
    out = fresh(image.shape[:3], image)
    for index, picture in enumerate(image.split(1)):  # one at a time: the walks hold several planes
        tangent = tangents(picture, flow)
        u = across(luminance(picture), tangent, sigma, k, p)
        out[index : index + 1] = threshold_(smooth_along(u, tangent, along), eps, phi)
    return out


def tangents(image, sigma):
    """Unit vectors (B, 2, H, W), x before y, along which RGB (B, H, W, 3) changes least; (0, 1) where all is flat."""
    planes = F.pad(image.movedim(-1, 1), (1, 1, 1, 1), mode="replicate")
    rows = planes[..., 2:, :] + 2 * planes[..., 1:-1, :] + planes[..., :-2, :]
    columns = planes[..., 2:] + 2 * planes[..., 1:-1] + planes[..., :-2]
    gx, gy = rows[..., 2:] - rows[..., :-2], columns[..., 2:, :] - columns[..., :-2, :]
    xx, xy, yy = (gaussian((a * b).sum(1), sigma) for a, b in ((gx, gx), (gx, gy), (gy, gy)))
    angle = torch.atan2(2 * xy, xx - yy) / 2  # of the steepest change
    return torch.stack([-angle.sin(), angle.cos()], 1)


def across(plane, tangent, sigma, k, p):
    """The S form of a plane (B, H, W) along the normals of the flow."""
    radius = max(1, math.ceil(3 * k * sigma))
    weights = [(1 + p) * a - p * b for a, b in zip(taps(sigma, radius), taps(k * sigma, radius), strict=True)]
    here, values = positions(plane), plane[:, None]
    normal = step(torch.stack([tangent[:, 1], -tangent[:, 0]], 1))
    total = plane * weights[0]
    for distance, weight in enumerate(weights[1:], 1):
        for side in (-distance, distance):
            total.add_(sample(values, here + side * normal)[:, 0], alpha=weight)
    return total


def smooth_along(plane, tangent, sigma):
    """The Gaussian mean of a plane (B, H, W) along the flow, walked pixel by pixel to 2 sigma on both sides."""
    if sigma <= 0:
        return plane
    weights = taps(sigma, max(1, round(2 * sigma)))
    total = plane * weights[0]
    values = torch.cat([plane[:, None], tangent], 1)
    for side in (-1, 1):
        at, ahead = positions(plane), side * tangent
        for weight in weights[1:]:
            at = at + step(ahead)
            found = sample(values, at)
            total.add_(found[:, 0], alpha=weight)
            flipped = (found[:, 1:] * ahead).sum(1, keepdim=True) < 0  # a direction has no sign of its own
            ahead = F.normalize(torch.where(flipped, -found[:, 1:], found[:, 1:]), dim=1)
    return total


def positions(plane):
    """The pixels' own places (1, H, W, 2) as grid_sample counts them, -1..1 from edge to edge."""
    y, x = ((torch.arange(size, device=plane.device) * 2 + 1) / size - 1 for size in plane.shape[-2:])
    grid = torch.meshgrid(y, x, indexing="ij")
    return torch.stack(grid[::-1], -1)[None].to(plane)


def step(vectors):
    """Vectors (B, 2, H, W) in px in the units of `positions`, (B, H, W, 2)."""
    height, width = vectors.shape[-2:]
    return vectors.movedim(1, -1) * vectors.new_tensor([2 / width, 2 / height])


def sample(planes, at):
    return F.grid_sample(planes, at, padding_mode="border", align_corners=False)
