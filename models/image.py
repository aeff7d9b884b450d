"""Pictures as ComfyUI passes them: IMAGE is BHWC float 0..1, MASK is BHW float 0..1."""

import torch
import torch.nn.functional as F


def rgb(image):
    """Any IMAGE (B, H, W, 1..4) as (B, H, W, 3) in 0..1: alpha over white paper, grey repeated, NaN as paper."""
    image = image.nan_to_num(1.0, 1.0, 0.0).clamp(0, 1)
    channels = image.shape[-1]
    if channels in (2, 4):
        alpha = image[..., -1:]
        image = image[..., :-1] * alpha + (1 - alpha)
    return image.expand(*image.shape[:-1], 3) if image.shape[-1] == 1 else image


def luma(image):
    """Brightness of an IMAGE by ITU-R 601, (B, H, W) in 0..1."""
    return rgb(image) @ torch.tensor([0.299, 0.587, 0.114], dtype=image.dtype, device=image.device)


def resize(image, height, width):
    """IMAGE to another size: area when it shrinks (thin ink fades, never vanishes), bicubic when it grows."""
    if image.shape[1:3] == (height, width):
        return image
    shrinks = height <= image.shape[1] and width <= image.shape[2]
    mode = {"mode": "area"} if shrinks else {"mode": "bicubic", "align_corners": False, "antialias": True}
    return F.interpolate(image.movedim(-1, 1), (height, width), **mode).movedim(1, -1).clamp(0, 1)


def cover(image, height, width):
    """The middle of an IMAGE, as much of it as has the proportions of the size, at that size."""
    scale = max(height / image.shape[1], width / image.shape[2])
    rows, columns = (max(1, round(side / scale)) for side in (height, width))
    top, left = (image.shape[1] - rows) // 2, (image.shape[2] - columns) // 2
    return resize(image[:, top : top + rows, left : left + columns], height, width)


def fit_inside(height, width, size, multiple=1):
    """The size of a picture scaled so that its longer side is `size`, both sides rounded to `multiple`."""
    scale = size / max(height, width)
    return tuple(max(multiple, round(side * scale / multiple) * multiple) for side in (height, width))


def repeat_batch(tensor, batch):
    """Fit a batch to another length: a single picture serves all, longer ones tile as the host's latents do."""
    if tensor.shape[0] == batch:
        return tensor
    times = -(-batch // tensor.shape[0])
    return tensor.repeat(times, *[1] * (tensor.ndim - 1))[:batch]
