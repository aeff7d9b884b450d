"""What the networks share: where their layers come from, and pictures of any size."""

from functools import partial

import torch.nn as nn
import torch.nn.functional as F


class Layers:
    """The layer classes of `operations` with dtype and device filled in: `layers.Conv2d(3, 64, 3)`.

    The host passes its own classes as `operations`; casting, offloading and low VRAM rest on them.
    """

    def __init__(self, operations=nn, dtype=None, device=None):
        self.operations = operations
        self.place = {"dtype": dtype, "device": device}

    def __getattr__(self, name):
        return partial(getattr(self.operations, name), **self.place)


def pad_to_multiple(x, multiple):
    """(B, C, H, W) with both sides rounded up to `multiple`: mirrored, or if too small for that, its edge."""
    height, width = x.shape[-2:]
    down, right = -height % multiple, -width % multiple
    if not (down or right):
        return x
    mode = "reflect" if down < height and right < width else "replicate"
    return F.pad(x, (0, right, 0, down), mode=mode)
