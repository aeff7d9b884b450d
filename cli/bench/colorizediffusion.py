"""ColorizeDiffusion through ComfyUI against a bare loop over the same network, at reduced width; loading at full."""

import gc
import tempfile
from pathlib import Path

import torch

from ...models import keys
from ...models.host.joining import join_host
from . import Row, medians

SIDE, STEPS, CHANNELS, CONTEXT, TOKENS = 256, 4, 64, 128, 256
GUIDED = 0.15  # share of the sampling that the short guidance interval covers


def run():
    join_host()
    model, conds = random_model(), conditioning()
    loop, ours = bare_loop(model.model, conds), host_run(model, conds)
    short = host_run(model, conds, interval=(0.0, GUIDED))
    exact, fast = (host_run(model, conditioning(injection=mode)) for mode in ("exact", "fast"))
    times = medians(loop, ours, short, exact, fast, runs=3)
    names = ("bare loop, both sides in one batch", f"ColorizeDiffusion, {STEPS} steps", f"guidance to {GUIDED:g}")
    changes = (difference(ours, loop), f"mean change {difference(short, ours)}; weights are random")
    for name, ms, wanted, change in zip(names[1:], times[1:3], (0.95, 1 / 0.65), changes, strict=True):
        yield Row(name, ms, "ms", names[0], times[0], times[0] / ms, wanted, change)
    changes = ("", f"mean change against exact {difference(fast, exact)}; weights are random")
    for mode, ms, most, change in zip(("exact", "fast"), times[3:], (2.1, 1.6), changes, strict=True):
        yield Row(f"injection, {mode}", ms, "ms", "without injection", times[1], times[1] / ms, 1 / most, change)
    yield loading()


def difference(some, other):
    """Mean difference of two pictures against the spread of the second."""
    picture, reference = some(), other()
    return f"{(picture - reference).abs().mean() / reference.std():.1e} of the spread"


def random_model():
    from safetensors.torch import save_file

    from ...models.host.loading import load_colorizer

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "random.safetensors"
        save_file(random_weights(CHANNELS, CONTEXT), path)
        return load_colorizer(str(path), dtype="fp32")[0]


def random_weights(channels, context, dtype=torch.float32):
    """A v1 file; one draw of noise serves all layers, scaled to keep what they are given."""
    from ...models.colorizediffusion import checkpoint, native

    torch.manual_seed(0)
    shape = {"model_channels": channels, "num_head_channels": 64, "context_dim": context}
    layout = native.layout(version="v1", **shape)
    noise = torch.randn(max(tensor.numel() for tensor in layout.values()), dtype=dtype)
    scales = {key: max(1, tensor[0].numel()) ** -0.5 if tensor.ndim > 1 else 0.1 for key, tensor in layout.items()}
    return checkpoint.pack(
        {key: noise[: tensor.numel()].view(tensor.shape) * scales[key] for key, tensor in layout.items()}
    )


class PlainVAE:
    """In place of a VAE, whose time is not what is measured."""

    def encode(self, image):
        return torch.nn.functional.avg_pool2d(image.movedim(-1, 1), 8)[:, [0, 1, 2, 0]]


def conditioning(**options):
    torch.manual_seed(1)
    reference, line = torch.rand(1, SIDE, SIDE, 3), torch.rand(1, SIDE, SIDE, 3)
    entry = {keys.LINE: line, keys.REFERENCE: reference, keys.VAE: PlainVAE(), keys.OPTIONS: options}
    return [[torch.randn(1, TOKENS, CONTEXT), entry]]


def host_run(model, positive, interval=(0.0, 1.0)):
    import comfy.samplers

    from ...models.host.guiding import guider

    latent = torch.zeros(1, 4, SIDE // 8, SIDE // 8)
    sigmas = comfy.samplers.calculate_sigmas(model.get_model_object("model_sampling"), "sgm_uniform", STEPS)
    sampler, guide = (
        comfy.samplers.sampler_object("dpmpp_2m"),
        guider(model, positive, reference=4.0, interval=interval),
    )
    noise = torch.randn(latent.shape, generator=torch.manual_seed(0))
    return lambda: guide.sample(noise, latent, sampler, sigmas, disable_pbar=True, seed=0) * 0.18215


def bare_loop(model, positive):
    """The application's loop: hints once, both sides in one batch."""
    import comfy.samplers
    from comfy.k_diffusion.sampling import sample_dpmpp_2m

    from ...models.line.preparation import prepare
    from ...models.reading import Options

    network, sampling = model.diffusion_model, model.model_sampling
    sigmas = comfy.samplers.calculate_sigmas(sampling, "sgm_uniform", STEPS)
    [[tokens, entry]] = positive
    reading = Options().read((1.0,) * network.transformer_blocks)

    @torch.inference_mode()
    def call():
        hints = network.control_encoder(prepare(entry[keys.LINE], SIDE, SIDE)[0])
        conds = {f"hint_{i}": torch.cat([hint] * 2) for i, hint in enumerate(hints)}
        context = torch.cat([tokens, torch.zeros_like(tokens)])

        def denoise(x, sigma, **_):
            out = network(
                torch.cat([sampling.calculate_input(sigma, x)] * 2),
                sampling.timestep(sigma).repeat(2),
                context,
                reading=reading,
                **conds,
            )
            cond, uncond = (sampling.calculate_denoised(sigma, one, x) for one in out.chunk(2))
            return uncond + 4.0 * (cond - uncond)

        noise = torch.randn(1, 4, SIDE // 8, SIDE // 8, generator=torch.manual_seed(0))
        return sample_dpmpp_2m(denoise, noise * (1 + sigmas[0] ** 2).sqrt(), sigmas, disable=True)

    return call


def loading():
    """Memory that loading a v1 file of full width in fp16 takes, against the file's size."""
    import psutil  # of ComfyUI's requirements
    from safetensors.torch import save_file

    from ...models.host.loading import load_colorizer

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "full.safetensors"
        save_file(random_weights(320, 1024, torch.float16), path)
        gc.collect()
        size, before = path.stat().st_size, psutil.Process().memory_info().rss
        kept = load_colorizer(str(path), dtype="fp16")
        gc.collect()
        gained = psutil.Process().memory_info().rss - before
        del kept
    return Row("loading v1 in fp16", gained / 2**20, "MiB", "its file", size / 2**20, size / gained, 1 / 1.2)
