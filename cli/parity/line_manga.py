"""Golden data of MangaLineExtraction: the network stage by stage, ColorizeDiffusion's uses, controlnet_aux's node."""

import torch

from ...models.line import manga
from ...models.line.xdog import gray_8bit
from .line_networks import build, controlnet_aux, cut, maps, picture, resolution

INPUTS = ("aux/in_u8", "gray_u8", "in_rgb_u8")
TOLERANCES = [("aux/*", 1), ("act/*", 2e-3), ("out", 2e-5), ("*", 1e-4)]


@torch.inference_mode()
def outputs(golden, meta):
    network = build(manga, manga.MangaLines, golden)
    x = golden["gray_u8"][None, None].float()
    yield "out", network(x)
    names = [name.removeprefix("act/") for name in golden if name.startswith("act/")]
    stages = maps(network, x, [name for name in names if name.startswith("block")])
    for name, value in stages.items():
        yield f"act/{name}", value[0]
    for number in range(1, 5):  # what a stage going up is added to
        yield f"act/res{number}", (stages[f"block{number + 4}"] + stages[f"block{4 - number}"])[0]

    # the application reads the red channel only
    red = picture(golden["in_rgb_u8"])[..., :1].expand(-1, -1, -1, 3)
    for application in ("sd", "xl"):
        yield f"cd_{application}/out_1ch", 1 - 2 * manga.extract(network, red)[:, None]

    def lines(array):
        levels = gray_8bit(picture(torch.from_numpy(array)))[:, None] * 255
        return cut(network(levels.round())[0, 0]).byte().numpy()

    for name in golden:
        if name.startswith("aux/out_res"):
            yield name, controlnet_aux(golden["aux/in_u8"], resolution(name), lines)
