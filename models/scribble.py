"""Colour strokes: which pixels of a picture are strokes, of which colour, and how they change size.

Strokes are colours (B, H, W, 3) and a mask (B, H, W), both 0..1; beside them colours are void.
"""

import torch
import torch.nn.functional as F

from .image import repeat_batch, resize, rgb

SOLID = 0.98  # of full opacity: nothing shines through
DIFFERENT = 0.05  # of the colour range: further from the paper than JPEG and scanners move it
EDGE = 5  # px: an anti-aliased edge has solid colour within this window


def read_strokes(scribble, mask=None, mask_is="auto", line=None):
    """Strokes in a scribble IMAGE (B, H, W, 1..4), with hard edges.

    mask     (B, H, W) of any size and batch. If missing, or all 0 (an opaque file in LoadImage), strokes are
             the picture's own alpha, or else what differs from the paper.
    mask_is  "strokes": 1 on strokes; "transparency": 1 beside them; "auto": see `is_transparency`
    line     the drawing: where the picture shows only that, there is no stroke (only asked without a mask)

    Anti-aliased edges are mixed with what lies under them: pixels less than half opaque do not count, and the
    other soft ones take the colour of the solid pixels beside them. Opacity counts relative to the strongest.
    """
    alpha = scribble[..., -1] if scribble.shape[-1] in (2, 4) else None
    colours = rgb(scribble if alpha is None else scribble[..., :-1])
    mask = None if mask is None else mask.nan_to_num(0, 1, 0).clamp(0, 1)

    if mask is not None and (mask_is == "strokes" or mask.any()):
        opacity = resize(mask[..., None].to(colours), *colours.shape[1:3])[..., 0]
        colours, opacity = same_batch(colours, opacity)
        if mask_is == "transparency" or (mask_is == "auto" and is_transparency(colours, opacity)):
            opacity = 1 - opacity
    elif alpha is not None and (alpha < 1).any():
        opacity = alpha.nan_to_num(0, 1, 0).clamp(0, 1)
    else:
        opacity = differs_from_paper(colours, line)

    strongest = opacity.amax(dim=(1, 2), keepdim=True)
    opacity = opacity / strongest.clamp(min=0.1)
    stroke = (opacity >= 0.5).to(colours)
    return unmix_edges(colours, opacity) * stroke[..., None], stroke


def is_transparency(colours, mask):
    """Whether a mask of unknown meaning is 1 beside the strokes (LoadImage) rather than on them (Painter).

    Strokes cover the smaller part. Where neither part is below a fifth, the one that is plain black or plain
    white, as transparent pixels are stored, is the empty one if the other is not.
    """
    cover = mask.mean()
    if 0.2 < cover < 0.8:
        plain, plain_outside = is_plain(colours[mask > SOLID]), is_plain(colours[mask < 1 - SOLID])
        if plain != plain_outside:
            return plain
    return bool(cover > 0.5)


def is_plain(pixels):
    """All black or all white (N, 3)."""
    return len(pixels) > 0 and bool((pixels < 0.02).all() or (pixels > 0.98).all())


def differs_from_paper(colours, line=None):
    """Opacity (B, H, W) of strokes in opaque pictures: distance from the commonest colour, 1 at local peaks.

    A picture without any colour is a drawing, not a scribble, and has no strokes.
    """
    distance = (colours - paper(colours)).abs().amax(dim=-1)
    if line is not None:
        colours, line = same_batch(colours, resize(rgb(line), *colours.shape[1:3]))
        distance = torch.minimum(*same_batch(distance, (colours - line).abs().amax(dim=-1)))
    coloured = (colours.amax(dim=-1) - colours.amin(dim=-1)).amax(dim=(1, 2), keepdim=True) > DIFFERENT
    peak = F.max_pool2d(distance[:, None], EDGE, stride=1, padding=EDGE // 2)[:, 0]
    return torch.where((distance > DIFFERENT) & coloured, distance / peak.clamp(min=DIFFERENT), 0.0)


def paper(colours):
    """The commonest colour of each picture, (B, 1, 1, 3)."""
    found = []
    for picture in colours.flatten(1, 2):
        bins = (picture * 15).round().long() @ picture.new_tensor([256, 16, 1]).long()
        found.append(picture[bins == bins.bincount().argmax()].mean(dim=0))
    return torch.stack(found)[:, None, None]


def unmix_edges(colours, opacity):
    """Colours (B, H, W, 3) in which soft pixels have the mean colour of solid ones beside them."""
    solid = (opacity >= SOLID)[..., None]
    planes = torch.cat([colours * solid, solid.to(colours)], dim=-1).movedim(-1, 1)
    planes = F.avg_pool2d(planes, EDGE, stride=1, padding=EDGE // 2).movedim(1, -1)
    beside, share = planes[..., :3], planes[..., 3:]
    return torch.where(solid | (share == 0), colours, beside / share.clamp(min=1e-6))


def resize_strokes(colours, mask, height, width):
    """Strokes at another size, soft at their edges; what lies beside one does not mix into its colour."""
    mask = mask[..., None]
    planes = torch.cat([colours * mask, mask], dim=-1).movedim(-1, 1)
    planes = F.interpolate(planes, (height, width), mode="area").movedim(1, -1)
    colours, mask = planes[..., :3], planes[..., 3:]
    return (colours / mask.clamp(min=1e-4)).clamp(0, 1), mask[..., 0]


def same_batch(*tensors):
    batch = max(map(len, tensors))
    return [repeat_batch(tensor, batch) for tensor in tensors]
