"""What each network learns from a case: modules for `trainer.Part`, which hold it as `network`.

Called with a case and a torch.Generator on the CPU, they return losses by name. Pictures, drawings and references of a
case are -1..1, strokes 0..1.
"""

from functools import partial

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint

from ..models.animediffusion import diffusion
from ..models.diffusart.network import SCHEDULE
from ..models.likeness import network as likeness
from ..models.scft import losses
from . import latent_diffusion, sheet_cases
from .losses import draw_sigma, edm_loss, match_loss


class Geodesic(nn.Module):
    """Denoising over all noise levels. Cases: guidance, picture."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, case, generator):
        guidance, picture = case
        sigma = draw_sigma(len(picture), generator).to(picture)
        noise = normal(picture, generator)
        return {"loss": edm_loss(self.network, picture, [guidance], sigma, noise)}


class Likeness(nn.Module):
    """Denoising, mostly at levels where only the reference speaks. Cases: line, reference, tags of both, picture.

    Two more losses teach the matching: the error of the colours that the first head carries, and how little of its
    attention falls on the right places.
    """

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, case, generator):
        line, reference, *tags, picture = case
        sigma = draw_sigma(len(picture), generator, blind=0.75).to(picture)
        noise = normal(picture, generator)
        match, query, key = self.network.compare((line + 1) / 2, (reference + 1) / 2)
        found = match.carried
        cells = found.shape[-2:]
        wanted = F.interpolate(picture, cells, mode="area")
        wanted_tags, offered_tags = (F.interpolate(tag, cells, mode="nearest-exact").flatten(2).mT for tag in tags)
        some = torch.randperm(query.shape[1], generator=generator)[: query.shape[1] // 4]
        guidance = likeness.guidance((line + 1) / 2, match)
        return {
            "picture": edm_loss(self.network, picture, [guidance, found], sigma, noise),
            "carried": 0.5 * (found[:, :3] - wanted).abs().mean(),
            "matched": 0.3 * match_loss(query[:, some], key, wanted_tags[:, some], offered_tags),
        }


class NoisePrediction(nn.Module):
    """AnimeDiffusion's phase 1. Cases: line, reference, picture.

    The published sum over the batch is a mean here: Adam cares for neither, limits of the gradient and fp16 do.
    """

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, case, generator):
        line, reference, picture = case
        gammas = self.network.gammas
        t = torch.randint(len(gammas), (len(picture),), generator=generator).to(picture.device)
        noise = normal(picture, generator)
        loss = diffusion.noise_loss(self.network, picture, line, reference, gammas, t, noise)
        return {"noise": loss / picture.numel()}


class Reconstruction(nn.Module):
    """AnimeDiffusion's phase 2: the picture, inverted, and sampled again with gradients through all steps.

    frugal  keep no activations of a step, but compute them again for its gradients: less memory, more time
    """

    def __init__(self, network, frugal=False):
        super().__init__()
        self.network, self.frugal = network, frugal

    def forward(self, case, generator):
        line, reference, picture = case
        network = partial(checkpoint, self.network, use_reentrant=False) if self.frugal else self.network
        noise, *noises = (normal(picture, generator) for _ in range(diffusion.STEPS + 1))
        result = diffusion.reconstruct(network, picture, line, reference, self.network.gammas, noise, noises)
        return {"reconstruction": F.mse_loss(result, picture)}


class Scribbled(nn.Module):
    """Diffusart: noise prediction by the smooth L1 of its early revision. Cases: line, scribble, mask, picture."""

    def __init__(self, network):
        super().__init__()
        self.network = network
        self.register_buffer("gammas", diffusart_gammas())

    def forward(self, case, generator):
        line, scribble, mask, picture = case
        t = torch.randint(len(self.gammas), (len(picture),), generator=generator).to(picture.device)
        noise = normal(picture, generator)
        hints = self.network.hints(scribble, mask)
        noisy = diffusion.add_noise(picture, noise, self.gammas[t])
        eps = self.network(noisy, t, self.network.sketch(line, hints), *self.network.encode(line, hints))
        return {"noise": F.smooth_l1_loss(eps, noise)}


class LatentPrediction(nn.Module):
    """ColorizeDiffusion: the mean squared error of the noise or velocity. Cases: latent, sketch -1..1, tokens.

    unet        a frozen one, if `network` is a LoRA that is put on it
    prediction  "eps" or "v"
    encoders    for cases of pictures in 0..1 and of CLIP's input, in place of latents and tokens
    blind       share of cases whose tokens are zero
    blank       share of cases whose sketch is
    offset      of the noise: how far each channel is moved as a whole
    snr         limit of the signal-to-noise ratio that counts (Hang et al. 2023), or None
    """

    def __init__(self, network, prediction, unet=None, encoders=None, blind=0.5, blank=0.0, offset=0.05, snr=None):
        super().__init__()
        self.network, self.prediction, self.encoders = network, prediction, encoders
        self.others = (unet or network,)
        self.blind, self.blank, self.offset, self.snr = blind, blank, offset, snr
        self.register_buffer("alphas", latent_diffusion.alphas())

    def forward(self, case, generator):
        latent, sketch, tokens = case if self.encoders is None else self.encoded(*case)
        (unet,), count = self.others, len(latent)
        t = torch.randint(len(self.alphas), (count,), generator=generator).to(latent.device)
        alpha = self.alphas[t].view(-1, 1, 1, 1)
        noise = normal(latent, generator) + self.offset * normal(latent[:, :, :1, :1], generator)
        blind, blank = (torch.rand(count, generator=generator).to(latent) < share for share in (self.blind, self.blank))
        tokens = tokens.masked_fill(blind.view(-1, 1, 1), 0)
        sketch = sketch.masked_fill(blank.view(-1, 1, 1, 1), -1)
        noisy = latent_diffusion.noisy(latent, noise, alpha)
        output = latent_diffusion.call(unet, noisy, t, tokens, unet.control_encoder(sketch))
        errors = (output.float() - latent_diffusion.target(latent, noise, alpha, self.prediction)).square()
        return {"loss": (self.weights(alpha) * errors).mean()}

    def encoded(self, picture, sketch, pixels):
        with torch.autocast(picture.device.type, enabled=False):
            return self.encoders.latent(picture), sketch, self.encoders.tokens(pixels)

    def weights(self, alpha):
        if self.snr is None:
            return 1.0
        ratio = alpha / (1 - alpha)
        return ratio.clamp(max=self.snr) / (ratio + (self.prediction == "v"))


class Judgement(nn.Module):
    """SCFT's discriminator. Cases: line, reference, picture."""

    def __init__(self, discriminator, generator):
        super().__init__()
        self.network = discriminator
        self.others = (generator,)  # in a tuple, so that it is no part of this module

    def forward(self, case, generator):
        line, reference, picture = case
        self.network.requires_grad_(True)
        (painter,) = self.others
        with torch.no_grad():
            painted = painter(reference, line)
        return {"discriminator": losses.discriminator_loss(self.network, painted, picture, line)}


class Painting(nn.Module):
    """SCFT's generator. Cases: line, reference, picture.

    stages  VGG19, or None for training without perceptual and style losses
    cycle   weight of a loss that needs no truth: the next drawing, coloured after this picture, is the reference that
            gives this drawing its colours back
    """

    def __init__(self, generator, discriminator, stages=None, cycle=0.0):
        super().__init__()
        self.network, self.stages, self.cycle = generator, stages, cycle
        self.others = (discriminator,)

    def forward(self, case, generator):
        line, reference, picture = case
        (judge,) = self.others
        judge.requires_grad_(False)
        found, _ = losses.generator_losses(self.network, judge, self.stages, reference, line, picture)
        found = losses.weighted(found)
        if self.cycle:
            carried = self.network(picture, line.roll(-1, 0))
            found["cycle"] = self.cycle * F.l1_loss(self.network(carried, line), picture)
        return found


def normal(like, generator):
    """Standard normal noise drawn on the CPU, so that it is the same on every device."""
    return torch.randn(like.shape, generator=generator).to(like.device)


def diffusart_gammas():
    """Products of 1 - beta of Diffusart's schedule, (timesteps,)."""
    betas = torch.linspace(SCHEDULE["linear_start"], SCHEDULE["linear_end"], SCHEDULE["timesteps"])
    return (1 - betas).cumprod(0)


class Matching(nn.Module):
    """The paint of a region is that of the regions it goes with, and "none" if nothing is painted so."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, case, generator):
        new, known, wanted, offered = sheet_cases.unpack(case)
        logits = self.network(new, known).float()
        right = wanted[..., None] == offered[:, None]
        right = torch.cat([right, ~right.any(-1, keepdim=True)], dim=-1)
        loss = logits.logsumexp(-1) - logits.masked_fill(~right, -torch.inf).logsumexp(-1)
        return {"match": loss[new.there].mean()}
