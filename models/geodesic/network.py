"""Geodesic: the scribble colorizer that ships with the pack, a small U-Net that reads where the strokes reach.

Classical propagation already says which stroke every pixel belongs to, as long as lines are closed. The network sees
that answer beside the drawing, so its few weights go into what propagation cannot know: open lines, shade, ink.
"""

import torch
import torch.nn as nn

from ..edm import UNet, sizes
from .propagation import propagate

GUIDANCE = 9  # line, stroke colours, stroke mask, propagated colours, nearness
STROKE = 0.1  # a pixel of the working size is a stroke from this coverage on: thin strokes survive shrinking
WALL = 800.0  # of the propagation: people put a stroke for its region, and for nothing beyond
TRAINED = 128  # px
LEARNT_WALL, LEARNT_REACH = 200.0, 0.5  # in training, where strokes fall at random and lines have gaps


def guidance(line, scribble, mask, wall=WALL, reach=None):
    """What the network reads besides the noisy picture, (B, 9, H, W) in -1..1.

    line (B, 1, H, W) with white = 1, scribble (B, 3, H, W), mask (B, 1, H, W), all 0..1. A mask that nowhere is 1
    makes weaker strokes, which reach less far. Strokes reach further on a larger picture, whose lines are clearer.
    """
    reach = reach or min(line.shape[-2:]) / TRAINED
    strength = mask.amax(dim=(1, 2, 3), keepdim=True).clamp(min=1e-4)
    mask = (mask > STROKE * strength).to(line)
    spread, near = propagate(line, scribble, mask, wall, reach * strength)
    return torch.cat([2 * line - 1, (2 * scribble - 1) * mask, mask, 2 * spread - 1, near.to(line)], dim=1)


def config(state_dict):
    """Arguments of `GeodesicUNet` that fit these weights, or None if they are another system's."""
    return None if "hint.weight" in state_dict else sizes(state_dict)


class GeodesicUNet(UNet):
    """F of a noisy picture (B, 3, H, W) of any size, given its noise level and `guidance`."""

    def __init__(self, widths=(40, 80, 160, 256), detail=24, dtype=None, device=None, operations=nn):
        super().__init__(GUIDANCE, widths, detail, dtype=dtype, device=device, operations=operations)
