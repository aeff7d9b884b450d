"""Golden data of ColorizeDiffusion XL's smaller networks: sketch encoder, CLIP, tagger, projection, vectors."""

import re

import torch

from ...models.colorizediffusion_xl import tagger, vectors
from ...models.colorizediffusion_xl.projection import ReferenceProjection
from ...models.colorizediffusion_xl.sketch import SketchEncoder

CLIP = {"num_channels": 3, "model_type": "clip_vision_model"}


def load(network, state_dict):
    network.load_state_dict(state_dict)
    return network.eval()


def weights(golden, prefix=""):
    """Weights by their names behind the prefix; a golden file stores them in half precision."""
    prefix = f"weights/{prefix}"
    return {key.removeprefix(prefix): value.float() for key, value in golden.items() if key.startswith(prefix)}


def sketch_encoder(golden, settings):
    widths = [settings["model_channels"] * times for times in (1, *settings["ch_mults"])]
    return load(SketchEncoder(widths, settings["dim_head"]), weights(golden, "control_encoder."))


def sketches(golden, settings):
    encoder, sketch = sketch_encoder(golden, settings), golden["in/sketch"]
    blank = torch.full_like(sketch, -1)
    for name, *arguments in (("app", sketch, False), ("rotary", sketch, True), ("blank_app", blank, False)):
        yield from ((f"out/sketch_{name}.{i}", hint) for i, hint in enumerate(encoder(*arguments)))


def tokens(golden, settings):
    from ...models.host import clip

    image = (golden["in/reference"].movedim(1, -1) + 1) / 2
    tower = vision(golden, settings["clip"])
    yield "out/clip_pixels", clip.pixels(tower, image)
    clip_tokens = clip.image_tokens(tower, image)
    yield "out/clip_tokens", clip_tokens

    named = weights(golden, "img_embedder.model.")
    sizes = {"side": settings["wd"]["img_size"], "window": settings["wd"]["window_size"]}
    network = load(tagger.Tagger(**tagger.config(named), **sizes), named)
    pixels = tagger.pixels(image, network.side)
    yield "out/wd_pixels", pixels
    tags = network(pixels)
    yield "out/wd_tokens", tags
    yield "out/wd_logits", network.head.fc(tags)

    sizes = {ours: settings["proj"][theirs] for ours, theirs in PROJECTION.items()}
    yield "out/context", load(ReferenceProjection(**sizes), weights(golden, "proj."))(clip_tokens, tags)

    channels = settings["scalar"]["embed_dim"]
    yield "out/y", vectors.size_vector(*golden["in/smask"].shape[2:], channels=channels)
    for name in golden:
        if found := re.fullmatch(r"out/y_full\.(\d+)x(\d+)", name):
            yield name, vectors.size_vector(int(found[1]), int(found[2]))


PROJECTION = {"clip": "input_dim", "tagger": "c_dim", "width": "output_dim", "head": "dim_head"}


def vision(golden, sizes):
    """The visual tower as CLIPVisionLoader makes it, in fp32."""
    from comfy import clip_vision

    tower = clip_vision.ClipVisionModel({**CLIP, **sizes})
    tower.model.float()
    tower.load_sd(weights(golden, "cond_stage_model.model."))
    return tower
