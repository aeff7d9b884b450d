"""Golden data of XDoG: XDoG-Python (gg), AnimeDiffusion (ad), textbook (canon), controlnet_aux (aux).

Variant and parameters stand in the tensors' names, so other pictures, sizes and parameters are met as well.
"""

import json
import re

import torch

from ...models.image import rgb
from ...models.line import threshold, xdog
from ...models.line.blur import gaussian_8bit
from . import Masked

INPUTS = ("aux/*_resized_in", "aux/node_quant/in_f32", "aux/rgba/in", "aux/wrap_probe/depth")
TOLERANCES = [
    ("ad/*_u", 1e-6),
    ("aux/*/standard_*", 1),
    ("aux/rgba/hwc3", 1),  # whole levels that float32 puts a hair too low are cut down in the original
    ("*/float_input_out_*", 1e-4),
    ("gray/*", 0),
    ("gg/*_u8", 0),
    ("gg/*", 1e-6),
    ("ad/*_L", 0),
    ("aux/*/min_*", 1e-5),
    ("aux/*/m_at_center", 1e-5),
    ("aux/*", 0),
]
NUMBER = r"([-+.\de]+)"
FORM = rf"s{NUMBER}_k{NUMBER}_p{NUMBER}_e{NUMBER}_phi{NUMBER}"


def outputs(golden, meta):
    cases = {case["input"]: case for case in json.loads(meta.get("cases", "[]")) if case["variant"] == "gg"}
    makers = {
        "gray": _gray,
        "gg": _xdog_python,
        "ad": _animediffusion,
        "canon": _textbook,
        "aux": _controlnet_aux,
    }
    for name in golden:
        family, *path = name.split("/")
        if family in makers:
            value = makers[family](path, golden, cases)
            if value is not None:
                yield name, value


def _picture(golden, name, dtype=torch.float64):
    """(1, H, W, 3) in 0..1."""
    return golden[f"in/{name}"][None].to(dtype) / 255


def _levels(lines):
    """Black on white 0..1 to grey levels, rounded as the image files are."""
    return (lines[0] * 255).round().clamp(0, 255)


def _cut(values):
    """0..1 to grey levels, rounded down as controlnet_aux does; whole levels stay what they are."""
    return (values * 255 + 1e-4).floor()


def _find(pattern, text):
    found = re.fullmatch(pattern, text)
    return found and [float(number) for number in found.groups()]


def _gray(path, golden, cases):
    return _levels(xdog.gray_8bit(_picture(golden, path[0], torch.float32)))


def _xdog_python(path, golden, cases):
    picture, name = _picture(golden, path[0]), path[1]
    case = cases[path[0]]
    sigma, k = case["sigma1"], case["sigma2"] / case["sigma1"]
    if found := _find(rf"blur_s{NUMBER}_u8", name):
        return gaussian_8bit((xdog.gray_8bit(picture) * 255).round(), found[0])[0]
    if found := _find(rf"(?:float_input_)?out_eps{NUMBER}(?:_imwrite_u8)?", name):
        truncate = not name.startswith("float_input")
        lines = xdog.xdog_python(picture, found[0], case["phi"], case["gamma"], sigma, k, truncate)
        return _levels(lines) if name.endswith("_u8") else lines[0] * 255
    return None


def _animediffusion(path, golden, cases):
    picture, name = _picture(golden, path[0]), path[1]
    gray = xdog.gray_8bit(picture)
    if found := _find(rf"s{NUMBER}_[uL]", name):
        u = xdog.response(gray, found[0], 3.5, p=10.0, multiply=True)[0]
        if name.endswith("u"):
            return u
        lines = xdog.animediffusion(_picture(golden, path[0], torch.float32), found[0])
        return Masked(_levels(lines), (u - 0.01).abs() < 1e-6)
    if found := _find(f"soft_{FORM}", name):
        sigma, k, p, eps, phi = found
        return xdog.threshold_(xdog.response(gray, sigma, k, p=p, multiply=True), eps, phi)[0]
    return None


def _textbook(path, golden, cases):
    if found := _find(f"[ST]_{FORM}", path[1]):
        sigma, k, p, eps, phi = found
        s = xdog.response(xdog.gray_8bit(_picture(golden, path[0])), sigma, k, p=p)
        return s[0] if path[1].startswith("S") else xdog.threshold_(s, eps, phi)[0]
    return None


def _controlnet_aux(path, golden, cases):
    source, name = path
    if source == "node_quant":
        return _cut(rgb(golden["aux/node_quant/in_f32"]))
    if source == "rgba":
        return _cut(rgb(golden["aux/rgba/in"].double() / 255))
    if source == "wrap_probe":
        return _wrap_probe(name, golden["aux/wrap_probe/depth"])
    picture = _picture(golden, source)
    if name == "min_g2_minus_g1":
        return _depth(picture)
    if found := _find(rf"xdog_native_thr{NUMBER}", name):
        return _white_lines(_depth(picture), found[0])
    if found := _find(rf"xdog_res\d+_thr{NUMBER}", name):
        resized = golden[f"aux/{source}/{name[: name.rindex('_')]}_resized_in"][None].double() / 255
        height, width = golden[f"aux/{source}/{name}"].shape
        return _white_lines(_depth(resized)[:height, :width], found[0])
    if found := _find(rf"standard_native_s{NUMBER}_t{NUMBER}", name):
        return _cut(1 - xdog.standard(picture, *found)[0])
    if name == "scribble_native":
        return _levels(threshold.darkest(picture))[..., None].expand(-1, -1, 3)
    if found := _find(rf"binary_native_{NUMBER}", name):
        return _levels(threshold.binary(picture, found[0]))
    if name == "binary_native_otsu":
        return _levels(threshold.binary(picture))
    return None


def _depth(picture):
    return xdog.depth_below(picture, 0.5, 10.0)[0] * 255


def _white_lines(depth, limit):
    """controlnet_aux's polarity and overflow; undecided where 1/1000 of a level changes the answer."""
    lines, lower, upper = (xdog.by_depth(depth + shift, limit, overflow=True) for shift in (0, -1e-3, 1e-3))
    return Masked((1 - lines) * 255, lower != upper)


def _wrap_probe(name, depths):
    """The centre of a three-row bar of each depth on white."""
    bars = torch.full((len(depths), 63, 63, 3), 255.0, dtype=torch.float64)
    bars[:, 30:33] -= depths[:, None, None, None].double()
    depth = xdog.depth_below(bars / 255, 0.5, 10.0)[:, 31, 31] * 255
    return {"m_at_center": depth, "line_at_center": _white_lines(depth, 32)}.get(name)
