"""Golden data of Anime2Sketch: the network, ColorizeDiffusion's use of it, controlnet_aux's node."""

import cv2
import torch
import torch.nn.functional as F

from ...models.line import anime2sketch
from .line_networks import build, controlnet_aux, cut, maps, picture, resize, resolution

INPUTS = ("aux/in_u8", "in*_u8")
TOLERANCES = [("aux/*", 1), ("act/model.model.3", 1e-3), ("act/*", 2e-3), ("*", 5e-4)]


@torch.inference_mode()
def outputs(golden, meta):
    network = build(anime2sketch, anime2sketch.Anime2Sketch, golden)
    source = next(golden[name] for name in golden if name.startswith("in") and name.endswith("_u8"))
    x = picture(source).movedim(-1, 1) * 2 - 1
    yield "out", network(x)
    yield "cd/out_1ch", 1 - 2 * anime2sketch.extract(network, picture(source))[:, None]
    names = [name.removeprefix("act/") for name in golden if name.startswith("act/")]
    for name, value in maps(network, x, names).items():
        if isinstance(network.get_submodule(name), anime2sketch.Level):
            # the original's activation writes into the map that is joined on; the ReLU that follows hides it
            value[:, : value.shape[1] // 2] = F.leaky_relu(value[:, : value.shape[1] // 2], 0.2)
        yield f"act/{name}", value[0]

    def lines(array):
        height, width = array.shape[:2]
        whole = resize(array, height + -height % 256, width + -width % 256, cv2.INTER_CUBIC)
        drawn = cut(anime2sketch.extract(network, picture(torch.from_numpy(whole)))[0] * 255)
        return resize(drawn.byte().numpy(), height, width, cv2.INTER_AREA)

    for name in golden:
        if name.startswith("aux/out_res"):
            yield name, controlnet_aux(golden["aux/in_u8"], resolution(name), lines)
