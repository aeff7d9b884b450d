"""Where a coloured picture lies on the drawing it was made from: image models move and zoom what they edit.

Both are reduced to soft edges. Phase correlation (Kuglin and Hines 1975) finds the shift for each of a ladder of
zooms, Gauss-Newton steps on the squared difference refine zoom and shift of both axes, coarse to fine. Torch only.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F

from ..image import fit_inside, resize, rgb

ZOOMS = [1.025**step for step in range(-10, 11)]
COARSE, LEVELS = 192, (256, 512, 1024)  # longer side in px
STEPS = 8
AROUND = 5  # px of a level, the window whose contrast is an edge's strength
SETTLED = 0.02  # px of a level: a smaller step is none
ALIKE = 0.25  # less agreement is chance: another drawing
WORTH = 0.02  # by how much edges must agree better for a picture to be moved at all


class Placement(NamedTuple):
    """Drawing to picture, each axis from -1 to 1 over its side: picture = zoom * drawing + shift."""

    zoom: tuple[float, float]  # x, y
    shift: tuple[float, float]
    before: float  # correlation of the edges, -1..1
    after: float

    def describe(self, height, width):
        """A sentence for people, in pixels of the drawing."""
        if self.after < ALIKE:
            return f"laid over the whole drawing, for its edges fit nowhere (they agree by {self.after:.2f})"
        if self.zoom == (1.0, 1.0) and self.shift == (0.0, 0.0):
            return f"in place (edges agree by {self.before:.2f})"
        axes = zip(self.shift, self.zoom, (width, height), strict=True)
        right, down = (-shift / zoom * side / 2 for shift, zoom, side in axes)
        larger = " and ".join(f"{1 / zoom:.4f}" for zoom in self.zoom)
        return (
            f"moved by {right:+.1f} px across and {down:+.1f} px down, scaled by {larger} "
            f"(edges agree by {self.after:.2f}, before {self.before:.2f})"
        )


IN_PLACE = ((1.0, 1.0), (0.0, 0.0))


def edges(image, height, width):
    """Soft edges (1, 1, height, width) of a picture (1, H, W, 3), zero mean and unit variance.

    Local contrast rather than slope: a blurred line has one ridge, as the sharp line of the drawing has.
    """
    planes = resize(image, height, width).movedim(-1, 1)
    contrast = (_around(planes**2) - _around(planes) ** 2).clamp(min=0).sum(1, keepdim=True).sqrt()
    strength = _around(contrast.clamp(max=0.25))
    return (strength - strength.mean()) / strength.std(correction=0).clamp(min=1e-6)


def _around(planes):
    return F.avg_pool2d(planes, AROUND, 1, AROUND // 2, count_include_pad=False)


def slopes(planes):
    """How planes (B, C, H, W) rise to the right and downwards, per pixel."""
    planes = F.pad(planes, (1, 1, 1, 1), mode="replicate")
    across = planes[..., 1:-1, 2:] - planes[..., 1:-1, :-2]
    down = planes[..., 2:, 1:-1] - planes[..., :-2, 1:-1]
    return across / 2, down / 2


def register(picture, line):
    """The placement of a picture (1, h, w, 3) on a drawing (1, H, W, 3) of any other size."""
    start = _coarse(picture, line)
    finest = max(LEVELS[0], min(max(one.shape[1:3]) for one in (picture, line)))  # finer than both is only softer
    for level in sorted({min(level, finest) for level in LEVELS}):
        size = fit_inside(*line.shape[1:3], level)
        drawing, moving = edges(line, *size), edges(picture, *size)
        start = _refine(moving, drawing, start)
    before, after = (agreement(moving, drawing, placement) for placement in (moving.new_tensor(IN_PLACE), start))
    if after < max(before + WORTH, ALIKE):
        return Placement(*IN_PLACE, before, before)
    zoom, shift = (tuple(values) for values in start.tolist())
    return Placement(zoom, shift, before, after)


def _coarse(picture, line):
    """(2, 2): zoom and shift of x and y; the whole picture over the whole drawing, or with one zoom for both."""
    height, width = fit_inside(*line.shape[1:3], COARSE)
    drawing, moving = edges(line, height, width), edges(picture, height, width)
    ratio = (line.shape[2] / line.shape[1]) / (picture.shape[2] / picture.shape[1])
    shapes = {(1.0, 1.0), (min(1, ratio), min(1, 1 / ratio)), (max(1, ratio), max(1, 1 / ratio))}
    best, placement = -2.0, None
    for shape in sorted(shapes):
        for zoom in ZOOMS:
            zooms = moving.new_tensor([zoom * side for side in shape])
            seen = look_up(moving, torch.stack([zooms, torch.zeros_like(zooms)]))
            found = torch.stack([zooms, phase_shift(seen, drawing) * zooms])
            agree = agreement(moving, drawing, found)
            if agree > best:
                best, placement = agree, found
    return placement


def agreement(moving, drawing, placement):
    """Correlation of edges (1, 1, H, W): the picture's, read as a placement (2, 2) says, and the drawing's."""
    return float(F.cosine_similarity(look_up(moving, placement).flatten(), drawing.flatten(), dim=0))


def phase_shift(moving, drawing):
    """The shift (x, y), in halves of the sides, by which `moving` has to be read to lie on `drawing` (1, 1, H, W)."""
    height, width = drawing.shape[-2:]
    spectrum = torch.fft.rfft2(moving[0, 0]) * torch.fft.rfft2(drawing[0, 0]).conj()
    peaks = torch.fft.irfft2(spectrum / spectrum.abs().clamp(min=1e-6) ** 0.7, (height, width))
    y, x = divmod(int(peaks.argmax()), width)
    y, x = (at - side if at > side // 2 else at for at, side in ((y, height), (x, width)))
    return drawing.new_tensor([2 * x / width, 2 * y / height])


def look_up(moving, placement):
    """`moving` (1, C, h, w) read at every pixel of its own grid, as a placement (2, 2) says; 0 beyond its sides."""
    height, width = moving.shape[-2:]
    return F.grid_sample(moving, _positions(placement, height, width), align_corners=False)


def _positions(placement, height, width):
    (zoom_x, zoom_y), (shift_x, shift_y) = placement
    x, y = (
        (2 * torch.arange(side, device=placement.device, dtype=placement.dtype) + 1) / side - 1
        for side in (width, height)
    )
    grid = torch.meshgrid(zoom_y * y + shift_y, zoom_x * x + shift_x, indexing="ij")
    return torch.stack(grid[::-1], dim=-1)[None]


def _refine(moving, drawing, placement):
    """Gauss-Newton on the four numbers, with gain and offset of the edges set anew at every step."""
    height, width = drawing.shape[-2:]
    x, y = _positions(placement.new_tensor(IN_PLACE), height, width).unbind(-1)
    half = placement.new_tensor([width / 2, height / 2])
    slope = torch.cat(slopes(moving), dim=1)
    for _ in range(STEPS):
        seen = look_up(moving, placement)
        across, down = look_up(slope, placement)[0] * half[:, None, None]
        jacobian = torch.stack([across * x[0], down * y[0], across, down]).flatten(1)  # (4, H * W)
        gain = (seen * drawing).mean() / (seen**2).mean().clamp(min=1e-6)  # on what moves: else the fewest edges win
        jacobian, left = gain * jacobian, (drawing - gain * seen).flatten()
        normal_matrix = jacobian @ jacobian.T
        damping = (1e-4 * normal_matrix.diagonal().mean() + 1e-6) * torch.eye(4).to(normal_matrix)
        step = torch.linalg.solve(normal_matrix + damping, jacobian @ left).view(2, 2)
        placement = placement + step
        if (step.abs() * half).max() < SETTLED:
            break
    return placement


def place(picture, placement, height, width):
    """The picture (1, h, w, C) as it lies on a drawing of that size; its border goes on beyond its sides."""
    where = picture.new_tensor([placement.zoom, placement.shift])
    if (placement.zoom, placement.shift) == IN_PLACE:
        return resize(picture, height, width)
    planes = picture.movedim(-1, 1)
    placed = F.grid_sample(planes, _positions(where, height, width), padding_mode="border", align_corners=False)
    return placed.movedim(1, -1)


def align(picture, line):
    """A picture (1, h, w, 1..4) on a drawing (1, H, W, 1..4): (1, H, W, 3), and its placement."""
    picture, line = rgb(picture), rgb(line)
    placement = register(picture, line)
    return place(picture, placement, *line.shape[1:3]), placement
