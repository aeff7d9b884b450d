"""Line art of a procedural picture in the many hands it can come from: inked, scanned, thresholded, extracted."""

import torch
import torch.nn.functional as F

from ..models.line import xdog
from .canvas import smooth_noise


def compose(rng, colour, ink):
    """The finished picture (H, W, 3): colours (H, W, 3) under ink coverage (H, W) of a random darkness and tint."""
    strength = 1.0 if rng.random() < 0.5 else rng.uniform(0.15, 1)
    tone = rng.uniform(0, 0.25) if rng.random() < 0.4 else colour * rng.uniform(0.05, 0.6)
    picture = colour + (tone - colour) * (ink * strength)[..., None]
    if rng.random() < 0.25:
        picture = soften(picture, rng.uniform(0.2, 0.6))
    return picture.astype("float32")


def soften(picture, amount):
    planes = torch.from_numpy(picture).movedim(-1, 0)[None]
    blurred = F.avg_pool2d(F.pad(planes, (1, 1, 1, 1), mode="replicate"), 3, 1)
    return (planes + (blurred - planes) * amount)[0].movedim(0, -1).numpy()


def extracted(rng, picture):
    """Lines found in the finished picture (H, W, 3) by one of the XDoG family with random parameters."""
    image = torch.from_numpy(picture)[None]
    kind = rng.random()
    if kind < 0.25:
        line = xdog.animediffusion(image, sigma=float(rng.uniform(0.3, 0.6)))
    elif kind < 0.7:
        line = xdog.xdog(
            image,
            sigma=float(rng.uniform(0.35, 0.9)),
            k=float(rng.choice([1.6, 2.5, 4])),
            p=float(rng.uniform(8, 40)),
            eps=float(rng.uniform(0.05, 0.6)),
            phi=float(rng.uniform(3, 40)),
        )
    elif kind < 0.85:
        line = xdog.controlnet_aux(image, threshold=float(rng.uniform(6, 50)))
    else:
        line = xdog.standard(image, sigma=float(rng.uniform(1, 4)), threshold=8)
    return line[0].clamp(0, 1).numpy()


def drawn(rng, ink):
    """Lines from the ink itself (H, W): faint or strong, soft or thresholded."""
    if rng.random() < 0.4:
        return 1 - (ink > rng.uniform(0.15, 0.6)).astype("float32")
    return 1 - (ink * rng.uniform(0.4, 1.6)).clip(0, 1) ** rng.uniform(0.6, 1.6)


def line_art(rng, picture, ink):
    """Line art (H, W), 1 = paper, of a picture (H, W, 3); from its ink coverage (H, W) too, where that is known."""
    line = extracted(rng, picture) if ink is None or rng.random() < 0.5 else drawn(rng, ink)
    if rng.random() < 0.15:
        line = -F.max_pool2d(-torch.from_numpy(line)[None], 3, 1, 1)[0].numpy() if rng.random() < 0.5 else line**0.5
    if rng.random() < 0.3:
        holes = smooth_noise(rng, *line.shape, rng.integers(12, 30)) > rng.uniform(0.35, 0.8)
        line = line.copy()
        line[holes] = 1
    return line.astype("float32")
