"""Golden data of AnimeDiffusion: the network part by part, its process step by step, references and lines."""

import re

import torch

from ...models import tps
from ...models.animediffusion import diffusion
from ...models.animediffusion.network import AnimeDiffusion, config
from ...models.line import xdog
from . import Masked

TOLERANCES = [
    ("out/buffers/*", 1e-5),
    ("out/ddim_*", 1e-3),
    ("out/fix_forward", 1e-3),
    ("out/phase2_*", 1e-3),
    ("out/tps/*/warped", 1),  # the original's sampling rounds positions, ours does not
    ("*", 1e-4),
]


@torch.inference_mode()
def outputs(golden, meta):
    weights = {name.removeprefix("weights/"): golden[name] for name in golden if name.startswith("weights/")}
    network = AnimeDiffusion(**config(weights)).eval()
    network.load_state_dict(weights)
    gammas, unet = network.gammas, network.denoise_fn
    x, t, pictures = golden["in/unet_x"], golden["in/unet_t"], (golden["in/condition"], golden["in/distorted"])

    yield "out/time_embedding", unet.time(t)
    yield "out/attn_block", unet.bottom_block[1](golden["in/attn_x"])
    yield "out/unet_eps", network(x, t, *pictures)
    yield "out/unet_eps_no_t", network(x, None, *pictures)
    for i, single in enumerate(golden["in/unet_t_single"]):
        yield f"out/unet_eps_single_{i}", network(x[:1], single[None], *(picture[:1] for picture in pictures))

    tables = diffusion.schedule(len(gammas))
    yield from ((f"out/buffers/{name}", table) for name, table in tables.items())

    clean, q_noise = golden["in/reference"], golden["in/q_noise"]
    yield "out/q_sample", diffusion.add_noise(clean, q_noise, gammas[t])
    yield "out/phase1_loss", diffusion.noise_loss(network, clean, *pictures, gammas, t, q_noise)

    start, noises = golden["in/x_T"], golden["in/ddim_noise"]
    p_t, eps = golden["in/p_t"], network(start, golden["in/p_t"], *pictures)
    for name, eta in (("p_sample", 1.0), ("p_mean", 0.0)):
        yield f"out/{name}", diffusion.ancestral_step(start, eps, p_t, golden["in/p_noise"], tables, eta)

    for name in golden:
        if found := re.fullmatch(r"out/ddim_eta([\d.]+)_s(\d+)", name):
            eta, steps = float(found[1]), int(found[2])
            yield name, torch.stack([*diffusion.ddim(network, start, *pictures, gammas, noises, eta, steps)])

    draw = golden["in/ff_noise"]
    yield "out/fix_forward", diffusion.fix_forward(network, clean, *pictures, gammas, draw)
    result = diffusion.reconstruct(network, clean, *pictures, gammas, draw, noises)
    yield "out/phase2_result", result
    yield "out/phase2_loss", (result - clean).square().mean()

    yield from warps(golden)
    for name in golden:
        if name.startswith("out/xdog/"):
            yield name, lines(golden["in/xdog/image"], float(name.rpartition("_")[2]))


def warps(golden):
    image = golden["in/tps/image"].movedim(-1, 0)[None].float()
    for number in sorted({name.split("/")[2] for name in golden if name.startswith("out/tps/")}):
        source, target = (golden[f"in/tps/{number}/{points}"][None] for points in ("c_src", "c_dst"))
        parameters = tps.fit(source, target)
        grid = tps.grid(parameters, target, *image.shape[2:])
        yield f"out/tps/{number}/theta", parameters[0]
        yield f"out/tps/{number}/grid", grid[0]
        yield f"out/tps/{number}/warped", tps.warp(image, grid)[0].movedim(0, -1).clamp(0, 255).round()


def lines(image, sigma):
    """Grey levels, compared where the hard threshold is not within rounding of the response."""
    picture = image[None].float() / 255
    response = xdog.response(xdog.gray_8bit(picture.double()), sigma, 3.5, p=10.0, multiply=True)[0]
    return Masked((xdog.animediffusion(picture, sigma)[0] * 255).round(), (response - 0.01).abs() < 1e-6)
