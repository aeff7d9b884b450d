"""Line art and strokes to flats: exactly the strokes' colours, in whole regions, up to the middle of the lines."""

import torch
import torch.nn.functional as F

from ..image import repeat_batch
from . import strokes
from .lazybrush import paint

NEAR = 1e-3  # of a grey level
PAPER = 253.5 / 255  # LoadImage reads the white of a grey file as 254


def flat_colours(found, colours, mask, soft=True, done=lambda frames: None):
    """Flats (B, H, W, 3) 0..1, without ink, every pixel of exactly a stroke's colour.

    found    the Regions of the drawing, B frames of H x W
    colours  (b, h, w, 3) 0..1 of the strokes where the mask (b, h, w) is 1; stretched over the drawing. A single one
             serves all frames, a single drawing all of them
    soft     slips of a stroke into regions of another colour do not count; else every pixel of a stroke does
    done     called as the work goes on with the number of frames that are done, parts of one included
    Raises ValueError where a frame has no stroke.
    """
    batch, size = max(len(found.labels), len(colours)), found.labels.shape[1:]
    parts = (repeat_batch(part, batch).cpu().numpy() for part in (found.labels, found.ink, colours, mask))
    flats = []
    for number, (labels, ink, painted, where) in enumerate(zip(*parts, strict=True), 1):
        index, stroke, palette = strokes.read(painted, where)
        if not len(palette):
            raise ValueError(
                f"Expected strokes of colour for frame {number}, found none: paint at least one over the drawing, on a "
                "transparent ground, or connect the mask that says where they are."
            )
        index, stroke = stretched(index, size), stretched(stroke, size) if soft else None
        out = paint(labels, ink, index, stroke, found.gap, lambda part, n=number - 1: done(n + part))
        done(number)
        flats.append(torch.from_numpy(palette[out - 1]).float() / 255)
    return torch.stack(flats)


def stretched(numbers, size):
    """Whole numbers (h, w) at another size (H, W), none of them between two."""
    return F.interpolate(torch.from_numpy(numbers)[None, None].double(), size, mode="nearest-exact")[0, 0].int().numpy()


def under_ink(flats, line):
    """The drawing multiplied over flats, (B, H, W, 3).

    What is a whole grey level but for rounding is made one again: SaveImage cuts off what lies behind the point, and
    a hair less than 220 would be saved as 219.
    """
    levels = flats * torch.where(line > PAPER, 1.0, line) * 255
    whole = levels.round()
    return torch.where((levels - whole).abs() < NEAR, whole, levels) / 255
