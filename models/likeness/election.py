"""Which of a reference's colours belongs where: places vote, and what lies on one side of the lines decides together.

Votes even out by a recursive filter whose memory ends at ink:

Gastal, Oliveira 2011 ("Domain transform for edge-aware image processing", section 4.2), with ink as the distance.
"""

import torch
import torch.nn.functional as F

REACH = 0.12  # of the shorter side: how far a colour is remembered over white paper
WALL = 2.0  # of the shorter side: what a pixel of full ink counts
ROUNDS = 3
COLOURS = 12  # of a reference
MAJORITY = 3.0  # exponent of the shares: the larger, the more the winner takes


def dominant(cells, rounds=4):
    """The colours of a picture by k-means: palette (B, COLOURS, 3), and which one each cell is (B, n, COLOURS), 0 or 1.

    cells (B, n, 3). Begun with colours far apart, so it depends on nothing but the picture.
    """
    cells = cells.float()
    palette = cells.mean(1, keepdim=True)
    for _ in range(COLOURS):
        far = torch.cdist(cells, palette).amin(-1).argmax(-1)
        palette = torch.cat([palette, cells[torch.arange(len(cells)), far][:, None]], dim=1)
    palette = palette[:, 1:]
    for _ in range(rounds):
        member = F.one_hot(torch.cdist(cells, palette).argmin(-1), COLOURS).to(cells)
        count = member.sum(1)[..., None]
        palette = torch.where(count > 0, member.mT @ cells / count.clamp(min=1), palette)
    return palette, member


def elect(line, votes, palette):
    """The colours (B, 3, H, W) that win on each side of the lines.

    line (B, 1, H, W) in 0..1 with white = 1, votes (B, K, H, W) in 0..1, palette (B, K, 3).
    """
    with torch.no_grad():
        shares = spread(line, votes).clamp(min=0) ** MAJORITY
        shares = shares / shares.sum(1, keepdim=True).clamp(min=1e-9)
        return torch.einsum("bkyx, bkc -> bcyx", shares, palette)


def spread(line, planes):
    """Means (B, C, H, W) of the planes on the same side of the lines."""
    weight = line.float()  # on ink, the colour of ink was found
    planes = torch.cat([planes.float() * weight, weight], dim=1)
    side = min(line.shape[-2:])
    step = 1 + WALL * side * (1 - weight)
    for n in range(ROUNDS):
        sigma = REACH * side * 3**0.5 * 2.0 ** (ROUNDS - n - 1) / (4.0**ROUNDS - 1) ** 0.5
        memory = torch.exp(-(2**0.5) / sigma * step)  # (B, 1, H, W): of a pixel's neighbour
        planes = _both_ways(_both_ways(planes, memory).mT, memory.mT).mT
    return (planes[:, :-1] / planes[:, -1:].clamp(min=1e-6)).to(line)


def _both_ways(planes, memory):
    """Filter along the last axis, there and back."""
    for _ in range(2):
        columns, kept = planes.unbind(-1), memory.unbind(-1)
        done = [columns[0]]
        for column, keep in zip(columns[1:], kept[1:], strict=True):
            done.append(torch.lerp(column, done[-1], keep))
        planes, memory = torch.stack(done[::-1], dim=-1), memory.flip(-1)
    return planes
