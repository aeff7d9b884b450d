"""SCFT in ComfyUI: a LINEART_NETWORK, run picture by picture."""

import comfy.model_management as mm
import torch

from ..host import device, networks
from ..image import repeat_batch
from .correspondence import colour, heat_picture, point


def correspond(patcher, line, reference, mask, x, y, size):
    """Colours (B, h, w, 3), heat pictures (B, H', W', 3) and heat (B, H', W') for B drawings, references or masks.

    The heat tells what the reference gave to the mask (B, H, W) of the drawing, or without one to its point (x, y).
    """
    networks.expect(patcher, "scft", "Line Art Correspondence")
    if mask is None or not mask.any():  # LoadImage gives an empty mask for a picture without one
        mask = point(x, y, *line.shape[1:3])
    batch = max(len(line), len(reference), len(mask))
    frames = zip(*(repeat_batch(pictures, batch).split(1) for pictures in (line, reference, mask)), strict=True)

    network, place, home = patcher.model, patcher.load_device, device.intermediate_device()
    mm.load_models_gpu([patcher], memory_required=size * size * network.bytes_per_pixel)
    bar, results = device.progress_bar(batch), []
    for frame in frames:
        drawing, seen, region = (picture.to(place).float() for picture in frame)
        colours, heat = colour(network, drawing, seen, region, size)
        results.append([part.to(home) for part in (colours, heat_picture(seen, heat), heat)])
        bar.update(1)
    return [torch.cat(parts) for parts in zip(*results, strict=True)]
