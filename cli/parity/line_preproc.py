"""Golden data of the ColorizeDiffusion applications' sketch preparation.

The line network of "extract" is replaced by Pillow's grey of the picture it receives.
"""

import torch

from ...models.line.preparation import prepare

INPUTS = ("in/*",)
TOLERANCES = [
    ("*/box_ltwh", 0),
    ("sd/*", 1e-4),
    ("xl/*/extract/*", 1e-4),
    ("xl/*/invert-webui/*", 1e-4),
    ("*", 2 / 255),
]


@torch.inference_mode()
def outputs(golden, meta):
    for name in golden:
        application, *path = name.split("/")
        if application not in ("sd", "xl") or path[-1] != "sketch":
            continue
        source, size, option, _ = path
        height, width = map(int, size.split("x"))
        image = golden[f"in/{source}"][None].double() / 255
        sketch, box = prepare(image, height, width, option, application, gray)
        yield name, sketch[:, : golden[name].shape[1]]
        yield name.replace("sketch", "box_ltwh"), torch.tensor(box)


def gray(image):
    levels = (image * 255).round() @ image.new_tensor([19595.0, 38470.0, 7471.0])
    return ((levels + 32768) / 65536).floor() / 255
