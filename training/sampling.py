"""Sampling without the host, for evaluation and sample sheets."""

import torch

from ..models.animediffusion import diffusion
from ..models.edm import SIGMA_DATA, SIGMA_MAX, SIGMA_MIN
from ..models.geodesic.network import guidance
from ..models.likeness import network as likeness
from .objectives import diffusart_gammas


def karras(steps, rho=7.0):
    """Karras et al. 2022's noise levels (steps + 1,), the last one 0."""
    ramp = torch.linspace(0, 1, steps) if steps > 1 else torch.zeros(1)
    high, low = SIGMA_MAX ** (1 / rho), SIGMA_MIN ** (1 / rho)
    return torch.cat([(high + ramp * (low - high)) ** rho, torch.zeros(1)])


@torch.no_grad()
def colorize(network, line, scribble, mask, steps, seed=0):
    """Geodesic's pictures (B, 3, H, W) for line (B, 1, H, W), scribble (B, 3, H, W) and mask (B, 1, H, W), all 0..1."""
    told = guidance(line, scribble, mask)
    return sample(network, [told], line.shape, steps, seed)


@torch.no_grad()
def colorize_after(network, line, reference, steps, seed=0):
    """Likeness' pictures (B, 3, H, W) for line (B, 1, H, W) and reference (B, 3, H', W'), all 0..1."""
    line, reference = (picture.to(next(network.parameters()).device) for picture in (line, reference))
    match = network.match(line, reference)
    return sample(network, [likeness.guidance(line, match), match.carried], line.shape, steps, seed)


def sample(network, conditions, shape, steps, seed):
    """Pictures (B, 3, H, W) in 0..1 from noise of the seed, `shape` (B, ..., H, W)."""
    device = next(network.parameters()).device
    conditions = [condition.to(device) for condition in conditions]
    sigmas = karras(steps)
    noise = torch.randn(shape[0], 3, *shape[-2:], generator=torch.Generator().manual_seed(seed)).to(device)
    x = noise * (sigmas[0] ** 2 + 1).sqrt()  # as the host starts: noise on a picture of unit variance
    for sigma, following in zip(sigmas.tolist(), sigmas[1:].tolist(), strict=False):
        norm = (sigma**2 + SIGMA_DATA**2) ** 0.5
        t = torch.full((len(x),), sigma, device=device).log() / 4
        output = network(x / norm, t, *conditions)
        denoised = (x * SIGMA_DATA**2 / norm**2 + output * sigma * SIGMA_DATA / norm).clamp(-1, 1)
        x = denoised + (x - denoised) * following / sigma
    return ((x + 1) / 2).clamp(0, 1).cpu()


def animediffusion(network, line, reference, seed=0):
    """AnimeDiffusion's DDIM: pictures (B, 3, H, W) for line (B, 1, H, W) and reference (B, 3, H, W), all -1..1."""
    x, *noises = _draws(reference, seed, diffusion.STEPS + 1)
    *_, x = diffusion.ddim(network, x, line, reference, network.gammas, noises)
    return x.clamp(-1, 1)


def diffusart(network, line, scribble, mask, steps=20, seed=0):
    """DDIM with Diffusart: pictures in -1..1 for line in -1..1, scribble and mask in 0..1."""
    hints = network.hints(scribble, mask)
    told = network.sketch(line, hints), *network.encode(line, hints)
    x, *noises = _draws(scribble, seed, steps + 1)
    *_, x = diffusion.ddim(lambda x, t, *_: network(x, t, *told), x, None, None, diffusart_gammas(), noises, 0.0, steps)
    return x.clamp(-1, 1)


def _draws(like, seed, count):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(like.shape, generator=generator).to(like) for _ in range(count)]
