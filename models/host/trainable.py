"""ColorizeDiffusion to be trained: its UNet with gradients, and the frozen networks that make its inputs."""

from functools import partial
from typing import NamedTuple

import comfy.clip_vision
import comfy.latent_formats
import comfy.model_management as mm
import comfy.ops
import comfy.sd
import torch
import torch.nn as nn
from comfy.ldm.modules.attention import BasicTransformerBlock
from comfy.ldm.modules.diffusionmodules.openaimodel import ResBlock
from comfy.taesd.taesd import TAESD
from torch.utils.checkpoint import checkpoint

from .. import registry
from ..colorizediffusion.native import Config, UNet
from . import clip
from .loading import file_vae, read

PLACE = {"dtype": torch.float32, "device": "cpu", "operations": comfy.ops.disable_weight_init}
TINY = {"version": "v1", "model_channels": 32, "num_head_channels": 32, "context_dim": 24}
TINY_VISION = {"hidden_size": 32, "num_attention_heads": 1, "num_hidden_layers": 1, "intermediate_size": 64}
TINY_VISION |= {"hidden_act": "gelu", "image_size": 28, "patch_size": 14, "num_channels": 3}
DRAWN = (nn.Linear, nn.Conv2d, nn.Embedding, nn.GroupNorm, nn.LayerNorm)


class Trainable(NamedTuple):
    unet: UNet  # float32, on the CPU
    version: str
    prediction: str  # "eps" or "v", as the version was published
    vae: comfy.sd.VAE
    vae_weights: dict  # its tensors as they are in the file

    @classmethod
    def of_file(cls, path):
        """ValueError tells what else the file is, or what it lacks."""
        found = registry.identify(read(str(path)))
        if found.system != "colorizediffusion":
            raise ValueError(f"It is a {found.system} file, and this trains ColorizeDiffusion v1, v1.5 and v2.")
        if not found.vae:
            raise ValueError(f"There is no VAE in it ({registry.VAE}...), which published files have.")
        unet = UNet(**found.config, **PLACE)
        unet.load_state_dict({key: found.state_dict[key] for key in unet.state_dict()})
        vae = file_vae(path, dict(found.vae))
        return cls(unet, found.config["version"], Config(found.config).prediction, vae, found.vae)

    @classmethod
    def random(cls):
        """A tiny network, and a VAE of the host's smallest kind."""
        unet, vae = draw(UNet(**TINY, **PLACE)), draw(TAESD()).state_dict()
        return cls(unet, TINY["version"], Config(TINY).prediction, comfy.sd.VAE(sd=dict(vae)), vae)


class Frozen:
    """The networks that make latents of pictures, and tokens of references. The host moves them as it needs to.

    side, mean, std  of CLIP's input
    """

    def __init__(self, vae, clip_vision):
        self.vae, self.clip_vision = vae, clip_vision
        self.side = clip_vision.image_size
        self.mean, self.std = clip_vision.image_mean, clip_vision.image_std
        self.scaled = comfy.latent_formats.SD15()

    @torch.no_grad()
    def latent(self, picture):
        """Pictures (B, 3, H, W) in 0..1 -> scaled latents (B, 4, h, w): the mean of what the VAE allows."""
        return self.scaled.process_in(self.vae.encode(picture.movedim(1, -1)).float()).to(picture.device)

    @torch.no_grad()
    def picture(self, latent):
        """The reverse, on the CPU."""
        return self.vae.decode(self.scaled.process_out(latent)).movedim(-1, 1).float().cpu()

    @torch.no_grad()
    def tokens(self, pixels):
        """CLIP's input (B, 3, side, side) -> the tokens of its parts (B, n, C)."""
        return clip.read(self.clip_vision, pixels)[:, 1:].to(pixels.device)

    def release(self):
        """Gives their place on the device to the training."""
        mm.unload_all_models()
        mm.soft_empty_cache()


def recompute(network):
    """Lets blocks keep no activations: they are computed again for the gradients, in less memory and more time."""
    for module in network.modules():
        if isinstance(module, (BasicTransformerBlock, ResBlock)):
            module.forward = partial(checkpoint, module.forward, use_reentrant=False)


def vision_of_file(path, width):
    """A CLIP vision model whose tokens are so wide; ValueError for another or none."""
    weights = read(str(path))
    own = "visual.transformer.resblocks.0.attn.in_proj_weight" in weights  # open_clip's names
    found = comfy.clip_vision.load_clipvision_from_sd(weights, "visual." if own else "", convert_keys=own)
    if found is None:
        raise ValueError("It is no CLIP vision model that ComfyUI knows.")
    expect_width(found, width)
    return found


def random_vision(width):
    """A tiny one, whose tokens are so wide."""
    config = {**TINY_VISION, "projection_dim": width, "model_type": "clip_vision_model"}
    found = comfy.clip_vision.ClipVisionModel(config)
    draw(found.model)
    return found


def expect_width(clip_vision, width):
    found = clip_vision.config.get("projection_dim")
    if found != width:
        wanted = clip.VISION.get(width, "one made for it")
        raise ValueError(
            f"This model reads tokens {width} numbers wide, and this CLIP vision model gives {found}: take {wanted}."
        )


def draw(network):
    """Random weights as torch starts its layers; the host leaves its own as they lie in memory."""
    for module in network.modules():
        kind = next((kind for kind in DRAWN if isinstance(module, kind)), None)
        if kind is not None:
            kind.reset_parameters(module)
            continue
        for parameter in module.parameters(recurse=False):
            if parameter.ndim:
                nn.init.normal_(parameter, std=0.02)
    return network
