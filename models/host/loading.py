"""File -> MODEL and VAE."""

import importlib
import logging
import pickle
import re
from pathlib import Path

import comfy.model_management as mm
import comfy.model_patcher
import comfy.sd
import comfy.utils
import torch

from .. import registry

STORAGE = {
    "auto": None,
    "fp32": torch.float32,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
    "fp8_e4m3fn": torch.float8_e4m3fn,
    "fp8_e5m2": torch.float8_e5m2,
}
PREDICTIONS = ("auto", "eps", "v", "x0")


def load_colorizer(path, dtype="auto", prediction="auto", clamp=True):
    """A colorizer file as (MODEL, VAE).

    dtype       one of STORAGE: how weights are kept, "auto" as the host prefers on its device
    prediction  one of PREDICTIONS: what the network returns, "auto" as published (`published`)
    clamp       keep the predicted picture in -1..1 at every step

    Raises ValueError, naming the file, for one that is damaged, unsafe or no colorizer.
    """
    return load(path, dtype, prediction, clamp)


def load_patcher(*arguments, **options):
    """The MODEL alone, as the host asks for it to make another of the same file."""
    return load(*arguments, **options)[0]


def load(path, dtype="auto", prediction="auto", clamp=True, disable_dynamic=False):
    try:
        found = registry.identify(read(path))
    except ValueError as error:
        raise ValueError(f"Cannot load {path}: {error}") from error

    native = importlib.import_module(f"..{found.system}.native", __package__)
    config = native.Config(found.config)
    if prediction not in ("auto", *config.predictions):
        raise ValueError(
            f"{path} is a {found.system} file, which does not predict {prediction}: set prediction to "
            f"{' or '.join(['auto', *config.predictions])}."
        )

    device = mm.get_torch_device()
    storage = storage_dtype(dtype, found.state_dict, config.supported_inference_dtypes)
    compute = mm.unet_manual_cast(storage, device, config.supported_inference_dtypes)
    config.set_inference_dtype(storage, compute, device=device)
    model = config.get_model(found.state_dict)
    usual = published(path, config)
    if prediction not in ("auto", usual):
        logging.warning("%s: read as %s, published as %s.", path, prediction, usual)
    if (chosen := usual if prediction == "auto" else prediction) != config.prediction:
        model.predict(chosen)

    # looked up late: main.py replaces CoreModelPatcher after start-up
    make = comfy.model_patcher.ModelPatcher if disable_dynamic else comfy.model_patcher.CoreModelPatcher
    patcher = make(model, load_device=device, offload_device=mm.unet_offload_device())
    if not mm.is_device_cpu(patcher.offload_device):
        model.to(patcher.offload_device)
    model.load_model_weights(found.state_dict, assign=patcher.is_dynamic())
    if mm.is_device_cpu(device) and not patcher.is_dynamic():
        model.to(memory_format=config.layout)
    pixels = config.latent_format.spacial_downscale_ratio == 1
    if clamp and pixels:
        patcher.set_model_sampler_post_cfg_function(clamp_picture)
    patcher.cached_patcher_init = (load_patcher, (path, dtype, prediction, clamp))
    return patcher, pixel_vae() if pixels else file_vae(path, found.vae)


def published(path, config):
    """What a system's networks predict, but noise where the authors say so by "eps" in the file's name."""
    noise = re.search(r"(?<![a-z])eps(?![a-z])", Path(path).stem.lower())  # and not "steps"
    return "eps" if noise and "eps" in config.predictions else config.prediction


def storage_dtype(dtype, state_dict, supported):
    """The torch dtype to keep weights in for one of STORAGE; "auto" is what the host prefers of those supported."""
    return STORAGE[dtype] or mm.unet_dtype(
        model_params=comfy.utils.calculate_parameters(state_dict),
        supported_dtypes=supported,
        weight_dtype=comfy.utils.weight_dtype(state_dict),
    )


def clamp_picture(args):
    """Far from the picture, x0 = x - sigma * eps multiplies every error of eps by up to 157."""
    return args["denoised"].clamp(-1, 1)


def pixel_vae():
    """The host's pass-through: IMAGE 0..1 to and from -1..1."""
    return comfy.sd.VAE(sd={"pixel_space_vae": torch.tensor(1.0)})


def file_vae(path, state_dict):
    """The VAE that lies in a colorizer's file, or None if there is none."""
    if not state_dict:
        return None
    vae = comfy.sd.VAE(sd=state_dict)
    if vae.first_stage_model is None:
        raise ValueError(f"Cannot load {path}: its VAE ({registry.VAE}...) is none that ComfyUI knows.")
    if missing := [key for key in vae.first_stage_model.state_dict() if key not in state_dict]:
        raise ValueError(f"Cannot load {path}: its VAE is not whole, missing are {registry.abridge(missing)}.")
    return vae


def read(path):
    """A file's contents by the host's loader, which runs no code; ValueError in a sentence."""
    try:
        return comfy.utils.load_torch_file(path)
    except FileNotFoundError:
        raise ValueError("the file is not there (any more); refresh the list of models.") from None
    except pickle.UnpicklingError as error:
        if "global" in str(error).lower():
            raise ValueError(
                "it contains Python objects besides tensors, which may run code, so it was not opened; "
                "get a safetensors version of it."
            ) from error
        raise ValueError(DAMAGED) from error
    except Exception as error:
        if mm.is_oom(error):
            raise
        raise ValueError(DAMAGED) from error


DAMAGED = "the file is damaged or only half downloaded; fetch it again and compare its size with the source."
