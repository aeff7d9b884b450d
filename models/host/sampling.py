"""Sampling as ColorizeSampler does it: the host's samplers, the model's own numbers where none are given."""

import comfy.sample
import comfy.samplers
import comfy.utils
import latent_preview
import torch

from .. import keys
from ..conditioning import blank, line_of, with_values, without_guidance
from ..finish import finish
from ..image import fit_inside
from ..line.preparation import fit, inside
from .device import intermediate_device, on_device
from .guiding import guider

SAMPLERS = ["auto", *comfy.samplers.SAMPLER_NAMES]
SCHEDULERS = ["auto", *comfy.samplers.SCHEDULER_NAMES]


def colorize(
    model,
    seed,
    steps,
    cfg,
    sampler,
    scheduler,
    denoise,
    resolution,
    line=None,
    positive=None,
    negative=None,
    vae=None,
    latent=None,
    sketch_cfg=1.0,
):
    """The coloured drawing as (LATENT, IMAGE at the drawing's own size). 0 and "auto": the model's choice.

    The drawing is scaled until its longer side is `resolution`, coloured, and finished at full size. A latent
    takes the place of `resolution`: its size and batch are worked at.
    """
    auto = defaults(model)
    latent_format = model.get_model_object("latent_format")
    if latent_format.spacial_downscale_ratio > 1 and vae is None:
        raise ValueError("This model does not work on pixels: connect the VAE of ColorizeModelLoader.")
    sampler = auto["sampler"] if sampler == "auto" else sampler
    scheduler = auto["scheduler"] if scheduler == "auto" else scheduler

    positive = positive or blank()
    negative = negative or without_guidance(positive)
    if line is not None:
        positive, negative = (with_values(conds, {keys.LINE: line}) for conds in (positive, negative))
    line = line_of(positive)
    if line is None:
        raise ValueError("There is no line art: connect the drawing to `line`, here or in ScribbleEncoder.")

    latent = latent or start(model, line, positive, denoise, resolution or auto["size"])
    samples = fit_latent(model, latent)
    steps = steps or auto["steps"]
    sigmas = comfy.samplers.KSampler(model, steps, model.load_device, sampler, scheduler, denoise).sigmas
    samples = (
        guider(model, positive, negative, cfg or auto["cfg"], sketch_cfg)
        .sample(
            comfy.sample.prepare_noise(samples, seed, latent.get("batch_index")),
            samples,
            comfy.samplers.sampler_object(sampler),
            sigmas,
            denoise_mask=latent.get("noise_mask"),
            callback=latent_preview.prepare_callback(model, steps),
            disable_pbar=not comfy.utils.PROGRESS_BAR_ENABLED,
            seed=seed,
        )
        .to(intermediate_device())
    )
    kept = {key: value for key, value in latent.items() if not key.startswith("downscale_ratio")}
    return {**kept, "samples": samples}, on_device(finish, decode(model, vae, samples, line), line)


def defaults(model):
    config = type(model.model.model_config)
    if not hasattr(config, "colorize_defaults"):
        raise ValueError("This MODEL is no colorizer: load one with ColorizeModelLoader.")
    return model.model.model_config.colorize_defaults


def start(model, line, positive, denoise, size):
    """An empty latent for the drawing: as many pictures as there are drawings, scribbles or references."""
    if denoise < 1:
        raise ValueError(
            "With denoise below 1 the colours start from a picture: connect one to `latent` "
            "(VAEEncode with the VAE of ColorizeModelLoader), or set denoise to 1."
        )
    pictures = (keys.LINE, keys.SCRIBBLE, keys.REFERENCE)
    batch = max(len(entry[key]) for _, entry in positive for key in pictures if key in entry)
    latent_format, multiple = model.get_model_object("latent_format"), type(model.model.model_config).multiple
    ratio = latent_format.spacial_downscale_ratio
    sides = (-(-side // multiple) * multiple // ratio for side in fit_inside(*line.shape[1:3], size))
    return {"samples": torch.zeros(batch, latent_format.latent_channels, *sides)}


def fit_latent(model, latent):
    """The latent's samples in the model's channels; an empty one of another model is only a size."""
    samples = comfy.sample.fix_empty_latent_channels(
        model,
        latent["samples"],
        latent.get("downscale_ratio_spacial"),
        latent.get("downscale_ratio_temporal"),
    )
    channels = model.get_model_object("latent_format").latent_channels
    if samples.ndim != 4 or samples.shape[1] != channels:
        raise ValueError(
            f"The latent has {samples.shape[1]} channels and this model works on {channels}: "
            "encode the start picture with the VAE of ColorizeModelLoader."
        )
    return samples


def decode(model, vae, samples, line):
    """IMAGE of what was sampled, where the drawing lies in it; a model of pixels needs no VAE and stretches it."""
    if model.get_model_object("latent_format").spacial_downscale_ratio == 1:
        return ((samples + 1) / 2).clamp(0, 1).movedim(1, -1)
    planes = vae.decode(samples).movedim(-1, 1)
    return inside(planes, fit(*line.shape[1:3], *planes.shape[2:])).movedim(1, -1)
