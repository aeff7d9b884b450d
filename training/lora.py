"""Low-rank adaptation (Hu et al. 2021): a frozen network learns by small layers beside its own."""

from contextlib import contextmanager
from functools import partial

import torch
import torch.nn as nn

PREFIX = "diffusion_model."  # before the names of a UNet's layers in the files that ComfyUI's LoRA loaders read


class Branch(nn.Module):
    """What is added to a linear layer: nothing at first. alpha is the rank, so that the two are added as they are."""

    def __init__(self, layer, rank):
        super().__init__()
        self.lora_down = nn.Linear(layer.in_features, rank, bias=False)
        self.lora_up = nn.Linear(rank, layer.out_features, bias=False)
        nn.init.zeros_(self.lora_up.weight)
        self.register_buffer("alpha", torch.tensor(float(rank)))

    def forward(self, x):
        return self.lora_up(self.lora_down(x))


class Lora(nn.Module):
    """A `Branch` for each linear layer of the network's transformer blocks, under the layer's own name.

    So the names of its tensors are those of a LoRA file, but for PREFIX.
    """

    def __init__(self, network, rank):
        super().__init__()
        for name, layer in targets(network):
            *path, last = name.split(".")
            place = self
            for part in path:
                if not hasattr(place, part):
                    place.add_module(part, nn.Module())
                place = getattr(place, part)
            place.add_module(last, Branch(layer, rank))


def targets(network):
    """The layers, by name. ColorizeDiffusion's own LoRA layers, which `_lora_` tells, get none."""
    for name, layer in network.named_modules():
        if isinstance(layer, nn.Linear) and ".transformer_blocks." in name and "_lora_" not in name:
            yield name, layer


class Adapted:
    """A frozen network with a `Lora` that may be exchanged."""

    def __init__(self, network, lora):
        self.network, self.lora = network.requires_grad_(False), lora
        for name, layer in targets(network):
            layer.register_forward_hook(partial(self.add, name))

    def add(self, name, layer, inputs, output):
        return output + self.lora.get_submodule(name)(inputs[0])

    @contextmanager
    def wearing(self, other):
        own, self.lora = self.lora, other
        try:
            yield self.network
        finally:
            self.lora = own
