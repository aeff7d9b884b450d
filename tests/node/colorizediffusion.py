"""Tiny random ColorizeDiffusion weights, as small as the host's layers allow."""

from functools import cache

import torch
from lineart_colorize.models.colorizediffusion import native

VERSIONS = ("v1", "v1.5", "v2")
CHANNELS, CONTEXT, TOKENS = 32, 24, 6


@cache
def weights(version):
    """Tensors by our names."""
    torch.manual_seed(0)
    return {key: start(key, tensor.shape) for key, tensor in native.layout(**arguments(version)).items()}


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
    return TAESD().state_dict()
