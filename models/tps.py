"""Thin-plate-spline warps, as reference colorizers make references from the very picture they are to colour.

Positions are (x, y) in 0..1. J. Duchon 1977, with the originals' kernel r^2 ln(r + 1e-6). Torch only.
"""

import torch
import torch.nn.functional as F

from .image import rgb

REACH = 0.25  # of a point, in each direction
LEVELS = 50  # of 255, that a colour channel is shifted by


def fit(source, target):
    """Splines that move points `source` (B, N, 2) to `target`: parameters (B, N + 2, 2), float64.

    The centres are the targets, the values source - target: it tells every target where to look. Rows: the weights of
    all centres but the first, which is minus their sum, then offset, x and y.
    """
    source, target = source.double(), target.double()
    batch, count = target.shape[:2]
    plane = torch.cat([target.new_ones(batch, count, 1), target], dim=-1)
    system = target.new_zeros(batch, count + 3, count + 3)
    system[:, :count, :count] = _kernel(target, target)
    system[:, :count, count:] = plane
    system[:, count:, :count] = plane.mT
    values = target.new_zeros(batch, count + 3, 2)
    values[:, :count] = source - target
    return torch.linalg.solve(system, values)[:, 1:]


def grid(parameters, target, height, width):
    """Where each pixel of the warped picture comes from, (B, H, W, 2) float32."""
    target = target.to(parameters)
    x, y = (torch.linspace(0, 1, side, dtype=torch.float64, device=target.device) for side in (width, height))
    at = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).flatten(0, 1).expand(len(target), -1, -1)
    weights, offset, slope = parameters[:, :-3], parameters[:, -3:-2], parameters[:, -2:]
    weights = torch.cat([-weights.sum(1, keepdim=True), weights], dim=1)
    source = at + _kernel(at, target) @ weights + offset + at @ slope
    return source.view(-1, height, width, 2).float()


def warp(image, grid):
    """Pictures (B, C, H, W) sampled at `grid`: bicubic, black outside, not clamped.

    As published a position is scaled by the picture's size, not by its last pixel: even a warp that moves nothing
    stretches by one pixel, and its last row and column are dark.
    """
    size = torch.tensor(image.shape[:1:-1], device=grid.device)
    return F.grid_sample(image, 2 * grid + 1 / size - 1, mode="bicubic", padding_mode="zeros", align_corners=False)


def moved_grid(batch, generator, reach=REACH):
    """SCFT's points, source and target (B, 9, 2): a 3 x 3 grid, all of it moved by up to `reach` inside the picture."""
    half = torch.tensor([0.0, 0.5, 1.0])
    source = torch.cartesian_prod(half, half).flip(-1).expand(batch, -1, -1)
    shift = (2 * torch.rand(batch, 9, 2, generator=generator) - 1) * reach
    return source, (source + shift).clamp(0, 1)


def moved_diagonal(batch, generator, reach=REACH):
    """AnimeDiffusion's points, source and target (B, 6, 2): fixed corners, and two points that move on a diagonal."""
    corners = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]).expand(batch, -1, -1)
    start, end = torch.zeros(2, batch, 2)
    while (same := end[:, 0] == end[:, 1]).any():  # two centres in one place are no spline
        place, shift = torch.rand(2, int(same.sum()), 2, generator=generator)
        start[same] = _hundredths(0.3 + 0.4 * place)
        end[same] = _hundredths(start[same] + (2 * shift - 1) * reach)
    source, target = (torch.cat([corners, at[..., None].expand(-1, -1, 2)], dim=1) for at in (start, end))
    return source, target


def jitter(image, offsets):
    """Another light: pictures (B, C, H, W) in 0..1 with one offset per channel, (B, C) in 0..1, added and cut off."""
    return (image + offsets[..., None, None]).clamp(0, 1)


def draw_offsets(batch, generator, reach=LEVELS):
    """Offsets for `jitter`, (B, 3): whole grey levels of 255, up to `reach` in either direction."""
    return torch.randint(-reach, reach + 1, (batch, 3), generator=generator) / 255


def augment(image, seed, strength, shift, draw_points):
    """IMAGE -> references of its own, (B, H, W, 3) in 0..1, every picture with its own draws.

    strength     of the warp, 1 = as far as `draw_points` moves points, 0 = none
    shift        of the colours, 1 = as far as `draw_offsets`, 0 = none
    draw_points  `moved_grid` or `moved_diagonal`
    """
    generator = torch.Generator().manual_seed(seed)
    picture = rgb(image.float()).movedim(-1, 1)
    batch, _, height, width = picture.shape
    source, target = draw_points(batch, generator, REACH * strength)
    picture = jitter(picture, shift * draw_offsets(batch, generator).to(picture))
    if strength > 0:
        picture = warp(picture, grid(fit(source, target), target, height, width).to(picture.device)).clamp(0, 1)
    return picture.movedim(1, -1)


def _kernel(a, b):
    distance = torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")
    return distance**2 * (distance + 1e-6).log()


def _hundredths(positions):
    return (100 * positions).round() / 100
