"""Golden data of ColorizeDiffusion XL: sketch encoder."""

import json

import torch

from ...models.colorizediffusion_xl.sketch import SketchEncoder

TOLERANCES = [("*", 2e-4)]


@torch.inference_mode()
def outputs(golden, meta):
    settings = json.loads(meta["config"])
    if "in/sketch" in golden:
        yield from sketches(golden, settings)


def sketches(golden, settings):
    widths = [settings["model_channels"] * times for times in (1, *settings["ch_mults"])]
    encoder = load(SketchEncoder(widths, settings["dim_head"]), golden, "control_encoder.")
    sketch = golden["in/sketch"]
    runs = {"app": (sketch, False), "rotary": (sketch, True), "blank_app": (torch.full_like(sketch, -1), False)}
    for name, arguments in runs.items():
        yield from ((f"out/sketch_{name}.{i}", hint) for i, hint in enumerate(encoder(*arguments)))


def load(network, golden, prefix):
    """The network with the weights that a golden file stores in half precision."""
    prefix = f"weights/{prefix}"
    network.load_state_dict(
        {key.removeprefix(prefix): value.float() for key, value in golden.items() if key.startswith(prefix)}
    )
    return network.eval()
