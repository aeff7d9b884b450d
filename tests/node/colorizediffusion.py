"""Tiny random ColorizeDiffusion weights, as small as the host's layers allow."""

from functools import cache

import torch
from lineart_colorize.models import keys
from lineart_colorize.models.colorizediffusion import native
from lineart_colorize.models.colorizediffusion_xl import native as native_xl
from lineart_colorize.models.conditioning import without_guidance

from . import colorizediffusion_xl as xl
from .test_sampling import sample

VERSIONS = ("v1", "v1.5", "v2")
EVERY = (*VERSIONS, *xl.XL)
CHANNELS, CONTEXT, TOKENS = 32, 24, 6
LATENT = (1, 4, 8, 8)


@cache
def weights(version):
    """Tensors by our names."""
    torch.manual_seed(0)
    layout = native_xl.layout(**xl.arguments(version)) if version in xl.XL else native.layout(**arguments(version))
    return {key: start(key, tensor.shape) for key, tensor in layout.items()}


def arguments(version):
    shape = {"model_channels": CHANNELS, "num_head_channels": CHANNELS, "context_dim": CONTEXT}
    layers = [f"output_blocks.{block}.1" for block in range(3, 12)]
    if version == "v1.5":
        layers += [*(f"input_blocks.{block}.1" for block in (1, 2, 4, 5, 7, 8)), "middle_block.1"]
        shape["cluster"] = {"tokens": TOKENS, "depth": 1}
    ranks = {"v1": None, "v1.5": {"fg": 2, "bg": 3}, "v2": {"fg": 2, "bg": 2}}[version]
    names = [f"{layer}.transformer_blocks.0.attn2.{to}" for layer in layers for to in ("to_q", "to_k", "to_v")]
    return {"version": version, **shape, "lora": dict.fromkeys(names, ranks) if ranks else {}}


def start(key, shape):
    """Layers that keep the size of what they are given, so that nothing fades or explodes."""
    if len(shape) == 1:
        return torch.ones(shape) if "norm" in key and key.endswith("weight") else 0.1 * torch.randn(shape)
    return torch.randn(shape) / shape[1:].numel() ** 0.5


@cache
def tiny_vae():
    """TAESD, which the host reads in place of a whole VAE, with random weights."""
    from comfy.taesd.taesd import TAESD

    torch.manual_seed(0)
    return {key: start(key, tensor.shape) if tensor.ndim else tensor for key, tensor in TAESD().state_dict().items()}


def conditioning(**values):
    """Positive and negative as ReferenceTokens makes them, without its CLIP: a drawing of 64 x 64 and a reference."""
    torch.manual_seed(1)
    tokens, ground = torch.randn(2, 1, TOKENS, CONTEXT)
    whole, ground_whole = torch.randn(2, 1, 1, CONTEXT)
    entry = {
        keys.LINE: (torch.rand(1, 64, 64, 1) > 0.2).float().expand(-1, -1, -1, 3),
        keys.REFERENCE: torch.rand(1, 40, 50, 3),
        keys.REFERENCE_MASK: torch.ones(1, 40, 50),
        keys.REFERENCE_FOREGROUND: (torch.rand(1, 20, 25) > 0.5).float(),
        keys.TOKENS: tokens,
        keys.WHOLE: whole,
        keys.BACKGROUND_TOKENS: ground,
        keys.BACKGROUND_WHOLE: ground_whole,
        **values,
    }
    positive = [[tokens, entry]]
    return positive, without_guidance(positive)


def load_vae():
    import comfy.sd

    return comfy.sd.VAE(sd=dict(tiny_vae()))


def with_masks(**values):
    figures = torch.zeros(1, 50, 30)
    figures[:, 10:40, 5:20] = 1
    named = {getattr(keys, name): value for name, value in values.items()}
    return conditioning(**{keys.FOREGROUND: figures, **named})


def run(model, conds=None, shape=LATENT, *, cfg=4.0, **options):
    return sample(model, *(conds or conditioning()), shape, cfg=cfg, **options)
