"""Geodesic as a ComfyUI MODEL."""

from typing import ClassVar

import comfy.model_base

from ..edm import SIGMA_DATA, SIGMA_MAX, SIGMA_MIN
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
    """EDM on the noise levels of training."""

    model = GeodesicModel
    kind = comfy.model_base.ModelType.EDM
    sampling_settings: ClassVar = {"sigma_min": SIGMA_MIN, "sigma_max": SIGMA_MAX, "sigma_data": SIGMA_DATA}
    memory_usage_factor = 0.05
    colorize_defaults: ClassVar = {"size": 384, "steps": 1, "cfg": 1.0, "sampler": "euler", "scheduler": "karras"}
