"""Diffusart as a ComfyUI MODEL."""

from functools import cache
from typing import ClassVar

import comfy.conds

from ..host.colorizer import HostedNetwork, PixelColorizer, PixelConfig, host_attention
from ..host.conds import CONDReduced
from .network import REDUCTION, SCHEDULE, Diffusart


class HostedDiffusart(HostedNetwork, Diffusart):
    def __init__(self, **config):
        super().__init__(**config, attention=host_attention)


class DiffusartModel(PixelColorizer):
    network = HostedDiffusart

    def network_conds(self, line, scribble, mask):
        network = self.diffusion_model
        line, hints = 2 * line - 1, network.hints(scribble, mask)
        contexts = cache(lambda: network.encode(line, hints))
        return {
            "sketch": comfy.conds.CONDNoiseShape(network.sketch(line, hints)),
            "context_1": CONDReduced(lambda: contexts()[0], REDUCTION),
            "context_2": CONDReduced(lambda: contexts()[1], REDUCTION),
        }


class Config(PixelConfig):
    """Noise prediction; the host calls evenly spaced betas sqrt_linear; its "linear" is another."""

    model = DiffusartModel
    predictions = ("eps", "v", "x0")
    sampling_settings: ClassVar = {"beta_schedule": "sqrt_linear", **SCHEDULE}
    memory_usage_factor = 0.15  # at the published widths
