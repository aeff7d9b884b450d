"""How close a coloured picture comes to the truth. Pictures are (B, 3, H, W) in 0..1; one value per picture."""

import torch

from ..models.line.components import components
from .losses import ssim

INK, PAPER = 0.5, 0.9  # of the drawing's brightness: darker is ink, lighter is paper
CLOSE = 20 / 255  # colours that are this near in every channel are taken for one
STRAIGHT = ((0, 1), (1, 0))  # neighbours of paper: a line that is closed for ink's eight is closed for these


def psnr(a, b):
    """Peak signal to noise in dB."""
    return -10 * torch.log10((a - b).square().flatten(1).mean(1).clamp(min=1e-10))


def stroke_error(picture, scribble, mask):
    """Mean distance, in grey levels, of the picture from the strokes' colours where the strokes are; NaN without."""
    off = (255 * (picture - scribble).abs() * mask).flatten(1).sum(1)
    return off / (3 * mask.flatten(1).sum(1))


MEASURES = {"PSNR": psnr, "SSIM": ssim}


def ink_kept(picture, line):
    """Share of the ink's pixels, line (B, 1, H, W) < INK, that are unchanged: every channel CLOSE to the drawing."""
    return _share(_close(picture, line), line < INK)


def unpainted(picture, line, truth=None):
    """Share of the paper's pixels, line > PAPER, that are white, every channel CLOSE to 1, though the truth is not."""
    paper = line > PAPER
    if truth is not None:
        paper &= ~_close(truth, 1)
    return _share(_close(picture, 1), paper)


def leak(picture, line, reach=4, smallest=16):
    """Share of the pixels beside closed lines that have the colour of the other side.

    A region is a piece of at least `smallest` px of paper, line > PAPER, that ink closes off from all others; its
    colour is the median of what the picture shows there. Counted are pixels from which, within `reach` px along their
    row or column, a region begins whose colour is not CLOSE to their own region's. They leak if they are nearer to
    that one's. NaN where no such regions meet.
    """
    return torch.tensor([_leak(*pair, reach, smallest) for pair in zip(picture, line, strict=True)])


def palette_hits(picture, line, reference):
    """Share of the paper's pixels, line > PAPER, whose colour is CLOSE to one of the reference's `palette`."""
    hits = [
        torch.cdist(pixels.flatten(1).T, palette(given), p=torch.inf).amin(1).view(pixels.shape[1:]) <= CLOSE
        for pixels, given in zip(picture, reference, strict=True)
    ]
    return _share(torch.stack(hits)[:, None], line > PAPER)


def palette(picture, levels=8, share=0.01):
    """Main colours (N, 3) of a picture (3, H, W): means of the cells of `levels` a channel that hold such a share.

    The fullest cell counts in any case, so N is at least 1.
    """
    pixels = picture.flatten(1).T
    cells = (pixels * levels).long().clamp(max=levels - 1) @ torch.tensor([levels**2, levels, 1]).to(pixels.device)
    count = torch.bincount(cells, minlength=levels**3)
    total = pixels.new_zeros(levels**3, 3).index_add_(0, cells, pixels)
    main = count >= min(share * len(pixels), int(count.max()))
    return total[main] / count[main, None]


def _leak(picture, line, reach, smallest):
    enclosed, paper = line[0] >= INK, line[0] > PAPER
    found, count = components(enclosed, STRAIGHT)
    region = torch.full(enclosed.shape, -1).to(found)
    region[enclosed] = found
    region[~paper] = -1
    size = torch.bincount(region[paper], minlength=count)
    number = torch.where(size >= smallest, torch.arange(count).to(size), -1)
    region[paper] = number[region[paper]]
    colour = picture.new_zeros(count + 1, 3)  # the last is of no region
    for one in number[number >= 0]:
        colour[one] = picture[:, region == one].median(dim=1).values

    pixels = picture.movedim(0, -1)
    own = colour[region]
    off = (pixels - own).abs().sum(-1)
    beside, leaks = torch.zeros(2, *paper.shape, dtype=torch.bool, device=picture.device)
    for other in _within(region, reach):
        differs = (region >= 0) & (other >= 0) & (other != region) & ((colour[other] - own).abs().amax(-1) > CLOSE)
        beside |= differs
        leaks |= differs & ((pixels - colour[other]).abs().sum(-1) < off)
    return float(leaks.sum() / beside.sum())


def _within(region, reach):
    """What lies up to `reach` px from every place of a map (H, W), in each of the four directions; -1 outside."""
    for step in range(1, reach + 1):
        for axis in (0, 1):
            for shift in (step, -step):
                moved = region.roll(shift, axis)
                edge = slice(0, shift) if shift > 0 else slice(shift, None)
                moved.movedim(axis, 0)[edge] = -1
                yield moved


def _close(picture, colour):
    """Where the picture has a colour, (B, 1, H, W)."""
    return (picture - colour).abs().amax(dim=1, keepdim=True) <= CLOSE


def _share(counted, among):
    return (counted & among).flatten(1).sum(1) / among.flatten(1).sum(1)
