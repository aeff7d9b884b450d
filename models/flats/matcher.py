"""The network that compares regions of two drawings: what each looks like and lies beside, then which is which.

After SuperGlue (Sarlin et al. 2020): the regions of both drawings hear their neighbours, each other and those of the
other drawing, round by round, before they are compared; one that the other drawing lacks can say so.
"""

from typing import NamedTuple

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from einops import rearrange

from ..layers import Layers

VIEW, PLANES = 24, 6  # px; own pixels, lines between regions and background, from near and from far
FEATURES, SIDES = 9, 4  # of sheet.Description
HEADS = 4


class Drawing(NamedTuple):
    """The regions of one drawing, or of all frames of a sheet.

    views     (..., n, PLANES, VIEW, VIEW) 0 or 1
    features  (..., n, FEATURES)
    sides     SIDES matrices (..., n, n): the share of a region's outline that it has with each neighbour on a side
    there     (..., n) bool, False where a batch is filled up; None if there is nothing to fill
    """

    views: torch.Tensor
    features: torch.Tensor
    sides: list
    there: torch.Tensor | None = None

    def to(self, device):
        sparse = device.type in ("cpu", "cuda")  # elsewhere torch has no such matrices
        sides = [(side if sparse else side.to_dense()).to(device) for side in self.sides]
        return Drawing(self.views.to(device), self.features.to(device), sides)


def views(labels, background):
    """Pictures (n, PLANES, VIEW, VIEW) bool of every region of labels (H, W) from 1, `background` one of them from 0.

    From near a picture holds the region, from far what lies between its own size and that of the figure.
    """
    from scipy import ndimage

    boxes = [[(part.start, part.stop) for part in box] for box in ndimage.find_objects(labels)]
    low, high = np.moveaxis(np.array(boxes, float), 2, 0)
    middle, near = (low + high) / 2, (high - low).max(1) * 0.6 + 1
    figure = np.flatnonzero(np.arange(len(boxes)) != background) if len(boxes) > 1 else np.zeros(1, int)
    tall = (high[figure].max(0) - low[figure].min(0)).max()
    at = (np.arange(VIEW + 1) + 0.5) / VIEW * 2 - 1
    own = np.arange(1, len(boxes) + 1)[:, None, None]
    planes = []
    for reach in (near, np.sqrt(near * tall)):
        y, x = (
            np.clip(middle[:, i, None] + reach[:, None] * at, 0, side - 1).astype(int)
            for i, side in enumerate(labels.shape)
        )
        seen = labels[y[:, :, None], x[:, None, :]]
        inside = seen[:, :-1, :-1]
        edge = (inside != seen[:, 1:, :-1]) | (inside != seen[:, :-1, 1:])
        planes += [inside == own, edge, inside == background + 1]
    return np.stack(planes, axis=1)


def config(state_dict):
    """Arguments of `Matcher` that fit these weights, or None if they are another system's."""
    if "see.0.weight" not in state_dict or "none.weight" not in state_dict:
        return None
    rounds = {name.split(".")[1] for name in state_dict if name.startswith("rounds.")}
    return {"width": state_dict["none.weight"].shape[1], "rounds": len(rounds)}


class Matcher(nn.Module):
    """How well regions of a drawing go with those of a sheet, two `Drawing`s: logits (..., n, m + 1), last "none"."""

    dtypes = (torch.float32,)
    layout = torch.contiguous_format

    def __init__(self, width=96, rounds=3, dtype=None, device=None, operations=nn):
        super().__init__()
        layers = Layers(operations, dtype, device)
        self.see = nn.Sequential(
            layers.Conv2d(PLANES, width // 3, 4, stride=4),
            nn.GELU(),
            layers.Conv2d(width // 3, 2 * width // 3, 3, stride=2, padding=1),
            nn.GELU(),
            nn.Flatten(),
            layers.Linear(2 * width // 3 * (VIEW // 8) ** 2, width),
        )
        self.know = nn.Sequential(layers.Linear(FEATURES, width), nn.GELU(), layers.Linear(width, width))
        self.rounds = nn.ModuleList(Round(layers, width) for _ in range(rounds))
        self.norm = layers.LayerNorm(width)
        self.query = layers.Linear(width, width)
        self.key = layers.Linear(width, width)
        self.none = layers.Linear(width, 1)

    def forward(self, new, known):
        a, b = self.describe(new), self.describe(known)
        for round in self.rounds:
            a, b = round(a, new, b, known), round(b, known, a, new)
        a, b = self.norm(a), self.norm(b)
        logits = self.query(a) @ self.key(b).mT / a.shape[-1] ** 0.5
        if known.there is not None:
            logits = logits.masked_fill(~known.there[..., None, :], -torch.inf)
        return torch.cat([logits, self.none(a)], dim=-1)

    def describe(self, drawing):
        there = ... if drawing.there is None else drawing.there
        features = drawing.features[there]
        known = self.see(drawing.views[there].to(features.dtype)) + self.know(features)
        if drawing.there is None:
            return known
        return known.new_zeros(*drawing.there.shape, known.shape[-1]).masked_scatter(drawing.there[..., None], known)


class Round(nn.Module):
    """Every region of a drawing hears its neighbours by side, the whole drawing, and the other one."""

    def __init__(self, layers, width):
        super().__init__()
        self.norm = layers.LayerNorm(width)
        self.neighbours = layers.Linear(SIDES * width, width)
        self.within = Attention(layers, width)
        self.across = Attention(layers, width)
        self.think = nn.Sequential(
            layers.LayerNorm(width), layers.Linear(width, 2 * width), nn.GELU(), layers.Linear(2 * width, width)
        )

    def forward(self, x, drawing, other, other_drawing):
        said = self.norm(x)
        x = x + self.neighbours(torch.cat([side @ said for side in drawing.sides], dim=-1))
        x = x + self.within(x, x, drawing.there)
        x = x + self.across(x, other, other_drawing.there)
        return x + self.think(x)


class Attention(nn.Module):
    """Every region of one set asks all of another."""

    def __init__(self, layers, width):
        super().__init__()
        self.norm = layers.LayerNorm(width)
        self.query = layers.Linear(width, width)
        self.key_value = layers.Linear(width, 2 * width)
        self.out = layers.Linear(width, width)

    def forward(self, x, other, there):
        q = rearrange(self.query(self.norm(x)), "... n (h c) -> ... h n c", h=HEADS)
        k, v = rearrange(self.key_value(self.norm(other)), "... n (p h c) -> p ... h n c", p=2, h=HEADS)
        mask = None if there is None else there[..., None, None, :]
        return self.out(rearrange(F.scaled_dot_product_attention(q, k, v, mask), "... h n c -> ... n (h c)"))
