"""Cases that the network of the sheet trains on: procedural drawings as regions, drawn once and kept on disk."""

import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from ..models.flats import matcher, sheet
from . import sheets

CHUNK = 10  # figures in a file
TAKES = 3  # drawings of a figure
SIZES = (0.7, 1, 1.4)  # sides of drawings, over the middle one
KINDS, SHARES = list(sheets.KINDS), (0.05, 0.25, 0.25, 0.45)
STRANGERS = 0.08  # share of cases whose sheet shows somebody else
MIRROR = torch.tensor([-1.0] + [1.0] * 8)  # of the features, the first of which is x


def figures(folder, count, size):
    """`count` figures, each `TAKES` drawings as `regions` gives them, by how many these are; draws what is lacking."""
    found = []
    for number in range(math.ceil(count / CHUNK)):
        path = Path(folder) / f"figures-{size}-{number:03}.pt"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.save([figure(seed, size) for seed in range(number * CHUNK, (number + 1) * CHUNK)], path)
            print(f"drew {(number + 1) * CHUNK} of {count} figures", flush=True)
        found += torch.load(path, weights_only=True)
    return sorted(found[:count], key=lambda takes: sum(len(take["codes"]) for take in takes))


def figure(seed, size):
    """The drawings of one figure, about `size` px high and wide."""
    rng = np.random.default_rng(seed)
    kind, size = rng.choice(KINDS, p=SHARES), int(size * rng.choice(SIZES))
    return [regions(*take) for take in sheets.takes(seed, TAKES, size, kind)]


def regions(labels, codes):
    """The regions of a drawing (H, W) with their paints (n,): what the network reads, small enough to keep."""
    described = sheet.describe(labels)
    sides = [side.tocoo() for side in described.sides]
    return {
        "views": torch.from_numpy(np.packbits(matcher.views(labels, described.background), axis=-1)),
        "features": torch.from_numpy(described.features).float(),
        "at": torch.from_numpy(np.concatenate([[np.full(s.nnz, i), s.row, s.col] for i, s in enumerate(sides)], 1)),
        "shares": torch.from_numpy(np.concatenate([side.data for side in sides])).float(),
        "codes": torch.from_numpy(codes),
    }


def cases(figures, batch, seed, number):
    """One batch: two drawings and the paints of their regions, see `unpack`."""
    rng = np.random.default_rng((seed, number))
    frames = rng.integers(1, TAKES)
    alike = max(1, len(figures) // 10)  # in number of regions, so that little of a batch is filled up
    first = rng.integers(0, len(figures) - alike + 1)
    figures = figures[first : first + alike]
    pairs = [_pair(rng, figures, frames) for _ in range(batch)]
    return [tensor for drawings in zip(*pairs, strict=True) for tensor in _filled(drawings)]


def _pair(rng, figures, frames):
    """A drawing, and a sheet of so many others of the same figure; either may be mirrored."""
    one, other = rng.integers(0, len(figures), 2)
    new, *known = (figures[one][take] for take in rng.permutation(TAKES))
    if rng.random() < STRANGERS:
        known = figures[other]
    mirrored = rng.random() < 0.5
    return _plain([new], mirrored), _plain(known[:frames], mirrored != (rng.random() < 0.15))


def _plain(frames, mirrored):
    """Views, features, sides and codes of the regions of all frames together."""
    views = torch.cat([frame["views"] for frame in frames])
    views = torch.from_numpy(np.unpackbits(views.numpy(), axis=-1))
    features = torch.cat([frame["features"] for frame in frames])
    sides, start = torch.zeros(matcher.SIDES, len(views), len(views)), 0
    for frame in frames:
        side, row, column = frame["at"]
        sides[side, row + start, column + start] = frame["shares"]
        start += len(frame["codes"])
    if mirrored:
        views, features, sides = views.flip(-1), features * MIRROR, sides[[2, 1, 0, 3]]
    return views, features, sides, torch.cat([frame["codes"] for frame in frames])


def _filled(drawings):
    """Drawings of one batch filled up to the same number of regions; codes of what is not there are -1."""
    most = max(len(codes) for *_, codes in drawings)
    filled = []
    for views, features, sides, codes in drawings:
        more = most - len(codes)
        filled.append(
            (
                F.pad(views, (0, 0) * 3 + (0, more)),
                F.pad(features, (0, 0, 0, more)),
                F.pad(sides, (0, more, 0, more)),
                F.pad(codes, (0, more), value=-1),
            )
        )
    return [torch.stack(tensors) for tensors in zip(*filled, strict=True)]


def unpack(case):
    """(new, known, paints of new (B, n), paints of known (B, m)) of a batch."""
    new, known = (
        matcher.Drawing(views, features, list(sides.unbind(1)), codes >= 0)
        for views, features, sides, codes in (case[:4], case[4:])
    )
    return new, known, case[3], case[7]
