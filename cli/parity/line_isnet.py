"""Golden data of ISNet: the network, and the application's masks with both framings and as they grow."""

import json
import re

import torch

from ...models.line import isnet
from .line_networks import build, maps

INPUTS = ("in_rgb_u8", "x", "proceed/x")
TOLERANCES = [("act/*", 2e-3), ("*", 1e-3)]


@torch.inference_mode()
def outputs(golden, meta):
    network = build(isnet, isnet.ISNet, golden)
    yield "out", network(golden["x"])
    names = [name.removeprefix("act/") for name in golden if name.startswith("act/")]
    for name, value in maps(network, golden["x"], names).items():
        yield f"act/{name}", value[0]
    side = json.loads(meta["config"])["work_size"] if "config" in meta else golden["x"].shape[-1]
    image = (golden["proceed/x"].movedim(1, -1) + 1) / 2
    for name in golden:
        if found := re.fullmatch(r"proceed/crop_(true|false)(?:_dilate(\d+))?", name):
            make = isnet.subject if found[1] == "true" else isnet.figures
            yield name, make(network, image, side, int(found[2] or 1) // 2)[:, None]
