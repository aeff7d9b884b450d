"""Colours even out between the lines: a recursive filter whose memory ends at ink.

Gastal, Oliveira 2011 ("Domain transform for edge-aware image processing", section 4.2), with ink as the distance.
"""

import torch

REACH = 0.12  # of the shorter side: how far a colour is remembered over white paper
WALL = 2.0  # of the shorter side: what a pixel of full ink counts
ROUNDS = 4
SURE = 0.02  # doubt that halves a colour's say


def spread(line, colour, doubt):
    """Weighted means (B, C, H, W) of the colours on the same side of the lines.

    line (B, 1, H, W) in 0..1 with white = 1, colour (B, C, H, W), doubt (B, 1, H, W), the variance of a colour.
    """
    weight = line * SURE / (SURE + doubt)  # on ink, the colour of ink was found
    planes = torch.cat([colour * weight, weight], dim=1).float()
    side = min(line.shape[-2:])
    step = 1 + WALL * side * (1 - line.float())
    for n in range(ROUNDS):
        sigma = REACH * side * 3**0.5 * 2.0 ** (ROUNDS - n - 1) / (4.0**ROUNDS - 1) ** 0.5
        memory = torch.exp(-(2**0.5) / sigma * step)  # (B, 1, H, W): of a pixel's neighbour
        planes = _both_ways(_both_ways(planes, memory).mT, memory.mT).mT
    return (planes[:, :-1] / planes[:, -1:].clamp(min=1e-6)).to(colour)


def _both_ways(planes, memory):
    """Filter along the last axis, there and back."""
    for _ in range(2):
        columns, kept = planes.unbind(-1), memory.unbind(-1)
        done = [columns[0]]
        for column, keep in zip(columns[1:], kept[1:], strict=True):
            done.append(torch.lerp(column, done[-1], keep))
        planes, memory = torch.stack(done[::-1], dim=-1), memory.flip(-1)
    return planes
