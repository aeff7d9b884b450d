"""Golden data of Diffusart: the network part by part, the shipped chain, the fast solver, preparation.

The chains are written out here, torch only, as their papers define them; that ComfyUI's own samplers walk
the same way is for the tests to show.
"""

import torch

from ...models.diffusart.network import SCHEDULE, Diffusart, config
from ...models.line.blur import OPENCV, mirror, taps

TOLERANCES = [
    ("out/buffers/*", 1e-5),
    ("out/ddpm_*", 1e-3),
    ("out/dpm_*", 1e-3),
    ("out/prep/*", 1e-5),
    ("*", 1e-4),
]


@torch.inference_mode()
def outputs(golden, meta):
    weights = {name.removeprefix("weights/"): golden[name] for name in golden if name.startswith("weights/")}
    network = Diffusart(**config(weights)).eval()
    network.load_state_dict(weights)
    line, hints, x = golden["in/sketch"], golden["in/hints"], golden["in/x"]
    contexts = network.encode(line, hints)
    yield "out/enc_skip", contexts[0]
    yield "out/enc_mid", contexts[1]
    yield "out/time_embedding", network.time_mlp[0](golden["in/unet_t"])
    yield "out/time_mlp", network.time_mlp(golden["in/unet_t"])
    yield "out/linear_attn_1", network.mid_attn_1(golden["in/attn_x"])
    yield "out/cross_attn_1", network.mid_cross_attn_1(golden["in/attn_x"], golden["in/attn_ctx"])

    sketch = network.sketch(line, hints)

    def eps(x, t):
        """Noise in the first pictures of the golden batch."""
        count = len(x)
        return network(x, t.expand(count), sketch[:count], *(context[:count] for context in contexts))

    yield "out/unet_eps", eps(x, golden["in/unet_t"])
    for i, t in enumerate(golden["in/unet_t_single"]):
        yield f"out/unet_eps_single_{i}", eps(x[:1], t)

    tables = schedule()
    yield from ((f"out/buffers/{name}", table) for name, table in tables.items())
    for end in ("high", "low"):
        yield (
            f"out/ddpm_{end}",
            ancestral(eps, x, golden[f"in/ddpm_t_{end}"], golden[f"in/ddpm_noise_{end}"], tables),
        )

    gammas, steps = tables["alphas_cumprod"], len(golden["out/dpm_thr"])
    timesteps = solver_timesteps(steps)
    yield "out/dpm_timesteps", timesteps
    yield "out/dpm_sigmas", torch.cat([((1 - gammas) / gammas).sqrt()[timesteps], torch.zeros(1)])
    start = golden["in/noise4"][:1, -3:]  # the channel in front is drawn and thrown away
    yield "out/dpm_thr", solver(eps, start, timesteps, gammas, clamp=True)
    yield "out/dpm_nothr", solver(eps, start, timesteps, gammas, clamp=False)

    green = golden["in/prep/sketch_rgb"][..., 1:2]
    yield "out/prep/sketch", 2 * shrink(green, *golden["out/prep/sketch"].shape[1:]) - 1
    rgba = shrink(golden["in/prep/scribble_rgba"], *golden["out/prep/hints"].shape[1:])[None]
    yield "out/prep/hints", network.hints(rgba[:, :3], rgba[:, 3:])[0]


def schedule():
    betas = torch.linspace(SCHEDULE["linear_start"], SCHEDULE["linear_end"], SCHEDULE["timesteps"])
    gammas = (1 - betas).cumprod(0)
    before = torch.cat([torch.ones(1), gammas[:-1]])
    return {
        "betas": betas,
        "alphas_cumprod": gammas,
        "sqrt_recip_alphas": (1 / (1 - betas)).sqrt(),
        "sqrt_one_minus_alphas_cumprod": (1 - gammas).sqrt(),
        "posterior_variance": betas * (1 - before) / (1 - gammas),
    }


def ancestral(eps, x, timesteps, noises, tables):
    """DDPM, Ho et al. 2020, algorithm 2, without clamping: x after each step."""
    steps = []
    for t, noise in zip(timesteps, noises, strict=True):
        x = tables["sqrt_recip_alphas"][t] * (
            x - tables["betas"][t] * eps(x, t) / tables["sqrt_one_minus_alphas_cumprod"][t]
        )
        if t > 0:
            x = x + tables["posterior_variance"][t].sqrt() * noise
        steps.append(x)
    return torch.stack(steps)


def solver_timesteps(steps):
    last = SCHEDULE["timesteps"] - 1
    return torch.linspace(0, last, steps + 1, dtype=torch.float64).round().long().flip(0)[:-1]


def solver(eps, x, timesteps, gammas, clamp):
    """DPM-Solver++ 2M, Lu et al. 2022, algorithm 2, down to sigma 0: x after each step.

    The thresholding of the original's scheduler, at its maximum of 1, is a clamp of the predicted picture.
    """
    alphas = torch.cat([gammas[timesteps].sqrt(), torch.ones(1)])
    sigmas = torch.cat([(1 - gammas[timesteps]).sqrt(), torch.zeros(1)])
    lambdas = alphas.log() - sigmas.log()
    steps, before = [], None
    for i, t in enumerate(timesteps):
        picture = (x - sigmas[i] * eps(x, t)) / alphas[i]
        if clamp:
            picture = picture.clamp(-1, 1)
        towards, h = picture, lambdas[i + 1] - lambdas[i]
        if before is not None and i + 1 < len(timesteps):
            ratio = (lambdas[i] - lambdas[i - 1]) / h
            towards = picture + (picture - before) / (2 * ratio)
        x = sigmas[i + 1] / sigmas[i] * x - alphas[i + 1] * torch.expm1(-h) * towards
        steps.append(x)
        before = picture
    return torch.stack(steps)


def shrink(picture, height, width):
    """scikit-image's `resize` of 8-bit (H, W, C): Gaussian, then bilinear -> (C, height, width) in 0..1."""
    planes = picture.movedim(-1, 0).double() / 255
    rows, columns = (resampling(*sizes) for sizes in zip(planes.shape[1:], (height, width), strict=True))
    return (rows @ planes @ columns.mT).float()


def resampling(size, wanted):
    """The matrix (wanted, size) of one axis; sigma is half of the ratio less one, borders are mirrored."""
    ratio = size / wanted
    sigma = max(0.0, (ratio - 1) / 2)
    radius = int(4 * sigma + 0.5)
    source = mirror(size, radius + 1, OPENCV)  # one more for the bilinear neighbour
    identity = torch.eye(size, dtype=torch.float64)
    blur = identity
    if radius:
        centre, *weights = taps(sigma, radius)
        blur = centre * identity
        for reach, weight in enumerate(weights, 1):
            for side in (-reach, reach):
                blur = blur + weight * identity[source[radius + 1 + side :][:size]]
    at = (torch.arange(wanted, dtype=torch.float64) + 0.5) * ratio - 0.5
    low = at.floor().long()
    share = (at - low)[:, None]
    here, beside = (blur[source[low + radius + 1 + step]] for step in (0, 1))
    return (1 - share) * here + share * beside
