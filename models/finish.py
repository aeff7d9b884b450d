"""Colours found at the trained scale, brought up to the drawing's own size without crossing its lines. Torch only.

Joint bilateral upsampling (Kopf et al. 2007) with another range term: instead of comparing grey values, a coarse
sample counts less the more ink lies between it and the pixel. The ink on the way is read from running sums along rows
and columns, so each of the few samples costs the same whatever the ratio.
"""

import torch

from .image import luma, repeat_batch, resize, rgb

INK = 12.0  # exponent per pixel of full ink on the way
OWN_INK = 16.0  # exponent for a coarse sample that is itself ink: its colour is the line's
NEARNESS = 1.5  # exponent per squared distance, in samples
LIMIT = 40.0  # no exponent beyond this, so that some sample always counts
BAND = 64  # rows at a time: what is in use stays in the cache


def finish(colour, line, ink=True):
    """Colours (B, h, w, 3) at the size of a drawing (B, H, W, 1..4), under the drawing's own ink.

    colour, line  IMAGEs, 0..1; a single one serves a whole batch of the other
    ink           False leaves the colours alone, without the lines
    Returns (B, H, W, 3), 0..1. Where the drawing is white the colours stay, where it is black it stays black.
    """
    batch = max(len(colour), len(line))
    colour, line = repeat_batch(rgb(colour), batch), repeat_batch(rgb(line), batch)
    raised = torch.stack([raise_colours(c, p) for c, p in zip(colour, line, strict=True)])
    return raised * line.to(raised) if ink else raised


def raise_colours(colour, line):
    """One picture: colour (h, w, 3), line (H, W, 3) -> colours (H, W, 3)."""
    height, width = line.shape[:2]
    inked = 1 - luma(line).to(colour)
    along = inked.cumsum(1), inked.cumsum(0)  # ink from the left edge, from the top edge; (H, W)
    own = 1 - luma(resize(line[None], *colour.shape[:2]))[0].to(colour)
    samples = colour.movedim(-1, 0).contiguous()  # (3, h, w)
    ways = [list(_taps(*axis, colour)) for axis in zip(line.shape[:2], colour.shape[:2], strict=True)]
    raised = colour.new_empty(height, width, 3)
    for start in range(0, height, BAND):
        band = slice(start, start + BAND)
        raised[band] = _band(band, samples, own * OWN_INK, along, *ways).movedim(0, -1)
    return raised


def _taps(pixels, samples, like):
    """The three coarse samples around each pixel of one axis: their index, their pixel, their exponent."""
    ratio = pixels / samples
    at = (torch.arange(pixels, device=like.device, dtype=like.dtype) + 0.5) / ratio - 0.5
    for offset in (-1, 0, 1) if samples > 1 else (0,):
        index = (at.round() + offset).clamp(0, samples - 1)
        place = ((index + 0.5) * ratio - 0.5).round().clamp(0, pixels - 1)
        yield index.long(), place.long(), NEARNESS * (at - index) ** 2


def _band(band, samples, own, along, rows, columns):
    """Colours (3, rows of the band, W): the weighted mean of the nine samples around every pixel."""
    along_rows, along_columns = along
    here_rows, here_columns = along_rows[band], along_columns[band]
    total, weights = 0, 0
    for i, y, far_y in rows:
        i, y, far_y = i[band], y[band], far_y[band, None]
        there_rows = along_rows.index_select(0, y)
        there_columns = along_columns.index_select(0, y)
        upright = (there_columns - here_columns).abs()
        for j, x, far_x in columns:
            # two ways to the sample, each around one corner: along the row first, or along the column first
            ink = upright + (there_rows.index_select(1, x) - there_rows).abs()
            first_along = (here_rows.index_select(1, x) - here_rows).abs()
            first_along += (there_columns.index_select(1, x) - here_columns.index_select(1, x)).abs()
            ink = torch.minimum(ink, first_along).mul_(INK)
            ink += own.index_select(0, i).index_select(1, j)
            weight = ink.clamp_(max=LIMIT).add_(far_y).add_(far_x).neg_().exp_()
            total = total + samples.index_select(1, i).index_select(2, j) * weight
            weights = weights + weight
    return total / weights
