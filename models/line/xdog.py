"""XDoG, extended difference of Gaussians: line art from pictures, and its published variants.

Winnemoeller, Kyprianidis, Olsen 2012. With luminance I in 0..1 and a Gaussian blur G:

    sharpened form  S = (1 + p) G_sigma(I) - p G_(k sigma)(I)
    difference form D = G_sigma(I) - tau G_(k sigma)(I)      p = tau / (1 - tau), S = D / (1 - tau)
    threshold       T(u) = 1 if u >= eps else 1 + tanh(phi (u - eps))

Flat areas keep S = I: there eps is the tone below which they turn to ink.

Every extractor here takes RGB (B, H, W, 3) in 0..1 of any size, as models/image.rgb makes it of any IMAGE,
and returns lines (B, H, W) in the same dtype on the same device: 0 = ink, 1 = paper. Lengths are px, so sigma
grows with the resolution.
"""

import torch

from .blur import OPENCV, SCIPY, bands, blurred, gaussian, gaussian_8bit, groups
from .memory import fresh

STEP = 1e8  # from this slope on the ramp is narrower than a float32: a comparison says the same


def ink(lines):
    """Mask of the ink, 1 = ink, of lines (B, H, W)."""
    return 1 - lines


def xdog(image, sigma=0.8, k=1.6, p=60.0, eps=0.2, phi=2.0, tau=None, multiply=False):
    """Textbook XDoG: the S form by p, or the D form when tau is given (eps and phi then apply to D).

    multiply: the response is multiplied by the picture before the threshold, which blackens dark areas.
    """
    return _lines(image, luminance, sigma, k, eps, phi, p=p, tau=tau, multiply=multiply)


def animediffusion(image, sigma=0.4):
    """AnimeDiffusion's condition: 8-bit grey, k 3.5, p 10, multiplied by the picture, hard step at 0.01.

    The original draws sigma from {0.3, 0.4, 0.5} for every picture.
    """
    return _lines(image, gray_8bit, sigma, 3.5, 0.01, 1e9, p=10.0, multiply=True)


def xdog_python(image, eps=0.01, phi=10.0, tau=0.98, sigma=0.5, k=200.0, truncate=False):
    """XDoG-Python: the D form against a very wide blur; all that is darker than its surroundings becomes ink.

    truncate: as the original, whose blurs are stored in 8 bits and rounded down after each pass.
    """
    if not truncate:
        return _lines(image, gray_8bit, sigma, k, eps, phi, tau=tau, rule=SCIPY)
    levels = (gray_8bit(image) * 255).round_()
    inner, outer = gaussian_8bit(levels, sigma), gaussian_8bit(levels, k * sigma)
    return threshold_((inner - outer * tau) / 255, eps, phi)


def controlnet_aux(image, threshold=32, sigma=0.5, k=10.0, overflow=False):
    """controlnet_aux's "Scribble XDoG": ink lies threshold / 2 levels below its surroundings in all channels.

    overflow: as the original, which doubles the depth in 8 bits; lines 127 to 144 levels deep then vanish.
    """
    return by_depth(depth_below(image, sigma, k).mul_(255), threshold, overflow)


def by_depth(depth, threshold, overflow=False):
    """controlnet_aux's decision on depths below the surroundings, in grey levels."""
    if not overflow:
        return (depth <= threshold / 2).to(depth)
    return (depth.clamp(0, 255).ceil_().mul_(2).remainder_(256) <= threshold).to(depth)


def standard(image, sigma=6.0, threshold=8):
    """controlnet_aux's "standard line art": depth under the blurred surroundings over its median.

    The median is each picture's own, of depths above threshold (grey levels), so paper grain does not count.
    """
    depth = depth_below(image, 0, sigma).mul_(255).clamp_(0, 255)
    for picture in depth:
        picture.mul_(127 / max(16.0, _median(picture[picture > threshold])))
    return 1 - depth.clamp_(0, 255).div_(255)


def luminance(image):
    """Brightness of RGB by ITU-R 601, (B, H, W) in 0..1."""
    return image @ image.new_tensor([0.299, 0.587, 0.114])


def gray_8bit(image):
    """OpenCV's RGB to grey of an 8-bit picture, (B, H, W) in 0..1: the same multiples of 1/255."""
    weights = image.new_tensor([9798.0, 19235.0, 3735.0]) / 32768  # the sums are exact in float32
    return image.mul(255).round_().matmul(weights).add_(0.5).floor_().div_(255)


def response(plane, sigma, k, p=60.0, tau=None, multiply=False, rule=OPENCV, finish_=None, out=None):
    """S (or D with tau) of planes (B, H, W); `finish_` works in place on every cache-sized band of it."""
    inner, outer = (1 + p, p) if tau is None else (1.0, tau)
    near, wide = blurred(plane, sigma, rule), blurred(plane, k * sigma, rule)
    out = torch.empty_like(plane) if out is None else out
    for rows in bands(plane):
        u = out[:, rows].zero_()
        near(u, rows, inner)
        wide(u, rows, -outer)
        if multiply:
            u.mul_(plane[:, rows])
        if finish_:
            finish_(u)
    return out


def threshold_(u, eps, phi):
    """T in place: 1 from eps on, a tanh ramp of slope phi below it."""
    if phi >= STEP:
        return u.ge_(eps)
    return u.sub_(eps).mul_(phi).clamp_(max=0).tanh_().add_(1)


def depth_below(image, sigma, k):
    """How far a picture lies under its surroundings in the channel where that is least, (B, H, W), -1..1.

    min over RGB of G_(k sigma) - G_sigma; with sigma 0, of G_k minus the picture itself.
    """
    out = fresh(image.shape[:3], image)
    for group in groups(out):
        channels = [channel.contiguous() for channel in image[group].unbind(-1)]
        if sigma:
            depths = [response(channel, sigma, k, tau=1.0).neg_() for channel in channels]
        else:
            depths = [gaussian(channel, k).sub_(channel) for channel in channels]
        torch.minimum(torch.minimum(*depths[:2]), depths[2], out=out[group])
    return out


def _lines(image, tone, sigma, k, eps, phi, **form):
    """T of the response on the plane `tone` of pictures; a long batch needs no memory beyond its result."""
    out = fresh(image.shape[:3], image)
    parts = groups(out)
    planes = fresh(out[parts[0]].shape, image) if parts else None  # one for all: new memory is slow to touch
    for group in parts:
        plane = planes[: group.stop - group.start]
        for rows in bands(image[group]):
            plane[:, rows] = tone(image[group, rows])
        response(plane, sigma, k, finish_=lambda u: threshold_(u, eps, phi), out=out[group], **form)
    return out


def _median(values):
    """The middle value, the mean of the middle two of an even count; 0 of none."""
    if not values.numel():
        return 0.0
    values, middle = values.sort().values, (values.numel() - 1) // 2
    return float(values[middle] + values[values.numel() // 2]) / 2
