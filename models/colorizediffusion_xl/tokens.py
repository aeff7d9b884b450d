"""CLIP's and the tagger's tokens as one tensor, the form in which a conditioning carries them. Torch only.

A row is a token of CLIP's, the tagger's of the same number and a 1, each times the reference's weight: sums and
averages of such rows keep their weight, and rows of zeros mean no reference.
"""

import torch
import torch.nn.functional as F

COUNT = 196  # tokens of the tagger


def join(clip, tagger):
    """Tokens (B, m, C) and (B, n, D), n not more than m -> rows (B, m, C + D + 1)."""
    tagger = F.pad(tagger, (0, 0, 0, clip.shape[1] - tagger.shape[1]))
    return torch.cat([clip, tagger, torch.ones_like(clip[..., :1])], -1)


def part(rows, channels, count=COUNT):
    """Rows (..., m, C + D + 1) -> CLIP's tokens (..., m, C), the tagger's (..., count, D), weights (..., count, 1)."""
    weights = rows[..., -1:]
    plain = rows[..., :-1] / torch.where(weights > 0, weights, 1)
    return plain[..., :channels], plain[..., :count, channels:], weights[..., :count, :]
