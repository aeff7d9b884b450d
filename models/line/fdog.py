"""FDoG: XDoG along the lines of a picture, which joins broken strokes and ignores noise that has no direction.

Kang, Lee, Chui 2007 with the flow of Kyprianidis, Doellner 2008: the smoothed structure tensor tells in which
direction lines run; the difference of Gaussians is taken across that direction, then smoothed along it.
"""

import math

import torch
import torch.nn.functional as F

from .blur import bands, gaussian, taps
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
    image = F.pad(image.movedim(-1, 1), (1, 1, 1, 1), mode="replicate")
    tensor = image.new_empty(3, len(image), image.shape[2] - 2, image.shape[3] - 2)
    for rows in bands(tensor[0]):
        part = image[:, :, rows.start : rows.stop + 2]
        down = part[..., 2:, :] + 2 * part[..., 1:-1, :] + part[..., :-2, :]
        beside = part[..., 2:] + 2 * part[..., 1:-1] + part[..., :-2]
        gx, gy = down[..., 2:] - down[..., :-2], beside[..., 2:, :] - beside[..., :-2, :]
        for plane, a, b in zip(tensor, (gx, gx, gy), (gx, gy, gy), strict=True):
            plane[:, rows] = (a * b).sum(1)
    xx, xy, yy = (gaussian(plane, sigma) for plane in tensor)
    # the angle a of the steepest change has cos 2a = (xx - yy) / length, and the sign of xy on its sine
    difference = xx - yy
    length = torch.hypot(difference, 2 * xy)
    cosine = torch.where(length > 0, difference / length, 1)
    sine = ((1 - cosine) / 2).clamp_(min=0).sqrt_().copysign_(xy)
    return torch.stack([sine.neg_(), ((1 + cosine) / 2).clamp_(min=0).sqrt_()], 1)


def across(plane, tangent, sigma, k, p):
    """The S form of a plane (B, H, W) along the normals of the flow."""
    radius = max(1, math.ceil(3 * k * sigma))
    weights = [(1 + p) * a - p * b for a, b in zip(taps(sigma, radius), taps(k * sigma, radius), strict=True)]
    total = plane * weights[0]
    for rows in bands(plane, 4):
        here, scale = positions(plane, rows)
        normal = torch.stack([tangent[:, 1, rows], -tangent[:, 0, rows]], 1) * scale
        for distance, weight in enumerate(weights[1:], 1):
            for side in (-distance, distance):
                total[:, rows].add_(sample(plane[:, None], here + side * normal)[:, 0], alpha=weight)
    return total


def smooth_along(plane, tangent, sigma):
    """The Gaussian mean of a plane (B, H, W) along the flow, walked pixel by pixel to 2 sigma on both sides."""
    if sigma <= 0:
        return plane
    weights = taps(sigma, max(1, round(2 * sigma)))
    total = plane * weights[0]
    values = torch.cat([plane[:, None], tangent], 1)
    for rows in bands(plane, 12):  # values, places, directions and what they meet
        here, scale = positions(plane, rows)
        for side in (-1, 1):
            at, ahead = here, side * tangent[:, :, rows]
            for weight in weights[1:]:
                at = at + ahead * scale
                found = sample(values, at)
                total[:, rows].add_(found[:, 0], alpha=weight)
                way = found[:, 1:]
                length = (way * way).sum(1, keepdim=True).clamp_(min=1e-12).rsqrt_()
                ahead = way * length.copysign_((way * ahead).sum(1, keepdim=True))  # a direction has no sign of its own
    return total


def positions(plane, rows):
    """The places (1, 2, rows, W) of those rows as grid_sample counts them, -1..1, and what one px is (1, 2, 1, 1)."""
    y, x = ((torch.arange(size, device=plane.device) * 2 + 1) / size - 1 for size in plane.shape[-2:])
    grid = torch.meshgrid(y[rows], x, indexing="ij")
    return torch.stack(grid[::-1])[None].to(plane), plane.new_tensor([2 / len(x), 2 / len(y)]).view(1, 2, 1, 1)


def sample(planes, at):
    """Planes (B, C, H, W) at places (B, 2, h, w), bilinear -> (B, C, h, w)."""
    return F.grid_sample(planes, at.movedim(1, -1), padding_mode="border", align_corners=False)
