"""Sampling through ComfyUI against a bare loop over the same network, which has random weights."""

import tempfile
from itertools import pairwise
from pathlib import Path

import torch
from safetensors.torch import save_file

from ...models import keys
from ...models.diffusart.network import Diffusart
from ...models.host.joining import join_host
from ...models.image import luma
from . import Row, medians

SIDE, STEPS = 256, 8
WIDTHS = (16, 32, 64, 128, 128)


def run():
    join_host()
    model = random_model()
    line, strokes = torch.rand(1, SIDE, SIDE, 3), torch.rand(1, SIDE, SIDE, 3)
    mask = (torch.rand(1, SIDE, SIDE) > 0.95).float()
    through_host = host_run(model, line, strokes, mask)
    loop = bare_loop(model.model, line, strokes, mask)
    difference = f"largest difference {(through_host() - loop()).abs().max():.1e}"
    ours, theirs = medians(through_host, loop, runs=3)
    name = f"sampling, {STEPS} steps"
    yield Row(name, ours, "ms", "bare loop of network calls", theirs, theirs / ours, 0.95, difference)


def host_run(model, line, strokes, mask):
    """Drawing and strokes to a sampled picture, as ColorizeSampler and KSampler do it."""
    import comfy.sample

    guidance = {keys.LINE: line, keys.SCRIBBLE: strokes, keys.SCRIBBLE_MASK: mask}
    positive = [[torch.zeros(1, 1, 1), guidance]]
    negative = [[torch.zeros(1, 1, 1), {**guidance, keys.SCRIBBLE_MASK: torch.zeros_like(mask)}]]
    latent = torch.zeros(1, 3, SIDE, SIDE)

    def call():
        return comfy.sample.sample(
            model,
            comfy.sample.prepare_noise(latent, 0),
            STEPS,
            1.0,
            "euler",
            "sgm_uniform",
            positive,
            negative,
            latent,
            disable_pbar=True,
            seed=0,
        )

    return call


def bare_loop(model, line, strokes, mask):
    """Euler's method, the encoder once and the network once per step; (B, C, H, W) is at hand."""
    from comfy.samplers import calculate_sigmas

    network, sampling = model.diffusion_model, model.model_sampling
    sigmas = calculate_sigmas(sampling, "sgm_uniform", STEPS)
    drawing = 2 * luma(line)[:, None] - 1
    hints = network.hints(strokes.movedim(-1, 1), mask[:, None])

    @torch.inference_mode()
    def call():
        context_1, context_2 = network.encode(drawing, hints)
        x = torch.randn(1, 3, SIDE, SIDE, generator=torch.manual_seed(0)) * (1 + sigmas[0] ** 2).sqrt()
        for sigma, following in pairwise(sigmas):
            t = sampling.timestep(sigma[None]).float()
            eps = network.run_network(
                x / (1 + sigma**2).sqrt(), t, sketch=drawing, context_1=context_1, context_2=context_2
            )
            picture = (x - sigma * eps).clamp(-1, 1)
            x = x + (x - picture) / sigma * (following - sigma)
        return x

    return call


def random_model():
    from ...models.host.loading import load_colorizer

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "random.safetensors"
        torch.manual_seed(0)
        save_file(Diffusart(dim=64, widths=WIDTHS, encoder_widths=WIDTHS).state_dict(), path)
        return load_colorizer(str(path), dtype="fp32")[0]
