"""Numbers that the UNets of ColorizeDiffusion XL read, as sines and cosines of them."""

import torch

from ..colorizediffusion.network import sinusoid

AESTHETIC = 7.0  # score that pictures are asked for; the training showed real ones from 5.5 up


def sinusoids(*numbers, **options):
    """(1, len(numbers) * 256): `sinusoid` of each number; options are its."""
    return sinusoid(torch.tensor(numbers), **options).reshape(1, -1)


def size_vector(height, width, **options):
    """For the UNet: the size of the picture in px."""
    return sinusoids((height * width) ** 0.5, AESTHETIC, **options)


def crop_vector(size, background, **options):
    """For the background network: which part of a picture of size `background` (height, width) has the shape `size`."""
    shape, full = (width / height for height, width in (size, background))
    return sinusoids(0.0, 0.0, min(1.0, full / shape), min(1.0, shape / full), **options)
