"""Likeness as a ComfyUI MODEL."""

from functools import cache

import torch.nn.functional as F

from .. import keys
from ..host.colorizer import EDMConfig, HostedNetwork, PixelColorizer
from ..host.conds import CONDReduced, as_planes, fit_line, need_reference, on_paper
from .network import Likeness, guidance

REDUCTION = 4  # of what is carried: an area of the picture takes its part of it


class HostedLikeness(HostedNetwork, Likeness):
    pass


class LikenessModel(PixelColorizer):
    network = HostedLikeness

    def guidance(self, noise, entry):
        need_reference("This colorizer", entry)
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


class Config(EDMConfig):
    model = LikenessModel
