"""Geodesic as a ComfyUI MODEL."""

from typing import ClassVar

import comfy.model_base

from ..host.colorizer import HostedNetwork, PixelColorizer, PixelConfig
from ..host.conds import CONDReduced
from .network import GeodesicUNet, guidance


class HostedGeodesic(HostedNetwork, GeodesicUNet):
    pass


class GeodesicModel(PixelColorizer):
    network = HostedGeodesic

    def network_conds(self, line, scribble, mask):
        return {"guidance": CONDReduced(lambda: guidance(line, scribble, mask), 1)}


class Config(PixelConfig):
    """EDM with sigma_data 0.5, trained from 0.01 to 80."""

    model = GeodesicModel
    kind = comfy.model_base.ModelType.EDM
    sampling_settings: ClassVar = {"sigma_min": 0.01, "sigma_max": 80.0, "sigma_data": 0.5}
    memory_usage_factor = 0.05
    colorize_defaults: ClassVar = {"size": 384, "steps": 1, "cfg": 1.0, "sampler": "euler", "scheduler": "karras"}
