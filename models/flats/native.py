"""The sheet's matching in ComfyUI, with the network that ships."""

from functools import partial

import comfy.model_management as mm

from ..host import folders, networks
from .sheet import both

NETWORK = f"{folders.OURS}/sheet_matching.safetensors"
MEMORY = 256 << 20  # bytes, for thousands of regions


def matching():
    """How `sheet.colour` compares regions. A file of this name in models/lineart_colorize is taken before ours."""
    patcher = networks.load_network(folders.locate(NETWORK))
    mm.load_models_gpu([patcher], memory_required=MEMORY)
    return partial(both, lambda *drawings: patcher.model(*(one.to(patcher.load_device) for one in drawings)))
