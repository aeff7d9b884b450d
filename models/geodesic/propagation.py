"""Geodesic propagation: every pixel takes the colour of the stroke that is nearest when ink is expensive to cross.

Distances are exact along rows and columns: a sweep along an axis is one running minimum, so the four directions
together cost four `cummin` calls, and a handful of rounds settles a drawing (each round adds up to four turns).
"""

import torch

ROUNDS = 24


def _sweep(distance, source, position):
    """Relax distance (B, H, W) left to right, then right to left; `position` is the running cost along the rows."""
    for _ in range(2):
        best, index = (distance - position).cummin(-1)
        distance, source = best + position, source.gather(-1, index)
        distance, source = distance.flip(-1), source.flip(-1)
        position = position[..., -1:] - position.flip(-1)
    return distance, source


def nearest_stroke(line, mask, wall):
    """Distance to the nearest stroke and its pixel.

    line: (B, H, W) in 0..1, 1 = paper. mask: (B, H, W), a stroke where above 0.5. wall: what a pixel of full ink
    costs, in pixels of paper.
    Returns distance (B, H, W) in pixels of paper, infinite without strokes, and source (B, H, W), an index into H*W.
    """
    batch, height, width = line.shape
    cost = 1 + wall * (1 - line.float())
    along_rows = cost.cumsum(-1) - cost / 2
    along_columns = (cost.cumsum(-2) - cost / 2).mT.contiguous()
    far = torch.finfo(torch.float32).max / 4
    distance = torch.where(mask > 0.5, 0.0, torch.full_like(cost, far))
    source = torch.arange(height * width, device=line.device).view(1, height, width).expand(batch, -1, -1)
    for _ in range(ROUNDS):
        before = distance
        distance, source = _sweep(distance, source, along_rows)
        distance, source = _sweep(distance.mT.contiguous(), source.mT.contiguous(), along_columns)
        distance, source = distance.mT.contiguous(), source.mT.contiguous()
        if torch.allclose(before, distance, rtol=1e-4):
            break
    return torch.where(distance < far / 2, distance, torch.inf), source


def propagate(line, colours, mask, wall, reach):
    """Colours (B, 3, H, W) carried to every pixel, and how near they come from, (B, 1, H, W) in 0..1.

    line: (B, 1, H, W), colours: (B, 3, H, W), mask: (B, 1, H, W), all 0..1. Nearness falls to 1/e over `reach`, in
    shorter sides, so that it says the same at every size; a number or one per picture. Without strokes: grey and 0.
    """
    distance, source = nearest_stroke(line[:, 0], mask[:, 0], wall)
    spread = colours.flatten(2).gather(2, source.flatten(1)[:, None].expand(-1, 3, -1)).view_as(colours)
    distance = distance[:, None]
    near = torch.exp(-distance / (reach * min(line.shape[-2:])))
    return torch.where(distance.isinf(), 0.5, spread), torch.where(distance.isinf(), 0, near)
