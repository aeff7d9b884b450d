"""Golden data of ColorizeDiffusion XL: the UNets block by block, background network, guided calls, whole runs.

The runs go through the host's samplers at the noise levels of the application. Where it ignores a number, or never
comes back from a switch, what it effectively uses is fed.
"""

import json
import re
from itertools import pairwise
from types import SimpleNamespace

import torch

from ...models.colorizediffusion.checkpoint import lora, unpack
from ...models.colorizediffusion_xl import checkpoint, vectors
from ...models.host.joining import join_host
from ...models.image import repeat_batch
from ...models.reading import Call, Injection, Options, Reading
from . import Skip
from .colorizediffusion import repeated
from .colorizediffusion_xl_parts import load, sketch_encoder, sketches, tokens, weights

BESIDE = ("_sketch", "_embed")  # files with parts that some runs of the main file need
TOLERANCES = [("out/traj.*", 1e-3), ("*", 2e-4)]
NETWORKS = ("model.diffusion_model.", "bg_encoder.")
LAST = 999


@torch.inference_mode()
def outputs(golden, meta):
    join_host()
    settings = json.loads(meta["config"])
    if "unet" not in settings:
        yield from (sketches if "in/sketch" in golden else tokens)(golden, settings)
        return
    beside = json.loads(meta.get(f"config{BESIDE[0]}", "null"))
    case = Case(golden, settings, beside and sketch_encoder(golden, beside))
    if case.encoder:
        yield from encoded(case, settings["scalar"]["embed_dim"], json.loads(meta["tensors"]))
    else:
        yield from tables(case)
    yield from single_calls(case)
    yield from guided_calls(case)
    yield from runs(case)


class Case:
    """The networks with the file's weights, and what its calls share."""

    def __init__(self, golden, settings, sketch_encoder=None):
        import comfy.ops

        from ...models.colorizediffusion_xl import native
        from ...models.host.reference_model import schedule

        self.golden, self.sketch_encoder = golden, sketch_encoder
        self.schedules = {prediction: schedule(prediction) for prediction in ("v", "eps")}
        place = {"dtype": torch.float32, "operations": comfy.ops.disable_weight_init}
        heads = {"num_head_channels": settings["unet"]["num_head_channels"]}
        named = unpack({key: value for key, value in weights(golden).items() if key.startswith(NETWORKS)})
        own = {key: value for key, value in named.items() if not key.startswith(("bg_encoder.", "conv_fg."))}
        sizes = {"context_dim": settings["unet"]["context_dim"], "clip": 32, "tagger": 32, "lora": lora(own)}
        self.unet = native.UNet(**{**checkpoint.unet(own), **heads}, **sizes, **place).eval()
        self.unet.load_state_dict({**self.unet.state_dict(), **own})
        self.encoder = None
        if encoder := weights(golden, "bg_encoder."):
            self.encoder = load(native.BackgroundEncoder(**{**checkpoint.unet(encoder), **heads}, **place), encoder)

    def given(self, *prefixes):
        """What the file feeds under these names."""
        return {
            key.removeprefix(f"in/{prefix}."): value
            for prefix in prefixes
            for key, value in self.golden.items()
            if key.startswith(f"in/{prefix}.")
        }

    def reading(self, strength=1.0, **numbers):
        strengths = strength if isinstance(strength, tuple) else (strength,) * self.unet.transformer_blocks
        return Reading(strengths, **numbers)

    def split(self, threshold, *numbers):
        from ...models.colorizediffusion_xl.native import split

        return split(None if self.encoder else threshold, *numbers)

    def features(self, x, y):
        return {"ground": SimpleNamespace(value=self.encoder(x, y))} if self.encoder else {}


def hints(given, strengths=(1, 1, 1, 1), name="control"):
    return {f"hint_{i}": strength * given[f"{name}.{i}"] for i, strength in enumerate(strengths)}


def encoded(case, width, described):
    """The background network, and its vector as wide as published, of the numbers that the narrow one is of."""
    x, y = case.golden["in/bgenc.x"], case.golden["in/bgenc.y"]
    yield from ((f"out/bgenc.bank.{i}", found) for i, found in enumerate(case.encoder(x, y)))
    yield "out/bgenc.y_full", vectors.sinusoids(*y.view(-1, width)[:, width // 2].asin().tolist())

    name, to = re.search(r"diffusion_model\.(\S+)\.(to_\w)\.weight", described["out/lora.merged_example"]).groups()
    layer = case.unet.get_submodule(name)
    base = layer.get_submodule(to)
    yield "out/lora.merged_example", base.weight + layer.lora(to, "background", torch.eye(base.in_features)).T


def tables(case):
    from comfy.k_diffusion import sampling as k

    schedule = case.schedules["v"]
    yield "out/sigmas_table", schedule.sigmas
    yield "out/cfg.t", schedule.timestep(case.golden["in/cfg.sigma"])
    ends = float(schedule.sigma_min), float(schedule.sigma_max)
    longer = k.get_sigmas_exponential(21, *ends)
    yield "out/sigmas.default_dpmpp3m_sde_20", torch.cat([longer[:-2], longer[-1:]])
    yield "out/sigmas.dpmpp2m_20", k.get_sigmas_karras(20, *ends)
    yield "out/sigmas.polyexp_20", k.get_sigmas_polyexponential(20, *ends)
    for name, times in (
        ("auto", torch.linspace(LAST, 0, 20)),
        ("uniform", torch.linspace(LAST, 0, 20)),
        ("sgm_uniform", torch.linspace(LAST, 0, 21)[:-1]),
    ):
        yield f"out/sigmas.euler_{name}_20", torch.cat([schedule.sigma(times), torch.zeros(1)])


def single_calls(case):
    given, blocks = case.given("unet"), {}
    for kind, layers in (("input", case.unet.input_blocks), ("output", case.unet.output_blocks)):
        for i, layer in enumerate(layers):
            layer[-1].register_forward_hook(keep(blocks, f"{kind}.{i}"))
    case.unet.middle_block[-1].register_forward_hook(keep(blocks, "middle"))

    def call(context, reading=None, scales=(1, 1, 1, 1), **more):
        conds = {"timesteps": given["t"], "context": context, "y": given["y"], "mask": given["mask"]}
        conds = repeated(conds | hints(given, scales) | more, len(given["x"]))
        return case.unet(given["x"], reading=reading or case.reading(), **conds)

    one, both = given["context"], given["context2"]
    yield "out/unet.plain", call(one)
    if case.encoder:
        features = case.features(case.golden["in/bgenc.x"], case.golden["in/bgenc.y"])
        yield "out/unet.bg", call(both, case.reading(split=case.split(0.5)), **features)
        yield from ((f"out/unet.bg.block.{name}", found) for name, found in blocks.items())
        yield "out/unet.bg_params", call(both, case.reading(0.8, split=case.split(0.5, 0.3, 0.7, 0.5)), **features)
        return
    yield from ((f"out/unet.block.{name}", found) for name, found in blocks.items())
    yield "out/unet.zero_context", call(torch.zeros_like(one))
    yield "out/unet.zero_context1", call(torch.zeros_like(one[:, :1]))
    yield "out/unet.strength0.6", call(one, case.reading(0.6))
    yield "out/unet.control_scaled", call(one, scales=(0.5, 1.5, 0.8, 1.2))
    yield "out/unet.mask_hard", call(both, case.reading(split=case.split(0.5)))
    yield "out/unet.mask_hard_strength", call(both, case.reading(0.6, split=case.split(0.5)))
    yield "out/unet.mask_merge", call(both, case.reading(0.9, split=case.split(0.45, 0.3, 0.7, 0.5)))
    told = Call(case.reading(), given["mask"])
    height, width = given["mask"].shape[2:]
    yield from ((f"out/mask_bicubic.ds{n}", told.mask_at(height // n, width // n)) for n in (2, 4))


def keep(found, name):
    return lambda layer, inputs, output: found.update({name: output.clone()})


class Guided:
    """A k-diffusion model: the guided picture at a noise level. Keeps the pictures that it gave.

    given      context, y, control, uncond_control and, if there is one, mask, as the file names them
    reference  guidance scale; sketch likewise
    injected   latent of the reference, hints of it and noises, or None
    """

    def __init__(
        self, case, given, reading, reference=1, sketch=1, scales=(1, 1, 1, 1), prediction="v", injected=None, **more
    ):
        self.case, self.reading, self.more = case, reading, more
        self.schedule, self.injected, self.pictures = case.schedules[prediction], injected or {}, []
        conds = {key: given[key] for key in ("context", "y", "mask") if key in given} | hints(given, scales)
        self.rows = [(1, conds)]
        if reference > 1:
            self.rows.append((reference, {**conds, "context": torch.zeros_like(conds["context"])}))
        if sketch > 1:
            self.rows.append((sketch, {**conds, **hints(given, scales, "uncond_control")}))

    def __call__(self, x, sigma, **_):
        batch, count, schedule = len(x), len(self.rows), self.schedule
        self.case.unet.noise = lambda *_: next(self.noises)
        t = repeat_batch(schedule.timestep(sigma), batch)
        rows = [repeated(conds | self.injected, batch) for _, conds in self.rows]
        out = self.case.unet(
            torch.cat([schedule.calculate_input(sigma, x)] * count),
            t.repeat(count),
            reading=self.reading,
            guided=tuple(bool(row["context"].any()) for row in rows for _ in range(batch)),
            # the application injects at whole timesteps
            transformer_options={"sigmas": schedule.sigma(t.round()), "cond_or_uncond": [*range(count)]},
            **{name: torch.cat([row[name] for row in rows]) for name in rows[0]},
            **self.more,
        )
        full, *less = (schedule.calculate_denoised(sigma, one, x) for one in out.chunk(count))
        guided = [torch.lerp(one, full, scale) for one, (scale, _) in zip(less, self.rows[1:], strict=True)]
        self.pictures.append(sum(guided) / len(guided) if guided else full)
        return self.pictures[-1]


def guided_calls(case):
    given = case.given("unet", "cfg")
    reading, more, name = case.reading(), {}, ""
    if case.encoder:
        given["context"], name = given["context2"], "bg_"
        reading = case.reading(split=case.split(None))
        more = case.features(case.golden["in/bgenc.x"], case.golden["in/bgenc.y"])
    else:
        del given["mask"]
    for prediction in case.schedules:
        for scales, numbers in (("none", (1, 1)), ("ref5", (5, 1)), ("sketch2", (1, 2)), ("both5_2", (5, 2))):
            guided = Guided(case, given, reading, *numbers, prediction=prediction, **more)
            yield f"out/cfg.{prediction}.{name}{scales}", guided(given["x"], given["sigma"])


def runs(case):
    from comfy.k_diffusion import sampling as k

    wanted = dict(with_background(case) if case.encoder else without_background(case))
    for name in wanted:
        if f"in/traj.{name}.noise_scaled" not in case.golden:
            continue
        sampler = k.sample_dpmpp_2m if name in ("dpmpp2m_both", "bg_img_both") else k.sample_euler
        if isinstance(wanted[name], Skip):
            yield from ((found, wanted[name]) for found in case.golden if found.startswith(f"out/traj.{name}."))
            continue
        sigmas = case.golden[f"out/traj.{name}.sigmas"]
        yield f"out/traj.{name}.sigmas", noise_levels(case, name, len(sigmas) - 1)
        start = case.golden[f"in/traj.{name}.noise_scaled"] * sigmas[0]
        yield f"out/traj.{name}.latent", sampler(wanted[name], start, sigmas, disable=True)
        yield from ((f"out/traj.{name}.denoised.{i}", found) for i, found in enumerate(wanted[name].pictures))
    if not case.encoder:
        yield from ddim(case)


def noise_levels(case, name, steps):
    from comfy.k_diffusion import sampling as k

    make = k.get_sigmas_exponential if name == "euler_sketch3" else k.get_sigmas_karras
    return make(steps, float(case.schedules["v"].sigma_min), float(case.schedules["v"].sigma_max))


def with_background(case):
    """Runs of version 2: name -> its model."""
    levels = Options(encoder_strength=0.9, semantics_strength=0.6)
    plain = case.reading(levels.block_scales(case.unet.transformer_blocks, case.unet.strength_levels()))
    for name, reading, scales in (
        ("plain", plain, (5, 1)),
        ("plain_again", case.reading(), (5, 1)),
        ("bg_ref", case.reading(split=case.split(None)), (5, 1)),
        ("bg_img_both", case.reading(split=case.split(None, 0.25, 0.8, 0.6)), (5, 2)),
    ):
        given = case.given(f"traj.{name}")
        more = case.features(given["bgenc_x"], given["bgenc_y"]) if "bgenc_x" in given else {}
        yield name, Guided(case, given, reading, *scales, **more)


def without_background(case):
    """Runs of version 1: name -> its model."""
    given, plain = case.given("gen"), case.reading()
    masked, merged = (
        {**given, "context": given[f"{name}.context"], "mask": given["masked_refbg.mask"]}
        for name in ("masked_refbg", "masked_bgimg_merge")
    )
    never = {**given, "context": torch.zeros_like(given["context"])}
    scaled = {"scales": (0.9, 1.1, 0.8, 1.0)}
    yield "euler_ref5", Guided(case, given, plain, 5)
    yield "euler_sketch3", Guided(case, given, plain, 1, 3)
    yield "dpmpp2m_both", Guided(case, given, case.reading(0.8), 5, 2, **scaled)
    yield "end0.6", Guided(case, given, case.reading(window=(0, 0.6)), 5)
    yield "start0.3", Guided(case, never, plain, 5)  # outside its window the application forgets the reference
    yield "masked_refbg", Guided(case, masked, case.reading(split=case.split(0.5)), 5)
    yield "masked_bgimg_merge", Guided(case, merged, case.reading(split=case.split(0.5, 0.25, 0.8, 0.6)), 5, 2)
    nothing = {f"injected_{name}": torch.zeros_like(hint) for name, hint in hints(given).items()}
    yield "inj_a", injecting(case, "inj_a", Injection(0.0, 0.5), nothing)
    yield "inj_b", inj_b(case)


def inj_b(case):
    """Its picture and the network that reads it are in other files."""
    if case.sketch_encoder is None or "in/inj.image" not in case.golden:
        return Skip(f"needs the files that end in {' and '.join(BESIDE)} beside this one")
    found = case.sketch_encoder(-case.golden["in/inj.image"])
    found = {f"injected_hint_{i}": 0.7 * hint for i, hint in enumerate(found)}
    return injecting(case, "inj_b", Injection(0.4, 0.3), found)


def injecting(case, name, injection, injected):
    noises = case.given(f"traj.{name}.inj_noise")
    guided = Guided(case, case.given("gen"), case.reading(injection=injection), 5, injected=injected)
    guided.injected["injected"] = case.golden["in/inj.latent"]
    guided.noises = (noises[str(i)] for i in range(len(noises)))
    return guided


def ddim(case):
    """The application's own DDIM; in its inpainting the background's latent takes the ground after each step."""
    steps = len(case.golden["out/traj.ddim.timesteps"])
    times = torch.arange(steps - 1, -1, -1) * ((LAST + 1) // steps) + 1
    levels = torch.cat([case.schedules["v"].sigmas[times], torch.zeros(1)])
    given = case.given("gen", "traj.ddim_inpaint")
    ground = given["masked_refbg.mask"] <= 0.5
    masked = {**given, "mask": given["masked_refbg.mask"]}
    for name, guided in (
        ("ddim", Guided(case, case.given("gen"), case.reading(), 5)),
        ("ddim_inpaint", Guided(case, masked, case.reading(split=case.split(0.5)), 5)),
    ):
        noise = case.golden[f"in/traj.{name}.noise"]
        x = noise * (1 + levels[0] ** 2).sqrt()
        for i, (sigma, following) in enumerate(pairwise(levels)):
            picture = guided(x, sigma[None])
            x = picture + (x - picture) * following / sigma
            if name == "ddim_inpaint" and i < steps - 1:
                x = torch.where(ground, given["bg_latent"] + following * noise, x)
        yield f"out/traj.{name}.latent", x
        yield f"out/traj.{name}.timesteps", times
