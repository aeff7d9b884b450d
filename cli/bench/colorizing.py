"""A colorizer of latents through ComfyUI against the application's loop over the same network, at reduced width."""

import tempfile
from pathlib import Path
from typing import NamedTuple

import torch

from ...models import keys
from ...models.host.joining import join_host
from . import Row, medians

SIDE, STEPS, RUNS = 256, 8, 3  # px, steps of each run
CONTEXT, TOKENS = 128, 256
SCALE = 4.0
GUIDED = (0.0, 0.1)  # of the progress in which there is guidance: one step in eight


class Case(NamedTuple):
    """A colorizer with random weights."""

    name: str
    model: object  # MODEL
    positive: list  # CONDITIONING
    conditions: object  # () -> what its network reads of the tokens beside the hints, by keyword


def compare(case):
    """Rows of a case; all changes are those of random weights, which follow guidance closer than trained ones."""
    model, positive, name = case.model, case.positive, case.name
    loop, ours = app_loop(case), hosted(model, positive)
    short = hosted(model, positive, GUIDED)
    exact, fast = (hosted(model, with_injection(positive, mode)) for mode in ("exact", "fast"))
    base, *times = medians(loop, ours, short, exact, fast, runs=RUNS)
    against = "the application's loop, a step"

    def row(label, ms, wanted, note, baseline=against, theirs=base):
        return Row(label, ms / STEPS, "ms", baseline, theirs / STEPS, theirs / ms, wanted, note)

    yield row(f"{name}, a step", times[0], 1.0, difference(ours, loop))
    interval = "guidance {:g} to {:g}".format(*GUIDED)
    yield row(f"{name}, {interval}", times[1], 1 / 0.65, f"mean change {difference(short, ours)}")
    if torch.cuda.is_available():  # on a CPU compiling alone takes longer than all that is measured here
        quick = hosted(compiled(model), positive, GUIDED)
        quick()
        [ms] = medians(quick, runs=RUNS, warm=True)
        yield row(f"{name}, compiled", ms, 1 / 0.65, f"{interval} too, mean change {difference(quick, ours)}")
    plain = {"baseline": "without injection, a step", "theirs": times[0]}
    yield row("injection, exact", times[2], 1 / 2.1, "", **plain)
    yield row("injection, fast", times[3], 1 / 1.6, f"mean change against exact {difference(fast, exact)}", **plain)


def difference(some, other):
    """Mean difference of two pictures against the spread of the second."""
    picture, reference = some(), other()
    return f"{(picture - reference).abs().mean() / reference.std():.1e} of the spread"


def random_model(layout, pack):
    """MODEL of a file with tensors of these shapes, by our names."""
    from safetensors.torch import save_file

    from ...models.host.loading import load_colorizer

    join_host()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "random.safetensors"
        save_file(pack(random_weights(layout)), path)
        return load_colorizer(str(path), dtype="fp32")[0]


def random_weights(layout, dtype=torch.float32):
    """One draw of noise serves all layers, scaled to keep what they are given."""
    torch.manual_seed(0)
    noise = torch.randn(max(tensor.numel() for tensor in layout.values()), dtype=dtype)
    scales = {key: max(1, tensor[0].numel()) ** -0.5 if tensor.ndim > 1 else 0.1 for key, tensor in layout.items()}
    return {key: noise[: tensor.numel()].view(tensor.shape) * scales[key] for key, tensor in layout.items()}


class PlainVAE:
    """In place of a VAE, whose time is not what is measured."""

    def encode(self, image):
        return torch.nn.functional.avg_pool2d(image.movedim(-1, 1), 8)[:, [0, 1, 2, 0]]


def conditioning(width, **values):
    """CONDITIONING with random tokens of this width."""
    torch.manual_seed(1)
    reference, line = torch.rand(2, 1, SIDE, SIDE, 3)
    return [[torch.randn(1, TOKENS, width), {keys.LINE: line, keys.REFERENCE: reference, **values}]]


def with_injection(positive, mode):
    return [[tokens, {**entry, keys.VAE: PlainVAE(), keys.OPTIONS: {"injection": mode}}] for tokens, entry in positive]


def compiled(model):
    """By the host's own node."""
    from comfy_extras.nodes_torch_compile import TorchCompileModel

    return TorchCompileModel.execute(model, "inductor").result[0]


def hosted(model, positive, interval=(0.0, 1.0)):
    """A call that samples as the node Line Art Guider and SamplerCustomAdvanced do."""
    import comfy.samplers

    from ...models.host.guiding import guider

    latent = torch.zeros(1, 4, SIDE // 8, SIDE // 8)
    sigmas = comfy.samplers.calculate_sigmas(model.get_model_object("model_sampling"), "sgm_uniform", STEPS)
    sampler, guide = comfy.samplers.sampler_object("dpmpp_2m"), guider(model, positive, None, SCALE, interval=interval)
    noise = torch.randn(latent.shape, generator=torch.manual_seed(0))

    def call():
        found = guide.sample(noise, latent, sampler, sigmas, disable_pbar=True, seed=0)
        return model.model.process_latent_in(found)

    return call


def app_loop(case):
    """The application's: hints once, both sides in one batch, all of the network for all rows."""
    import comfy.samplers
    from comfy.k_diffusion.sampling import sample_dpmpp_2m

    from ...models.line.preparation import prepare
    from ...models.reading import Options

    network, sampling = case.model.model.diffusion_model, case.model.model.model_sampling
    sigmas = comfy.samplers.calculate_sigmas(sampling, "sgm_uniform", STEPS)
    line = case.positive[0][1][keys.LINE]
    reading = Options().read((1.0,) * network.transformer_blocks)

    @torch.inference_mode()
    def call():
        hints = network.control_encoder(prepare(line, SIDE, SIDE)[0])
        both = {f"hint_{i}": torch.cat([hint] * 2) for i, hint in enumerate(hints)}
        conds = case.conditions()
        both |= {key: torch.cat([value] * 2) for key, value in conds.items()}
        both["context"][1:] = 0

        def denoise(x, sigma, **_):
            scaled = torch.cat([sampling.calculate_input(sigma, x)] * 2)
            out = network(scaled, sampling.timestep(sigma).repeat(2), reading=reading, **both)
            cond, uncond = (sampling.calculate_denoised(sigma, one, x) for one in out.chunk(2))
            return uncond + SCALE * (cond - uncond)

        noise = torch.randn(1, 4, SIDE // 8, SIDE // 8, generator=torch.manual_seed(0))
        return sample_dpmpp_2m(denoise, noise * (1 + sigmas[0] ** 2).sqrt(), sigmas, disable=True)

    return call
