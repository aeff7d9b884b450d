"""How close a coloured picture comes to the truth. Pictures are (B, 3, H, W) in 0..1; one value per picture."""

import torch

from .losses import ssim


def psnr(a, b):
    """Peak signal to noise in dB."""
    return -10 * torch.log10((a - b).square().flatten(1).mean(1).clamp(min=1e-10))


def stroke_error(picture, scribble, mask):
    """Mean distance, in grey levels, of the picture from the strokes' colours where the strokes are; NaN without."""
    off = (255 * (picture - scribble).abs() * mask).flatten(1).sum(1)
    return off / (3 * mask.flatten(1).sum(1))


MEASURES = {"PSNR": psnr, "SSIM": ssim}
