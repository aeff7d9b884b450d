"""What scribble colorization is measured against: no network, a few lines each. All (B, C, H, W) in 0..1."""

import torch

from ..models.geodesic.network import WALL
from ..models.geodesic.propagation import propagate


def white(line, scribble, mask):
    """The drawing as it is."""
    return line.expand(-1, 3, -1, -1)


def nearest(line, scribble, mask):
    """Every pixel in the colour of the nearest stroke, lines or not, under the ink."""
    height, width = line.shape[-2:]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    pixels = torch.stack([y, x], -1).view(-1, 2).float()
    pictures = []
    for drawing, colours, strokes in zip(line, scribble, mask, strict=True):
        on = strokes.flatten() > 0.5
        if not on.any():
            pictures.append(drawing.expand(3, -1, -1))
            continue
        closest = torch.cat([torch.cdist(part, pixels[on]).argmin(1) for part in pixels.split(4096)])
        pictures.append(colours.flatten(1)[:, on][:, closest].view(3, height, width) * drawing)
    return torch.stack(pictures)


def geodesic(line, scribble, mask):
    """Every pixel in the colour of the stroke that is nearest around the lines, under the ink."""
    spread, near = propagate(line, scribble, mask, WALL, reach=1.0)
    return torch.where(near > 0, spread, 1.0) * line


BASELINES = {"white × line": white, "nearest × line": nearest, "geodesic × line": geodesic}
