"""Golden data of ColorizeDiffusion v1, v1.5 and v2: sketch encoder, tokens, v2's encoders, single calls, whole runs.

The runs go through the host's samplers at the noise levels of the application. Where its sliders miss some blocks or
do nothing, the numbers that it effectively uses are fed.
"""

import json

import numpy as np
import torch

from ...models.colorizediffusion import checkpoint
from ...models.colorizediffusion.network import size_embedding
from ...models.host.joining import join_host
from ...models.image import repeat_batch
from ...models.reading import Call, Options, latent_mask
from ...models.reference import stretch, without_figures

TOLERANCES = [("out/sample_*", 1e-3), ("*", 1e-4)]
UNTOUCHED = (6, 13, 14, 15)  # blocks that no slider of the application reaches
LAST = 999


@torch.inference_mode()
def outputs(golden, meta):
    join_host()
    case = Case(golden, meta)
    yield "out/alphas_cumprod", 1 / (1 + case.sampling.sigmas**2)
    yield "out/sketch_mask_latent", case.mask
    yield (
        "out/reference_bgonly",
        without_figures(golden["in/reference"], golden["in/reference_mask"], case.run["thr_ref"]),
    )
    yield "out/vae_input_reference", stretch(golden["in/reference"], case.run["height"], case.run["width"])
    for name, hints in (("control", case.hints), ("control_blank", case.blank)):
        yield from ((f"out/{name}_{i}", hint) for i, hint in enumerate(hints))
    yield from tokens(case)
    if case.version == "v2":
        yield from features(case)
    yield from attention(case)
    yield from single_calls(case)
    yield from guided_calls(case)
    yield from runs(case)


class Case:
    """The networks with the file's weights, and what its calls share."""

    def __init__(self, golden, meta):
        import comfy.ops

        from ...models.colorizediffusion import native
        from ...models.host.reference_model import schedule

        config = json.loads(meta["config"])
        self.golden, self.run = golden, config["tiny"]
        state_dict = checkpoint.unpack(weights(json.loads(meta["weights_recipe"])))
        arguments = checkpoint.config(state_dict)
        arguments["num_head_channels"] = self.run["num_head_channels"]
        self.version, self.native = arguments["version"], native
        place = {"dtype": torch.float32, "operations": comfy.ops.disable_weight_init}
        self.unet = native.UNet(**arguments, **place).eval()
        self.encoders = native.encoders(arguments, **place)
        for name, network in (("", self.unet), *self.encoders.items()):
            own = {key.removeprefix(f"{name}."): tensor for key, tensor in state_dict.items() if key.startswith(name)}
            network.load_state_dict({key: own[key] for key in network.state_dict()})
        self.unet.noise = lambda *_: golden["in/inject_noise"]
        self.sampling = schedule(config["parameterization"])

        self.hints = self.unet.control_encoder(golden["in/sketch"])
        self.blank = self.unet.control_encoder(torch.full_like(golden["in/sketch"], -1))
        self.reference, self.ground, self.background = (
            golden[f"in/tokens_{name}_full"][:, 1:] for name in ("ref", "ref_bgonly", "background")
        )
        self.mask = latent_mask(golden["in/sketch_mask_image"])
        self.sizes = {name: golden[f"in/{name}"].shape[2:] for name in ("reference", "background")}

    def options(self, **numbers):
        thresholds = {"reference_threshold": self.run["thr_ref"], "sketch_threshold": self.run["thr_sketch"]}
        return Options(**{"split": "off", **thresholds, **numbers})

    def conditions(self, options, scales=None, background=False, hints=None, strength=1.0):
        """Keywords of the UNet for options; background: with the picture of its own."""
        ground = None if options.split == "off" else self.background if background else self.ground
        context, split = self.unet.halves(self.reference, ground, options, background)
        scales = scales or options.block_scales(16, self.native.STRENGTH_LEVELS)
        hints = self.hints if hints is None else hints
        conds = {"context": context, "reading": options.read(scales, split), "mask": self.mask}
        conds |= {f"hint_{i}": strength * hint for i, hint in enumerate(hints)}
        if self.version == "v2":
            features = {}
            if split is not None and options.split != "foreground":
                features["background"] = [
                    options.background_factor * found for found in self.background_of(background, options.style)
                ]
            if options.style:
                features["style"] = self.style_of(background, options.merge)
            conds |= {f"{name}_{j}": value for name, found in features.items() for j, value in enumerate(found)}
        return conds

    def background_of(self, own, style):
        name = "background" if own else "reference"
        context = self.background if own and not style else self.reference
        latent = self.golden["in/z_background" if own else "in/z_reference_bgonly"]
        return self.encoders["bg_encoder"](latent, context, self.size(name))

    def style_of(self, background, merge):
        encode = self.encoders["style_encoder"]
        own = encode(self.golden["in/z_reference"], self.reference, self.size("reference"))
        if not background:
            return own
        other = encode(self.golden["in/z_background"], self.background, self.size("background"))
        return [torch.lerp(*pair, merge) for pair in zip(own, other, strict=True)]

    def size(self, name):
        return size_embedding(self.sizes[name], (self.run["height"], self.run["width"]))

    def call(self, **conds):
        x = self.golden["in/x"]
        return self.unet(x, self.golden["in/timesteps"].float(), **repeated(conds, len(x)))


def repeated(conds, batch):
    """Conditions for each picture of a batch; files hold them once for all."""
    return {name: repeat_batch(cond, batch) if torch.is_tensor(cond) else cond for name, cond in conds.items()}


def weights(recipe):
    return {
        key: torch.from_numpy(
            (np.random.RandomState(one["seed"]).standard_normal(int(np.prod(one["shape"]))) * one["scale"])
            + one["offset"]
        )
        .float()
        .reshape(one["shape"])
        for key, one in recipe.items()
    }


def tokens(case):
    embed = getattr(case.unet, "thresh_embedder", None)
    if embed is not None:
        thresholds = [embed(case.run[name], case.ground) for name in ("thr_ref", "thr_sketch")]
        yield "out/threshold_embedding", torch.cat(thresholds)
        yield "out/cluster_tokens", case.unet.transformer(case.ground + thresholds[0])
    options = case.options(split="background")
    yield "out/context_bg", case.unet.halves(case.reference, case.ground, options)[0]
    yield "out/context_bg_image", case.unet.halves(case.reference, case.background, options, True)[0]


def features(case):
    for name in case.sizes:
        yield f"out/size_emb_{name}", case.size(name)
    yield from ((f"out/hs_bg_{j}", found) for j, found in enumerate(case.background_of(False, False)))
    yield "out/hs_bg_0_image", case.background_of(True, False)[0]
    yield "out/hs_bg_0_style_image", case.background_of(True, True)[0]
    yield from ((f"out/style_mod_{j}", found) for j, found in enumerate(case.style_of(False, 0)))
    mixed = case.style_of(True, 0.3)
    yield from ((f"out/style_mod_{j}_background_merge0p3", mixed[j]) for j in (0, 11))


def attention(case):
    from ...models.host.reference_unet import CALL

    layer = case.unet.output_blocks[3][1].transformer_blocks[0].attn2
    x, sides = case.golden["in/attn7_x"], [side // 4 for side in case.mask.shape[2:]]
    split = {"split": "background", "merge": 0.25, "foreground_strength": 0.9, "background_strength": 0.8}
    for name, options in (
        ("plain_scale0p6", case.options(strength=0.6)),
        ("split", case.options(strength=0.6, **split)),
    ):
        reading = case.conditions(options)["reading"]
        told = {CALL: Call(reading, case.mask), "activations_shape": [*x.shape[::2], *sides]}
        context = torch.cat([case.reference, case.ground], 1) if reading.split else case.reference
        yield f"out/attn7_{name}", layer(x, repeat_batch(context, len(x)), transformer_options=told)


def application(case, options):
    """The strengths of the application's sliders, some of which reach only a part of the blocks."""
    scales = options.block_scales(16, case.native.STRENGTH_LEVELS)
    return tuple(1.0 if block in UNTOUCHED else scale for block, scale in enumerate(scales))


def single_calls(case):
    plain = case.options()
    levels = case.options(strength=0.8, encoder_strength=0.3, color_strength=0.7, semantics_strength=0.5)
    accurate = case.options(block_strengths=(*case.golden["in/accurate_scales"].tolist(), 1.0))
    weak = case.options(strength=0.6)
    split = {"split": "background"}
    strengths = {"foreground_strength": 0.7, "background_strength": 0.5}
    wanted = {
        "plain": (plain, {}),
        "blank_sketch": (plain, {"hints": case.blank}),
        "sketch_strength_0p5": (plain, {"strength": 0.5}),
        "reference_strength_0p6": (weak, {"scales": application(case, weak)}),
        "reference_levels": (levels, {"scales": application(case, levels)}),
        "reference_accurate": (accurate, {}),
        "bg": (case.options(**split), {}),
        "bg_image": (case.options(**split), {"background": True}),
        "bg_merge0p4": (case.options(**split, merge=0.4), {}),
        "bg_strength0p6": (case.options(**split), {"scales": application(case, weak)}),
        "bg_fgbgscale": (case.options(**split, **strengths), {}),
        "bg_strengths": (case.options(**split, **strengths), {"scales": application(case, weak)}),
        "bg_factor0p8_merge0p4": (case.options(**split, merge=0.4, background_factor=0.8), {}),
        "bg_style": (case.options(**split, style=True), {}),
        "bg_style_image": (case.options(**split, style=True, merge=0.3), {"background": True}),
        "fg": (case.options(split="foreground"), {}),
        "fg_bg": (case.options(split="both"), {}),
        "fg_strengths": (
            case.options(split="foreground", foreground_strength=0.5, background_strength=0.8),
            {},
        ),
        "fg_style": (case.options(split="foreground", style=True), {}),
        "style": (case.options(style=True), {}),
        "style_background_merge0p3": (case.options(style=True, merge=0.3), {"background": True}),
    }
    for name, (options, given) in wanted.items():
        if f"out/unet_{name}" in case.golden:
            yield f"out/unet_{name}", case.call(**case.conditions(options, **given))
    conds = case.conditions(plain)
    yield "out/unet_zero_reference", case.call(**{**conds, "context": torch.zeros_like(conds["context"])})


class Denoiser:
    """A k-diffusion model: the guided picture at a noise level, with what its network was called with.

    reference, sketch  guidance scales
    rounded            network told the nearest whole timestep
    """

    def __init__(self, case, options=None, reference=1.0, sketch=1.0, rounded=False, scales=None, injected=False):
        self.case, self.rounded, self.scales = case, rounded, (reference, sketch)
        self.calls = []
        options = options or case.options()
        conds = case.conditions(options, scales)
        zero = {**conds, "context": torch.zeros_like(conds["context"])}
        blank = {**conds, **{f"hint_{i}": hint for i, hint in enumerate(case.blank)}}
        self.rows = [conds, *([zero] if reference > 1 else []), *([blank] if sketch > 1 else [])]
        self.guided = tuple(row is not zero for row in self.rows)
        self.injected = {}
        if injected:
            image = case.unet.control_encoder(-case.golden["in/inject_image"])
            maps = {f"injected_hint_{i}": options.injection_sketch * hint for i, hint in enumerate(image)}
            self.injected = {"injected": case.golden["in/z_inject"], **maps}

    def __call__(self, x, sigma, **_):
        from ...models.host.guiding import dual_scales

        sampling, batch, count = self.case.sampling, len(x), len(self.rows)
        t = repeat_batch(sampling.timestep(sigma), batch)
        t = t.round() if self.rounded else t
        scaled = sampling.calculate_input(sigma, x)
        self.calls.append((t[0], scaled))
        rows = [repeated(row | self.injected, batch) for row in self.rows]
        names = [name for name in rows[0] if torch.is_tensor(rows[0][name])]
        out = self.case.unet(
            torch.cat([scaled] * count),
            t.repeat(count),
            reading=rows[0]["reading"],
            guided=tuple(has for has in self.guided for _ in range(batch)),
            transformer_options={"sigmas": sigma, "cond_or_uncond": [*range(count)]},
            **{name: torch.cat([row[name] for row in rows]) for name in names},
        )
        found = [sampling.calculate_denoised(sigma, one, x) for one in out.chunk(count)]
        if count == 3:
            cond, zero, blank = found
            first, second = dual_scales(*self.scales)
            return blank + second * (zero - blank) + first * (cond - zero)
        return found[0] if count == 1 else torch.lerp(found[1], found[0], max(self.scales))


def guided_calls(case):
    x, sigma = case.golden["in/x_sigma"], case.golden["in/sigma"]
    for name, scales in (("nocfg", (1, 1)), ("ref5", (5, 1)), ("sketch2", (1, 2)), ("ref5_sketch2", (5, 2))):
        yield f"out/denoised_{name}", Denoiser(case, reference=scales[0], sketch=scales[1])(x, sigma)


def runs(case):
    from comfy.k_diffusion import sampling as k

    levels = {"dpm": leading(case, 4), "dpm6": leading(case, 6), "ddim": leading(case, 4, ddim=True)}
    karras = k.get_sigmas_karras(4, float(case.sampling.sigma_min), float(case.sampling.sigma_max))
    uniform = torch.cat([case.sampling.sigma(torch.linspace(LAST, 0, 4)), torch.zeros(1)])
    split = {"split": "background"}
    weak = application(case, case.options(strength=0.6))
    fairly = application(case, case.options(strength=0.8))
    strengths = {"foreground_strength": 0.5, "background_strength": 0.7} if case.version == "v2" else {}
    window = {"end": 0.5} if case.version == "v1" else {}  # its slider does nothing in the others
    injection = {"injection": "exact"}
    second = {**injection, "injection_fidelity": 0.3, "injection_sketch": 0.4, "injection_start": 0.3}
    dpm, euler, four = k.sample_dpmpp_2m, k.sample_euler, {"reference": 4.0}
    wanted = {  # name -> (sampler, noise levels, options, what else the denoiser is given)
        "dpm4": (dpm, levels["dpm"], {}, four),
        "nocfg_dpm4": (dpm, levels["dpm"], {}, {}),
        "dpm4_karras": (dpm, karras, {}, {**four, "rounded": True}),
        "ddim4": (euler, levels["ddim"], {}, four),
        "k_dpmpp2m_4": (dpm, karras, {}, four),
        "k_euler_4": (euler, uniform, {}, four),
        "dpm6_gs5_2": (dpm, levels["dpm6"], {}, {"reference": 5.0, "sketch": 1.5, "scales": weak}),
        "guidance_window": (dpm, levels["dpm"], window, four),
        "bg_dpm4": (dpm, levels["dpm"], split, four),
        "bg_fgstrength_dpm4": (dpm, levels["dpm"], {**split, **strengths}, {**four, "scales": fairly}),
        "style_bg_dpm4": (dpm, levels["dpm"], {**split, "style": True}, {"reference": 5.0, "sketch": 1.3}),
        "inject_dpm4": (dpm, levels["dpm"], injection, {**four, "injected": True}),
        "inject2_dpm4": (dpm, levels["dpm"], second, {**four, "injected": True}),
        "inject_nocfg_dpm4": (dpm, levels["dpm"], injection, {"injected": True}),
    }
    for name, (sampler, sigmas, options, given) in wanted.items():
        if f"out/sample_{name}" not in case.golden:
            continue
        denoiser = Denoiser(case, case.options(**options), **given)
        start = sigmas[0] if name.startswith("k_") else (1 + sigmas[0] ** 2).sqrt()
        yield f"out/sample_{name}", sampler(denoiser, case.golden["in/noise"] * start, sigmas, disable=True)
        times, inputs = zip(*denoiser.calls, strict=True)
        yield f"out/sample_{name}_t", torch.stack(times)
        yield f"out/sample_{name}_x", torch.stack(inputs)


def leading(case, steps, ddim=False):
    """Noise levels of the application's own samplers: evenly spaced timesteps with an offset of 1, then 0."""
    apart = (LAST + 1) // (steps if ddim else steps + 1)
    at = torch.arange(steps - 1 if ddim else steps, -1 if ddim else 0, -1) * apart + 1
    return torch.cat([case.sampling.sigmas[at], torch.zeros(1)])
