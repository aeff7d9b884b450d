"""Numbers that the UNets of ColorizeDiffusion XL read, as sines and cosines of them."""

import torch

CHANNELS = 256  # per number in the published files
AESTHETIC = 7.0  # score that pictures are asked for; the training showed real ones from 5.5 up


def sinusoids(*numbers, channels=CHANNELS, period=10000):
    """(1, len(numbers) * channels): for each number, its cosines at falling frequencies, then its sines."""
    frequencies = period ** -(torch.arange(channels // 2) / (channels // 2))
    angles = torch.tensor(numbers, dtype=torch.float32)[:, None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], 1).reshape(1, -1)


def size_vector(height, width, **options):
    """For the UNet: the size of the picture in px."""
    return sinusoids((height * width) ** 0.5, AESTHETIC, **options)


def crop_vector(size, background, **options):
    """For the background network: which part of a picture of size `background` (height, width) has the shape `size`."""
    shape, full = (width / height for height, width in (size, background))
    return sinusoids(0.0, 0.0, min(1.0, full / shape), min(1.0, shape / full), **options)
