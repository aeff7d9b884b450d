"""How ColorizeDiffusion is trained, whole or by a LoRA. Its UNet is the host's, so this part runs inside ComfyUI."""

import importlib
from contextlib import nullcontext
from functools import partial

import torch
import torch.nn as nn
import torch.nn.functional as F

from ..models.colorizediffusion.checkpoint import pack
from ..models.host.joining import join_host
from ..models.registry import VAE
from . import latent_diffusion, recipes
from .lora import PREFIX, Adapted, Lora
from .machine import PRECISIONS
from .objectives import LatentPrediction
from .sources import Drawn, Files, fingerprint
from .trainer import Part, adamw, prefixed
from .views import MULTIPLE, Augmentation, Cases, KeptCases, Views

SHOWN, SHOWN_STEPS = 4, 20  # pictures of a sheet, and how they are sampled
NEEDED = {
    "model": "a ColorizeDiffusion file to begin with, such as mult-eps-ft.safetensors",
    "vision": "the CLIP vision model that it reads references by, CLIP-ViT-H-14-laion2B-s32B-b79K",
}
ONLY_BY_LORA = {
    "v1.5": "what its authors trained of v1.5, on masks of figures, is not offered here",
    "v2": "how v2 was trained is not published",
}


def colorizediffusion(options):
    if options.size % MULTIPLE:
        raise SystemExit(f"--size: expected a multiple of {MULTIPLE}, found {options.size}.")
    base, encoders = open_networks(options)
    cases, shown = open_cases(options, encoders)
    if options.lora:
        lighten(base.unet.to(options.machine.device), PRECISIONS[options.precision])
        network, names = Lora(base.unet, options.lora), partial(prefixed, PREFIX)
        wearing = Adapted(base.unet, network).wearing
        options.file = f"{options.file}_lora"
    else:
        network, names, wearing = base.unet, partial(published, base.vae_weights), nullcontext
    objective = LatentPrediction(
        network,
        base.prediction if options.prediction == "auto" else options.prediction,
        unet=base.unet,
        encoders=None if options.views else encoders,
        blind=options.dropout,
        blank=options.sketch_dropout,
        offset=options.offset_noise,
        snr=options.min_snr,
    )
    part = Part(objective, adamw(network, options.lr), pack=names)
    show = partial(sheet, options, objective.prediction, encoders, shown, wearing)
    return recipes.go(options, [part], cases, show, warmup=1, floor=1.0, decay=options.average).weights()


def lighten(network, dtype):
    """Frozen weights as autocast would make them at every step; norms stay float32, as it has them."""
    for layer in network.modules():
        if isinstance(layer, (nn.Linear, nn.Conv2d)) and dtype is not None:
            layer.to(dtype)


def published(vae, state_dict):
    """The tensors of a file in the published layout."""
    return pack(state_dict) | {VAE + name: tensor for name, tensor in vae.items()}


def open_networks(options):
    """A `Trainable` and its `Frozen`, from the files or, in a smoke run, at random."""
    for name, wanted in NEEDED.items():
        if getattr(options, name) is None and not options.smoke:
            raise SystemExit(f"--{name}: expected {wanted}. Only --smoke runs without.")
    host = inside_host()
    try:
        base = host.Trainable.of_file(options.model) if options.model else host.Trainable.random()
    except ValueError as error:
        raise SystemExit(f"--model: cannot begin with {options.model}: {error}") from error
    if base.version in ONLY_BY_LORA and not options.lora:
        raise SystemExit(
            f"--model: {ONLY_BY_LORA[base.version]}, and {options.model} is {base.version}: begin with a file of v1, "
            "or train a LoRA for this one (--lora 16)."
        )
    width = base.unet.context_dim
    try:
        vision = host.vision_of_file(options.vision, width) if options.vision else host.random_vision(width)
    except ValueError as error:
        raise SystemExit(f"--vision: cannot use {options.vision}: {error}") from error
    if options.frugal:
        host.recompute(base.unet)
    return base, host.Frozen(base.vae, vision)


def inside_host():
    try:
        join_host()
        return importlib.import_module("..models.host.trainable", __package__)
    except RuntimeError as error:
        raise SystemExit(f"train colorizediffusion: {error}") from error
    except ImportError as error:
        raise SystemExit(
            f"train colorizediffusion runs inside ComfyUI, and this Python lacks its package {error.name}: leave out "
            "--python, and an environment is made for you."
        ) from error


def open_cases(options, encoders):
    """Batches by number, and what a sheet shows: sketches, tokens, and rows of pictures by their names."""
    with options.machine.main_process_first():
        if options.pictures is None:
            source = Drawn(options.out, options.drawings, options.size)
        else:
            source = Files(options.pictures, options.out, options.size, options.threads)
        told = Augmentation(options.flip, options.rotate, options.jitter, options.warp, options.styles)
        views, device = Views(source, options.size, encoders, told), options.machine.device
        shown = show_case(encoders, *Cases(views, SHOWN, options.seed, margins=0)(recipes.SHEET), device)
        about = options.batch, options.seed, options.margins
        if not options.views:
            return Cases(views, *about), shown
        models = fingerprint([path for path in (options.model, options.vision) if path])
        kept = options.out / "latents"
        cases = KeptCases(views, *about, kept, encoders, models, options.views, device, options.threads)
        encoders.release()
        return cases, shown


def show_case(encoders, picture, sketch, pixels, device):
    mean, std = (torch.tensor(numbers).view(3, 1, 1) for numbers in (encoders.mean, encoders.std))
    reference = F.interpolate((pixels * std + mean).clamp(0, 1), picture.shape[2:], mode="bilinear")
    rows = {"line": (1 - sketch) / 2, "reference": reference}
    return sketch.to(device), encoders.tokens(pixels.to(device)), rows, picture


def sheet(options, prediction, encoders, shown, wearing, network):
    """show(network) for Run.train."""
    sketch, tokens, rows, truth = shown
    device, dtype = sketch.device, PRECISIONS[options.precision]
    height, width = (side // 8 for side in sketch.shape[2:])
    noise = torch.randn(len(sketch), 4, height, width, generator=torch.Generator().manual_seed(0)).to(device)
    steps = 2 if options.smoke else SHOWN_STEPS
    with wearing(network) as unet, torch.autocast(device.type, dtype) if dtype else nullcontext():
        latent = latent_diffusion.sample(unet, sketch, tokens, noise, prediction, steps)
    ours = encoders.picture(latent)
    encoders.release()
    return {**rows, "ours": ours.clamp(0, 1), "truth": truth}
