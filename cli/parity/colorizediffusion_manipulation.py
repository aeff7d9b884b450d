"""Golden data of ColorizeDiffusion's text manipulation: both kinds, a sequence of two, weights and the heat map."""

import json
import re

import torch

from ...models.colorizediffusion.heatmap import bands, correlation, overlay
from ...models.colorizediffusion.manipulation import move_all, move_part, spread, weights
from . import Masked

TOLERANCES = [("out/heat_levels", 0), ("out/heat_overlay", 1), ("*", 1e-5)]


@torch.inference_mode()
def outputs(golden, meta):
    config = json.loads(meta["config"])
    scale, thresholds = config["target_scale"], config["thresholds"]
    texts = {name.removeprefix("in/text_"): text for name, text in golden.items() if name.startswith("in/text_")}
    whole, tokens = golden["in/tokens_full"].split([1, golden["in/tokens_full"].shape[1] - 1], dim=1)
    target, anchor, control = (texts[f"{kind}0"] for kind in ("target", "anchor", "control"))

    similarity = tokens @ control.mT
    yield "out/similarity_control0", similarity
    yield "out/dscale_target0", scale - whole @ target.mT
    yield "out/pwv", weights(spread(similarity, dim=-2), scale - whole @ target.mT, thresholds)
    curve = torch.linspace(0, 1, golden["out/pwv_curve"].shape[1])[None, :, None]
    jump = (curve - thresholds[0]).abs() < 1e-6  # where rounding decides
    yield "out/pwv_curve", Masked(weights(curve, 1, thresholds), jump)

    for enhance in (False, True):
        for name, replaced in (("anchor", anchor), ("noanchor", None)):
            name = f"{name}_{'enhance' if enhance else 'plain'}"
            moved = move_part(tokens, whole, target, replaced, control, scale, enhance, thresholds)
            yield f"out/local_{name}", torch.cat([whole, moved], dim=1)
            yield f"out/global_{name}", move_all(whole, target, replaced, scale, enhance)

    told = re.search(r"\[(.*?)\]", json.loads(meta["description"])["out/local_sequence"])[1]  # of the second step
    other_thresholds = [float(number) for number in told.split(",")]
    second, elsewhere = texts["target1"], texts["control1"]
    moved = move_part(tokens, whole, target, anchor, control, scale, False, thresholds)
    moved = move_part(moved, whole, second, None, elsewhere, scale / 2, True, other_thresholds)
    yield "out/local_sequence", torch.cat([whole, moved], dim=1)
    moved = move_all(whole, target, anchor, scale)
    yield "out/global_sequence", move_all(moved, second, None, scale / 2, enhance=True)

    picture = golden["in/heat_reference"][None] / 255
    values = correlation(tokens[:1], texts["vis"], *picture.shape[1:3])
    levels = bands(values, thresholds)
    ignore = (values[0, :, :, None, None] - values.new_tensor(thresholds)).abs().amin(-1) < 1e-6
    yield "out/heat_levels", Masked(levels[0, :, :, None], ignore)
    heat = overlay(picture, levels, round(tokens.shape[1] ** 0.5))[0] * 255
    yield "out/heat_overlay", Masked(heat, ignore.expand_as(heat))
