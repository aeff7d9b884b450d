"""AnimeDiffusion's diffusion process: schedule, the 10-step DDIM it is shipped with, inversion, both losses.

Torch only. `gammas` are the running products of 1 - beta; a network is any `f(x, t, line, reference)` that returns
the noise, t being None where the original leaves the time out. Pictures are (B, 3, H, W) in -1..1.
"""

import torch
import torch.nn.functional as F

TIMESTEPS = 1000
BETAS = (1e-6, 1e-2)  # ends of the betas at TIMESTEPS; both uncommonly small, so the last gamma is far from 0
STEPS = 10


def schedule(timesteps=TIMESTEPS):
    """The buffers of a checkpoint by name, each (timesteps,)."""
    scale = TIMESTEPS / timesteps
    betas = torch.linspace(*(scale * end for end in BETAS), timesteps)
    gammas = (1 - betas).cumprod(0)
    before = torch.cat([torch.ones(1), gammas[:-1]])
    variance = betas * (1 - before) / (1 - gammas)
    return {
        "gammas": gammas,
        "sqrt_reciprocal_gammas": (1 / gammas).sqrt(),
        "sqrt_reciprocal_gammas_m1": (1 / gammas - 1).sqrt(),
        "posterior_variance": variance,
        "posterior_log_variance": variance.clamp(min=1e-20).log(),
        "posterior_mean_coef1": betas * before.sqrt() / (1 - gammas),
        "posterior_mean_coef2": (1 - before) * (1 - betas).sqrt() / (1 - gammas),
    }


def add_noise(picture, noise, gamma):
    """The picture at a noise level; gamma is a number, or one per picture (B,)."""
    gamma = torch.as_tensor(gamma, device=picture.device).view(-1, 1, 1, 1)
    return gamma.sqrt() * picture + (1 - gamma).sqrt() * noise


def predicted(x, eps, gamma):
    """The picture that x is, should eps be its noise; kept in -1..1."""
    return ((x - (1 - gamma) ** 0.5 * eps) / gamma**0.5).clamp(-1, 1)


def ddim_step(picture, eps, gamma, following, eta, noise):
    """From noise level gamma to `following` (Song et al. 2021, eq. 12), both numbers.

    As published, eps stays the network's own where the picture was clamped.
    """
    variance = eta**2 * (1 - following) / (1 - gamma) * (1 - gamma / following)
    return following**0.5 * picture + (1 - following - variance) ** 0.5 * eps + variance**0.5 * noise


def ancestral_step(x, eps, t, noise, tables, eta=1.0):
    """One of T steps (Ho et al. 2020), t (B,): no noise where t is 0."""
    picture = _at(tables["sqrt_reciprocal_gammas"], t) * x - _at(tables["sqrt_reciprocal_gammas_m1"], t) * eps
    mean = _at(tables["posterior_mean_coef1"], t) * picture.clamp(-1, 1) + _at(tables["posterior_mean_coef2"], t) * x
    spread = (0.5 * _at(tables["posterior_log_variance"], t)).exp()
    return mean + eta * (t > 0).view(-1, 1, 1, 1) * spread * noise


def timesteps(count, total=TIMESTEPS):
    """Indices of `count` DDIM steps and what they lead to, upwards: (1, 101, ..., 901), (0, 1, 101, ..., 801).

    As published they lead to index 0 at last, not to a clean picture: 1e-3 of noise stays.
    """
    if not 1 <= count < total:
        raise ValueError(f"The schedule has {total} levels; take 1 to {total - 1} steps instead of {count}.")
    at = [1 + i * (total // count) for i in range(count)]
    return at, [0, *at[:-1]]


def ddim(network, x, line, reference, gammas, noises, eta=1.0, steps=STEPS):
    """Yields x after each step from x ~ N(0, 1); `noises` gives one draw per step, in their order.

    With gradients: phase 2 trains through all steps.
    """
    for t, following, noise in zip(*(reversed(ts) for ts in timesteps(steps, len(gammas))), noises, strict=False):
        gamma, next_gamma = float(gammas[t]), float(gammas[following])
        eps = network(x, torch.full((len(x),), t, device=x.device), line, reference)
        x = ddim_step(predicted(x, eps, gamma), eps, gamma, next_gamma, eta, noise)
        yield x


@torch.no_grad()
def fix_forward(network, picture, line, reference, gammas, noise, steps=STEPS):
    """DDIM backwards, from the picture to the noise level that sampling starts at; where phase 2 starts from.

    The first transition takes the drawn noise, the others the network's, which as published is not told the time.
    """
    x = picture
    for following, t in zip(*timesteps(steps, len(gammas)), strict=True):
        gamma, next_gamma = float(gammas[t]), float(gammas[following])
        eps = network(x, None, line, reference) if t else noise
        clean = predicted(x, eps, gamma) if t else picture
        x = add_noise(clean, eps, next_gamma)
    return x


def noise_loss(network, picture, line, reference, gammas, t, noise):
    """Phase 1: squared errors of the predicted noise at timesteps t (B,), summed as published."""
    return F.mse_loss(network(add_noise(picture, noise, gammas[t]), t, line, reference), noise, reduction="sum")


def reconstruct(network, picture, line, reference, gammas, noise, noises, eta=1.0, steps=STEPS):
    """Phase 2: the picture, inverted and sampled again. Its loss is the mean squared error against the picture."""
    x = fix_forward(network, picture, line, reference, gammas, noise, steps)
    *_, x = ddim(network, x, line, reference, gammas, noises, eta, steps)
    return x


def _at(table, t):
    return table[t].view(-1, 1, 1, 1)
