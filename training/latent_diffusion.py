"""ColorizeDiffusion's UNet without the host's sampling: its noise schedule, one call, and a short DDIM for sheets."""

import torch
import torch.nn.functional as F
from einops import rearrange

from ..models.reading import Options

TIMESTEPS = 1000
BETAS = (0.00085, 0.012)
SPACING = 1  # the application's offset of DDIM timesteps


def alphas():
    """Products of 1 - beta of Stable Diffusion's schedule, (1000,)."""
    low, high = (end**0.5 for end in BETAS)
    return (1 - torch.linspace(low, high, TIMESTEPS, dtype=torch.float64) ** 2).cumprod(0).float()


def call(unet, x, t, tokens, hints):
    """What the UNet makes of noisy latents (B, 4, h, w) at timesteps (B,), tokens (B, n, C) and the sketch's hints."""
    reading = Options().read((1.0,) * unet.transformer_blocks)
    conds = {f"hint_{i}": hint for i, hint in enumerate(hints)}
    options = {"optimized_attention_override": attend}
    return unet(x, t.float(), tokens, transformer_options=options, reading=reading, **conds)


def attend(_, q, k, v, heads, **options):
    """In place of the attention that the host chose, which may give no gradients."""
    q, k, v = (rearrange(part, "b n (heads c) -> b heads n c", heads=heads) for part in (q, k, v))
    return rearrange(F.scaled_dot_product_attention(q, k, v), "b heads n c -> b n (heads c)")


def noisy(latent, noise, alpha):
    return alpha.sqrt() * latent + (1 - alpha).sqrt() * noise


def target(latent, noise, alpha, prediction):
    """What the network is to give: the noise ("eps") or the velocity ("v")."""
    return noise if prediction == "eps" else alpha.sqrt() * noise - (1 - alpha).sqrt() * latent


@torch.no_grad()
def sample(unet, sketch, tokens, noise, prediction, steps=20, scale=4.0):
    """Latents by DDIM from x ~ N(0, 1), guided by the reference."""
    hints = [torch.cat([hint, hint]) for hint in unet.control_encoder(sketch)]
    tokens = torch.cat([tokens, torch.zeros_like(tokens)])
    levels, x, step = alphas().to(noise), noise, TIMESTEPS // steps
    for t in reversed(range(SPACING, steps * step, step)):
        alpha = levels[t]
        following = levels[t - step] if t >= step else torch.ones_like(alpha)
        times = torch.full((2 * len(x),), t, device=x.device)
        guided, free = call(unet, torch.cat([x, x]), times, tokens, hints).float().chunk(2)
        output = free + scale * (guided - free)
        eps = output if prediction == "eps" else alpha.sqrt() * output + (1 - alpha).sqrt() * x
        clean = (x - (1 - alpha).sqrt() * eps) / alpha.sqrt()
        x = noisy(clean, eps, following)
    return x
