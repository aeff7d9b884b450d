"""Golden data of sketchKeras: the network with both upsamplings, the torch port, the original's four outputs."""

import re
from functools import partial

import cv2
import torch
import torch.nn.functional as F

from ...models.line import sketchkeras
from ...models.line.blur import gaussian_8bit_fixed
from .line_networks import build, cut, maps, picture, resize

INPUTS = ("cd/in_*", "keras/resized_*", "pipe/in_*", "pipe/resized_*", "small/in_*", "small/x")
TOLERANCES = [("small/blur_u8", 0), ("*_u8*", 1), ("*", 2e-4)]
SIDE = 512  # px, of the port's canvas


@torch.inference_mode()
def outputs(golden, meta):
    nearest = build(sketchkeras, sketchkeras.SketchKeras, golden)
    bicubic = partial(nearest, upsampling="bicubic")
    levels = golden["small/in_u8"].movedim(-1, 0).float()
    blurred = gaussian_8bit_fixed(levels, sketchkeras.SIGMA)
    yield "small/blur_u8", blurred.movedim(0, -1)
    yield "small/highpass", (levels - blurred).movedim(0, -1) / 128
    yield "small/x", sketchkeras.highpass(picture(golden["small/in_u8"]))[0][:, None]
    for mode, network in (("nearest", nearest), ("bicubic", bicubic)):
        yield f"small/out_{mode}", network(golden["small/x"])
        blocks = [name.rsplit("/", 1)[1] for name in golden if name.startswith(f"small/act_{mode}/")]
        for block, value in maps(nearest, golden["small/x"], blocks, upsampling=mode).items():
            yield f"small/act_{mode}/{block}", value[0][: len(golden[f"small/act_{mode}/{block}"])]

    linear, area = (enlarged(golden["pipe/in_bgr_u8"], mode) for mode in (cv2.INTER_LINEAR, cv2.INTER_AREA))
    responses = nearest(canvas(sketchkeras.highpass(picture(linear)))[0][:, None])[:, 0]
    for plane, response in enumerate(responses):
        yield f"pipe/net_out_plane{plane}_sub8", response[::8, ::8]
    for name in golden:
        if found := re.fullmatch(r"pipe/out_u8_thr([.\d]+)(_smooth)?", name):
            lines = 1 - sketchkeras.paper_below(responses.amax(0), float(found[1]))
            lines = median(lines) if found[2] else lines
            yield name, cut(lines[: linear.shape[0], : linear.shape[1]] * 255)

    def whole(planes):
        height, width = planes.shape[-2:]
        return nearest(canvas(planes))[..., :height, :width]

    for name in sketchkeras.OUTPUTS:
        lines = cut(sketchkeras.extract(whole, picture(area), name)[0] * 255)
        step = 4 if name == "colored" else 2
        yield f"keras/{name}_u8_sub{step}", lines[::step, ::step]

    ink = sketchkeras.ink(bicubic, picture(golden["cd/in_rgb_u8"])).amax(1, keepdim=True)
    yield "cd/out_1ch", sketchkeras.paper_below(ink, 0.1) * 2 - 1


def enlarged(levels, mode):
    """Longer side 512 px, the other rounded down."""
    height, width = (int(SIDE / max(levels.shape[:2]) * side) for side in levels.shape[:2])
    return torch.from_numpy(resize(levels.numpy(), height, width, mode))


def canvas(planes):
    return F.pad(planes, (0, SIDE - planes.shape[-1], 0, SIDE - planes.shape[-2]))


def median(lines):
    padded = F.pad(lines[None, None], (1, 1, 1, 1), mode="replicate")
    return F.unfold(padded, 3)[0].median(0).values.view_as(lines)
