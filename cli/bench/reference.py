"""Reference colorizers at their published widths, with random weights, against plain loops in fp32 written from facts.

The loops call the same modules as torch lays them out, no activation in place, attention as product and softmax.
"""

import tempfile
from pathlib import Path

import torch
import torch.nn as nn
from safetensors.torch import save_file

from ...models import keys
from ...models.animediffusion import diffusion
from ...models.animediffusion.network import AnimeDiffusion
from ...models.host.joining import join_host
from ...models.image import luma
from ...models.scft.network import Generator
from . import Row, medians, peak_memory

SIDE = 256  # px
WANTED = 1.3


def run():
    join_host()
    from ...models.host.device import compute_device

    torch.manual_seed(0)
    place = compute_device()
    line, reference = torch.rand(2, 1, SIDE, SIDE, 3).to(place)
    network = plain(AnimeDiffusion(attention=plain_attention)).to(place)
    ours = hosted_animediffusion(network.state_dict(), line, reference)
    name = f"AnimeDiffusion, {diffusion.STEPS} steps"
    yield compare(name, ours, animediffusion_loop(network, line, reference), runs=1)
    network = plain(Generator()).to(place)
    ours = hosted_scft(network.state_dict(), line, reference)
    yield compare("SCFT, one pass", ours, lambda: scft_pass(network, line, reference), runs=5)


def compare(name, ours, theirs, runs):
    peaks = []
    for call in (ours, theirs):
        with peak_memory() as peak:
            picture = call()
        peaks.append((peak(), picture))
    (our_peak, picture), (their_peak, expected) = peaks
    ms, their_ms = medians(ours, theirs, runs=runs)
    note = f"largest difference {float((picture.cpu() - expected.cpu()).abs().max()):.1e}"
    note += f", memory peak +{our_peak:.0f} MiB against +{their_peak:.0f}"
    return Row(name, ms, "ms", f"plain fp32 loop, {SIDE} x {SIDE}", their_ms, their_ms / ms, WANTED, note)


def plain(network):
    for module in network.modules():
        if isinstance(module, nn.SiLU | nn.LeakyReLU):
            module.inplace = False
    return network.eval()


def plain_attention(q, k, v):
    return (q @ k.mT / q.shape[-1] ** 0.5).softmax(dim=-1) @ v


def planes(image):
    return 2 * image.movedim(-1, 1) - 1


def hosted_animediffusion(weights, line, reference):
    """Colours (B, 3, H, W) in -1..1 as LineartDDIM and SamplerCustom find them, from the same draws as the loop's."""
    import comfy.sample
    import comfy.samplers

    from ...models.animediffusion.native import ddim_sigmas, sample_ddim
    from ...models.host.loading import load_colorizer

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "random.safetensors"
        save_file(weights, path)
        model = load_colorizer(str(path), dtype="fp32")[0]
    guidance = {keys.LINE: line, keys.REFERENCE: reference}
    conds = [[torch.zeros(1, 1, 1), guidance]], [[torch.zeros(1, 1, 1), guidance]]
    sigmas, empty = ddim_sigmas(model, diffusion.STEPS), torch.zeros(1, 3, SIDE, SIDE)

    def call():
        noise, *noises = draws()
        drawn = (step.to(line) for step in noises)
        sampler = comfy.samplers.KSAMPLER(sample_ddim, {"eta": 1.0, "noise_sampler": lambda *_: next(drawn)})
        return comfy.sample.sample_custom(model, noise, 1.0, sampler, sigmas, *conds, empty, disable_pbar=True)

    return call


def animediffusion_loop(network, line, reference):
    drawing, reference = planes(luma(line)[..., None]), planes(reference)

    @torch.no_grad()
    def call():
        noise, *noises = draws().to(reference)
        *_, picture = diffusion.ddim(network, noise, drawing, reference, network.gammas, noises)
        return picture

    return call


def draws():
    return torch.randn(1 + diffusion.STEPS, 1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


def hosted_scft(weights, line, reference):
    """Colours (B, 3, H, W) in 0..1 of the network as LineartNetworkLoader loads it."""
    import comfy.model_management as mm

    from ...models.host import networks

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "random.safetensors"
        save_file(weights, path)
        patcher = networks.load_network(str(path), "fp32")

    def call():
        mm.load_models_gpu([patcher])
        return scft_pass(patcher.model, line, reference)

    return call


@torch.no_grad()
def scft_pass(network, line, reference):
    return (network(planes(reference), planes(line.mean(-1, keepdim=True))) + 1) / 2
