"""Geodesic as a ComfyUI MODEL."""

from ..host.colorizer import EDMConfig, HostedNetwork, PixelColorizer
from ..host.conds import CONDReduced
from .network import GeodesicUNet, guidance


class HostedGeodesic(HostedNetwork, GeodesicUNet):
    pass


class GeodesicModel(PixelColorizer):
    network = HostedGeodesic

    def network_conds(self, line, scribble, mask):
        return {"guidance": CONDReduced(lambda: guidance(line, scribble, mask), 1)}


class Config(EDMConfig):
    model = GeodesicModel
