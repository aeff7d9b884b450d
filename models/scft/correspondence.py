"""Colours in one pass, and where they come from. Torch only; a network is a `Generator` as a function of its inputs."""

import torch

from ..image import fit_inside, luma, resize, rgb
from .network import REDUCTION


def working_size(height, width, size, places):
    """The size a picture is read at.

    The published weights know one size only, whatever the proportions of a picture; those that attend to places take
    any, and `size` is the longer side.
    """
    if not places:
        side = max(1, round(size / REDUCTION)) * REDUCTION
        return side, side
    return fit_inside(height, width, size, REDUCTION)


def colour(network, line, reference, region, size):
    """Colours of a drawing after a reference, and how much each place of the reference gave to a region.

    line       (1, H, W, C), black ink on white
    reference  (1, H', W', C)
    region     (1, H, W): the places of the drawing that are asked about, 0..1
    Returns colours (1, h, w, 3) in 0..1 and heat (1, H', W'), 1 = most.
    """
    height, width = reference.shape[1:3]
    places, place = network.scft.places, {"dtype": network.compute_dtype}
    line = resize(rgb(line), *working_size(*line.shape[1:3], size, places))
    seen = resize(rgb(reference), *working_size(height, width, size, places)).movedim(-1, 1)
    drawing = luma(line)[:, None]

    joint_r, joint_s, maps = network.encode((2 * seen - 1).to(**place), (2 * drawing - 1).to(**place))
    picture = network.decode(network.scft(joint_r, joint_s), maps).float()
    asked = resize(region[..., None].float(), *joint_s.shape[-2:])[..., 0]
    heat = network.scft.origin(joint_r, joint_s, asked)[..., None]
    heat = resize(heat / heat.amax().clamp(min=1e-12), height, width)[..., 0]
    return ((picture.movedim(1, -1) + 1) / 2).clamp(0, 1), heat


def point(x, y, height, width):
    """A region (1, H, W) of one pixel, at (x, y) in 0..1 from the upper left."""
    region = torch.zeros(1, height, width)
    region[0, min(int(y * height), height - 1), min(int(x * width), width - 1)] = 1
    return region


def heat_picture(reference, heat):
    """Heat (B, H, W) laid over the greyed reference (B, H, W, C): black, red, yellow, white."""
    hot = torch.stack([3 * heat, 3 * heat - 1, 3 * heat - 2], dim=-1).clamp(0, 1)
    return (luma(reference)[..., None] + hot) / 2
