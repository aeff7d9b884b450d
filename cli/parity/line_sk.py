"""Golden data of the realistic line art: the network, ColorizeDiffusion's use of it, controlnet_aux's node."""

import torch

from ...models.line import realistic
from .line_networks import build, controlnet_aux, cut, maps, picture, resolution

INPUTS = ("in_rgb_u8", "x")
TOLERANCES = [("aux/*", 1), ("act/*", 5e-4), ("*", 5e-4)]


@torch.inference_mode()
def outputs(golden, meta):
    network = build(realistic, realistic.RealisticLines, golden)
    yield "out", network(golden["x"])
    names = [name.removeprefix("act/") for name in golden if name.startswith("act/")]
    for name, value in maps(network, golden["x"], names).items():
        yield f"act/{name}", value[0]
    # the application feeds 0..255 and negates: its ink only reaches 0
    yield "cd/out_1ch_input_0_255", -network(golden["in_rgb_u8"].movedim(-1, 0)[None].float())

    def lines(array):
        return cut(realistic.extract(network, picture(torch.from_numpy(array)))[0] * 255).byte().numpy()

    for name in golden:
        if name.startswith("aux/out_res"):
            yield name, controlnet_aux(golden["in_rgb_u8"], resolution(name), lines)
