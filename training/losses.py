"""What training minimises."""

import torch
import torch.nn.functional as F

from ..models.edm import SIGMA_DATA, SIGMA_MAX, SIGMA_MIN


def draw_sigma(batch, generator, blind=0.5):
    """Noise levels (B,): a share `blind` so high that only the guidance speaks, the others spread over the finer ones.

    A sampler's first step is a whole picture from guidance alone, and a few steps are all that users wait for.
    """
    high = torch.rand(batch, generator=generator) < blind
    coarse = 10 * (SIGMA_MAX / 10) ** torch.rand(batch, generator=generator)
    fine = torch.exp(torch.randn(batch, generator=generator) * 1.2 - 0.5).clamp(SIGMA_MIN, SIGMA_MAX)
    return torch.where(high, coarse, fine)


def edm_loss(network, picture, conditions, sigma, noise, structure=0.5):
    """Karras et al. 2022, eq. 8 (their weighting makes it the plain error of F), plus 1 - SSIM of the picture.

    picture (B, 3, H, W) in -1..1, conditions as the network takes them, sigma (B,), noise like the picture.
    """
    s = sigma.view(-1, 1, 1, 1)
    norm = (s**2 + SIGMA_DATA**2).sqrt()
    c_skip, c_out = SIGMA_DATA**2 / norm**2, s * SIGMA_DATA / norm
    noisy = picture + s * noise
    output = network(noisy / norm, sigma.log() / 4, *conditions).float()
    error = (output - (picture - c_skip * noisy) / c_out).square().mean()
    denoised = c_skip * noisy + c_out * output
    return error + structure * (1 - ssim((denoised + 1) / 2, (picture + 1) / 2).mean())


def match_loss(query, key, wanted, offered):
    """Mean of -ln of the attention that falls on places with the same tag, over the places that have some.

    query (B, n, C), key (B, m, C), wanted (B, n, T), offered (B, m, T): the same within less than 1 in each of T.
    """
    same = (wanted[:, :, None] - offered[:, None]).abs().amax(-1) < 1  # (B, n, m)
    scores = (query @ key.mT).float()
    share = scores.masked_fill(~same, -1e4).logsumexp(-1) - scores.logsumexp(-1)
    return -share[same.any(-1)].sum() / same.any(-1).sum().clamp(min=1)


def ssim(a, b, window=7):
    """Structural similarity of pictures (B, C, H, W) in 0..1, one value per picture.

    A flat 7 x 7 window over its valid positions, sample covariance: scikit-image's defaults.
    """
    mean_a, mean_b = F.avg_pool2d(a, window, 1), F.avg_pool2d(b, window, 1)
    unbiased = window**2 / (window**2 - 1)
    var_a = unbiased * (F.avg_pool2d(a * a, window, 1) - mean_a**2)
    var_b = unbiased * (F.avg_pool2d(b * b, window, 1) - mean_b**2)
    covariance = unbiased * (F.avg_pool2d(a * b, window, 1) - mean_a * mean_b)
    c1, c2 = 0.01**2, 0.03**2
    similarity = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    similarity = similarity / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
    return similarity.flatten(1).mean(1)
