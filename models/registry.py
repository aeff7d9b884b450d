"""What a file holds: its system, the arguments of the system's network, and the tensors by their names."""

import importlib
from typing import NamedTuple

import torch

from .animediffusion import network as animediffusion
from .colorizediffusion import checkpoint as colorizediffusion
from .colorizediffusion_xl import checkpoint as colorizediffusion_xl
from .colorizediffusion_xl import tagger
from .diffusart import network as diffusart
from .flats import matcher
from .geodesic import network as geodesic
from .likeness import network as likeness
from .line import anime2sketch, isnet, manga, realistic, sketchkeras
from .scft import network as scft

# The only list of systems: name of the folder, which also holds a native.py -> (detection, network).
# None stands for a network built on the host's: `layout` of the native.py knows its tensors.
SYSTEMS = {
    "colorizediffusion": (colorizediffusion.config, None),
    "colorizediffusion_xl": (colorizediffusion_xl.config, None),
    "diffusart": (diffusart.config, diffusart.Diffusart),
    "animediffusion": (animediffusion.config, animediffusion.AnimeDiffusion),
    "geodesic": (geodesic.config, geodesic.GeodesicUNet),
    "likeness": (likeness.config, likeness.Likeness),
}

UNPACK = {  # systems whose files name tensors otherwise than their networks do, or hold more -> tensors by our names
    "colorizediffusion": colorizediffusion.unpack,
    "colorizediffusion_xl": colorizediffusion.unpack,
}
VAE = "first_stage_model."  # of a latent colorizer, in its file

# The networks of one pass: name -> (detection, network)
NETWORKS = {
    "scft": (scft.config, scft.Generator),
    "sketchkeras": (sketchkeras.config, sketchkeras.SketchKeras),
    "anime2sketch": (anime2sketch.config, anime2sketch.Anime2Sketch),
    "manga": (manga.config, manga.MangaLines),
    "realistic": (realistic.config, realistic.RealisticLines),
    "isnet": (isnet.config, isnet.ISNet),
    "tagger": (tagger.config, tagger.Tagger),
    "sheet": (matcher.config, matcher.Matcher),
}

KINDS = {  # what a file may be -> (its systems, the node that loads them)
    "colorizer": (SYSTEMS, "ColorizeModelLoader"),
    "line art network": (NETWORKS, "LineartNetworkLoader"),
}

WRAPPERS = (
    "model_state_dict_ema",
    "model_state_dict",
    "state_dict",
    "generator_state_dict",
)  # the averaged weights are the better ones
PREFIXES = (
    "",
    "module.",
    "model.diffusion_model.",
    "diffusion_model.",
    "model.",
    "model.module.",
    "generator_state_dict.",
)

MISTAKEN = {  # a key of it -> what people load instead
    "model.diffusion_model.input_blocks.0.0.weight": "a Stable Diffusion checkpoint",
    "input_blocks.0.0.weight": "a Stable Diffusion UNet",
    "first_stage_model.decoder.conv_in.weight": "a Stable Diffusion checkpoint",
    "model.diffusion_model.double_blocks.0.img_attn.qkv.weight": "a Flux checkpoint",
    "double_blocks.0.img_attn.qkv.weight": "a Flux model",
    "decoder.conv_in.weight": "a VAE",
    "input_hint_block.0.weight": "a ControlNet",
    "control_model.input_hint_block.0.weight": "a ControlNet",
    "vision_model.embeddings.class_embedding": "a CLIP vision model",
    "visual.class_embedding": "a CLIP vision model",
}


class Found(NamedTuple):
    system: str
    config: dict
    state_dict: dict
    vae: dict


def identify(contents, kind="colorizer"):
    """What the contents of a file are, as `Found`; ValueError tells what they are instead, or what they lack."""
    state_dict = unwrap(contents)
    systems = KINDS[kind][0]
    if (found := find(state_dict, systems)) is not None:
        check(found.system, expected(systems, found.system, found.config), found.state_dict)
        return found
    for other, (systems, loader) in KINDS.items():
        if (found := find(state_dict, systems)) is not None:
            raise ValueError(f"It is no {kind} but a {other} ({found.system}): load it with {loader}.")
    known = ", ".join(KINDS[kind][0])
    raise ValueError(f"It is no {kind} that this pack knows ({known}): {describe(state_dict)}.")


def find(state_dict, systems):
    """The first of the systems, under any of the prefixes, whose detection recognises the tensors, or None."""
    for prefix in PREFIXES:
        named = {key[len(prefix) :]: tensor for key, tensor in state_dict.items() if key.startswith(prefix)}
        for system, (config, _) in systems.items():
            ours = UNPACK[system](named) if system in UNPACK else named
            if (arguments := config(ours)) is not None:
                vae = {key.removeprefix(VAE): tensor for key, tensor in named.items() if key.startswith(VAE)}
                return Found(system, arguments, ours, vae)
    return None


def expected(systems, system, arguments):
    """The tensors that a whole file of a system holds, on the meta device."""
    network = systems[system][1]
    if network is None:
        return importlib.import_module(f".{system}.native", __package__).layout(**arguments)
    return network(**arguments, device="meta").state_dict()


def unwrap(contents):
    """The tensors by name, out of the dictionaries that trainers save them in beside optimizer and epoch."""
    while isinstance(contents, dict):
        inner = next((contents[name] for name in WRAPPERS if isinstance(contents.get(name), dict)), None)
        if inner is None:
            return {key: value for key, value in contents.items() if isinstance(value, torch.Tensor)}
        contents = inner
    raise ValueError(f"It holds a {type(contents).__name__} instead of named tensors.")


def check(system, expected, found):
    problems = {
        "missing": [key for key in expected if key not in found],
        "unexpected": [key for key in found if key not in expected],
        "of another shape": [
            f"{key} {tuple(found[key].shape)} instead of {tuple(tensor.shape)}"
            for key, tensor in expected.items()
            if key in found and found[key].shape != tensor.shape
        ],
    }
    if any(problems.values()):
        told = "; ".join(f"{len(keys)} {kind}: {abridge(keys)}" for kind, keys in problems.items() if keys)
        raise ValueError(f"It is a {system} file, but not a whole one ({told}).")


def describe(state_dict):
    if not state_dict:
        return "it holds no tensors"
    if any("lora" in key for key in state_dict):
        return "it looks like a LoRA"
    for key, kind in MISTAKEN.items():
        if key in state_dict:
            return f"it looks like {kind}"
    return f"it holds {len(state_dict)} tensors, named {abridge(list(state_dict))}"


def abridge(names, most=5):
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
