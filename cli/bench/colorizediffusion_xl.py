"""ColorizeDiffusion XL, class sdxl, in time at reduced width."""

import torch

from ...models import keys
from ...models.host.joining import join_host
from . import card
from .colorizing import CONTEXT, SIDE, Case, compare, conditioning, random_model

CHANNELS = 64
SHAPE = {  # as published
    "num_res_blocks": [2, 2, 2],
    "channel_mult": [1, 2, 4],
    "transformer_depth": [0, 0, 2, 2, 10, 10],
    "transformer_depth_middle": 10,
    "transformer_depth_output": [0, 0, 0, 2, 2, 2, 10, 10, 10],
    "num_head_channels": 64,
    "in_channels": 4,
    "adm_in_channels": 512,
    "background": None,
}


ENCODER = {
    **{key: SHAPE[key] for key in SHAPE if key not in ("in_channels", "adm_in_channels", "background")},
    "in_channels": 6,
    "adm_in_channels": 1024,
}


def run():
    join_host()
    from ...models.colorizediffusion.checkpoint import pack
    from ...models.colorizediffusion_xl import native

    wide = {"model_channels": CHANNELS, "context_dim": CONTEXT, "clip": CONTEXT, "tagger": CONTEXT}
    model = random_model(native.layout(**SHAPE, **wide), pack)
    network = model.model.diffusion_model
    positive = conditioning(network.token_width, **{keys.WHOLE: torch.randn(1, 1, network.token_width)})
    [[tokens, entry]] = positive

    def conditions():
        return {"context": network.project(tokens, entry[keys.WHOLE]), "y": native.size_vector(SIDE, SIDE)}

    yield from compare(Case("XL", model, positive, conditions))
    yield from on_card()


def on_card():
    from ...models.colorizediffusion_xl import native
    from ...models.colorizediffusion_xl.tagger import Tagger

    wide = {**SHAPE, "model_channels": 320, "context_dim": 2048, "clip": 1280, "tagger": 1024}
    background = {**ENCODER, "model_channels": 320}
    for version, config in (("sdxl", wide), ("xlv2", {**wide, "background": background})):
        vision, tagger = card.tower("Vision", "clip_vision_config_g.json"), Tagger(device=card.SHELF)
        yield card.row(version, native.Config(config), 1024, vision, tagger)
