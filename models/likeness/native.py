"""Likeness as a ComfyUI MODEL."""

from functools import cache
from typing import ClassVar

import comfy.model_base
import torch.nn.functional as F

from .. import keys
from ..edm import SIGMA_DATA, SIGMA_MAX, SIGMA_MIN
from ..host.colorizer import HostedNetwork, PixelColorizer, PixelConfig
from ..host.conds import CONDReduced, as_planes, fit_line, on_paper
from .network import Likeness, guidance

REDUCTION = 4  # of what is carried: an area of the picture takes its part of it


class HostedLikeness(HostedNetwork, Likeness):
    pass


class LikenessModel(PixelColorizer):
    network = HostedLikeness

    def guidance(self, noise, entry):
        if entry.get(keys.REFERENCE) is None:
            raise ValueError(
                "This colorizer takes its colours from a reference: connect a picture to ReferenceTokens, and both "
                "its outputs to the sampler."
            )
        line = fit_line(entry[keys.LINE], *noise.shape[-2:])
        return as_planes(noise, line, on_paper(entry[keys.REFERENCE], entry.get(keys.REFERENCE_MASK)))

    def network_conds(self, line, reference):
        match = cache(lambda: self.diffusion_model.match(line, reference))

        def hint():
            cells = [-(-side // REDUCTION) for side in line.shape[-2:]]
            return F.interpolate(match().carried, cells, mode="bilinear")

        return {
            "guidance": CONDReduced(lambda: guidance(line, match()), 1),
            "hint": CONDReduced(hint, REDUCTION),
        }


class Config(PixelConfig):
    """EDM on the noise levels of training."""

    model = LikenessModel
    kind = comfy.model_base.ModelType.EDM
    sampling_settings: ClassVar = {"sigma_min": SIGMA_MIN, "sigma_max": SIGMA_MAX, "sigma_data": SIGMA_DATA}
    memory_usage_factor = 0.05
    colorize_defaults: ClassVar = {"size": 384, "steps": 1, "cfg": 1.0, "sampler": "euler", "scheduler": "karras"}
