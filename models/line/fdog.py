"""FDoG: XDoG along the lines of a picture, which joins broken strokes and ignores noise that has no direction.

Kang, Lee, Chui 2007 with the flow of Kyprianidis, Doellner 2008: the smoothed structure tensor tells in which
direction lines run; the difference of Gaussians is taken across that direction, then smoothed along it.
"""

import math

import torch
import torch.nn.functional as F

from .blur import bands, blurred, taps
from .memory import fresh
from .xdog import luminance, threshold_

TINY = 1e-20


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
    smooth = [blurred(plane, sigma) for plane in structure(image)]
    out = fresh((len(image), 2, *image.shape[1:3]), image)
    for rows in bands(out[:, 0], 2):
        xx, xy, yy = torch.zeros(3, *out[:, 0, rows].shape).to(out)
        for total, add in zip((xx, xy, yy), smooth, strict=True):
            add(total, rows, 1.0)
        # the angle a of the steepest change has cos 2a = (xx - yy) / length, and the sign of xy on its sine
        difference = xx.sub_(yy)
        cosine = (difference + TINY) / (torch.hypot(difference, 2 * xy) + TINY)
        out[:, 0, rows] = ((1 - cosine) / 2).clamp_(min=0).sqrt_().copysign_(xy).neg_()
        out[:, 1, rows] = ((1 + cosine) / 2).clamp_(min=0).sqrt_()
    return out


def structure(image):
    """The sums over the channels of RGB (B, H, W, 3) of gx gx, gx gy and gy gy by Sobel's filter, each (B, H, W)."""
    image = F.pad(image.movedim(-1, 1), (1, 1, 1, 1), mode="replicate").contiguous()
    tensor = [torch.zeros_like(image[:, 0, 1:-1, 1:-1]) for _ in range(3)]
    for rows in bands(tensor[0], 2):
        for part in image[:, :, rows.start : rows.stop + 2].unbind(1):
            down = (part[:, 2:] + part[:, :-2]).add_(part[:, 1:-1], alpha=2)
            beside = (part[..., 2:] + part[..., :-2]).add_(part[..., 1:-1], alpha=2)
            gx, gy = down[..., 2:] - down[..., :-2], beside[:, 2:] - beside[:, :-2]
            for plane, a, b in zip(tensor, (gx, gx, gy), (gx, gy, gy), strict=True):
                plane[:, rows].addcmul_(a, b)
    return tensor


def across(plane, tangent, sigma, k, p):
    """The S form of a plane (B, H, W) along the normals of the flow."""
    radius = max(1, math.ceil(3 * k * sigma))
    weights = [(1 + p) * a - p * b for a, b in zip(taps(sigma, radius), taps(k * sigma, radius), strict=True)]
    total = torch.mul(plane, weights[0], out=fresh(plane.shape, plane))
    for rows in bands(plane, 4):
        here, scale = positions(plane, rows)
        normal = torch.stack([tangent[:, 1, rows], -tangent[:, 0, rows]], 1) * scale
        for distance, weight in merged(weights[1:]):
            for side in (-distance, distance):
                found = sample(plane[:, None], torch.add(here, normal, alpha=side))
                total[:, rows].add_(found[:, 0], alpha=weight)
    return total


def merged(weights):
    """(distance, weight) of the samples that stand for weights at 1, 2, 3 ...: neighbours of one sign share one."""
    taps, samples = list(enumerate(weights, 1)), []
    while taps:
        distance, weight = taps.pop()
        if taps and taps[-1][1] * weight > 0:
            nearer, other = taps.pop()
            distance = (distance * weight + nearer * other) / (weight + other)
            weight += other
        samples.append((distance, weight))
    return samples


def smooth_along(plane, tangent, sigma):
    """The mean of a plane (B, H, W) along the flow, under a triangle of that sigma.

    Means of three places, each time twice as far apart, chain up to a triangle: few samples reach far.
    """
    if sigma <= 0:
        return plane
    times = max(1, math.ceil(math.log(6 * sigma**2 + 1, 4)))
    reach = sigma / math.sqrt((4**times - 1) / 6)
    for _ in range(times):
        plane = mean_of_three(plane, tangent, reach)
        reach *= 2
    return plane


def mean_of_three(plane, tangent, reach):
    """The mean of every value, counted twice, and those `reach` px before and behind it; by midpoint steps."""
    total = torch.mul(plane, 0.5, out=fresh(plane.shape, plane))
    for rows in bands(plane, 4):
        here, scale = positions(plane, rows)
        start = tangent[:, :, rows]
        for side in (-reach, reach):
            way = start
            if reach > 1:
                way = sample(tangent, torch.addcmul(here, start, scale, value=side / 2), "nearest")
                way *= (way * start).sum(1, keepdim=True).sign_()  # a direction has no sign of its own
            found = sample(plane[:, None], torch.addcmul(here, way, scale, value=side))
            total[:, rows].add_(found[:, 0], alpha=0.25)
    return total


def positions(plane, rows):
    """The places (1, 2, rows, W) of those rows as grid_sample counts them, -1..1, and what one px is (1, 2, 1, 1)."""
    y, x = ((torch.arange(size, device=plane.device) * 2 + 1) / size - 1 for size in plane.shape[-2:])
    grid = torch.meshgrid(y[rows], x, indexing="ij")
    return torch.stack(grid[::-1])[None].to(plane), plane.new_tensor([2 / len(x), 2 / len(y)]).view(1, 2, 1, 1)


def sample(planes, at, mode="bilinear"):
    """Planes (B, C, H, W) at places (B, 2, h, w) -> (B, C, h, w)."""
    return F.grid_sample(planes, at.movedim(1, -1), mode, padding_mode="border", align_corners=False)
