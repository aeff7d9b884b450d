"""ColorizeDiffusion as a ComfyUI MODEL."""

import math

import torch
from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel, forward_timestep_embed, timestep_embedding

from .. import keys
from ..host.colorizer import host_attention
from ..host.conds import CONDMade
from ..host.reference_model import ReferenceConfig, ReferenceModel, file_layout
from ..host.reference_unet import ReferenceUNet
from ..image import repeat_batch, rgb
from ..layers import Layers
from ..reading import Split
from ..reference import ground_of, stretch
from .checkpoint import pack
from .network import (
    HINT_BLOCKS,
    HINT_RATIOS,
    MULTIPLES,
    ClusterTransformer,
    Modulation,
    SketchEncoder,
    ThresholdEmbedder,
    Warp,
    output_widths,
    size_embedding,
    skip_widths,
)

LEVELS = {  # the UNet of the family in the host's terms
    "image_size": 64,
    "in_channels": 4,
    "out_channels": 4,
    "num_res_blocks": [2, 2, 2, 2],
    "channel_mult": MULTIPLES,
    "transformer_depth": [1, 1, 1, 1, 1, 1, 0, 0],
    "transformer_depth_middle": 1,
    "transformer_depth_output": [1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0],
    "use_spatial_transformer": True,
    "use_linear_in_transformer": False,
    "legacy": False,
    "num_heads": -1,
}
SIZE_EMBEDDING = 512
OUTPUT_BLOCKS = len(LEVELS["transformer_depth_output"])
STRENGTH_LEVELS = {"encoder": (0, 1), "color": (2, 3, 10, 11, 12), "semantics": (4, 5, 7, 8, 9)}


class UNet(ReferenceUNet):
    """The UNet with its sketch encoder, and with what v1.5 and v2 add to it.

    version  "v1", "v1.5" or "v2"
    cluster  v1.5: {"tokens", "depth"} of its cluster transformer
    """

    hint_blocks = HINT_BLOCKS

    def __init__(self, version="v1", cluster=None, dtype=None, device=None, operations=None, **config):
        place = {"dtype": dtype, "device": device, "operations": operations}
        super().__init__(**{**LEVELS, **config}, **place)
        self.version = version
        channels, context = self.model_channels, config["context_dim"]
        self.control_encoder = SketchEncoder(channels, **place)
        if version == "v1.5":
            self.transformer = ClusterTransformer(context, **cluster, **place, attention=host_attention)
            self.thresh_embedder = ThresholdEmbedder(context, **place)
        if version == "v2":
            layers = Layers(operations, dtype, device)
            widths, time = skip_widths(channels), 4 * channels
            self.warp_modules = torch.nn.ModuleList(Warp(layers, width, host_attention) for width in widths)
            self.style_modules = torch.nn.ModuleList(
                Modulation(layers, width, time) for width in output_widths(channels)
            )
            for index, block in enumerate(self.output_blocks):
                block.append(Styled(index))

    def halves(self, tokens, ground, options, own_background=False):
        """What is read where there is a mask, as the version was published: (tokens (B, 2n or 4n, C), `Split`).

        tokens          of the reference (B, n, C)
        ground          of the background, or of the reference without its figures (B, n, C); None if there is none
        own_background  the background is a picture of its own

        (tokens, None) where the version has nothing to split.
        """
        mode, v15 = options.split, self.version == "v1.5"
        if (
            mode == "off"
            or (mode == "foreground" and self.version == "v1")
            or (mode != "foreground" and ground is None)
        ):
            return tokens, None
        if mode == "foreground":
            figures, ground, lora = tokens, tokens, ("fg" if v15 else None, None)
        else:
            figures, lora = tokens, {"v1": (None, None), "v1.5": (None, "bg"), "v2": ("fg", "bg")}[self.version]
            if v15:
                figures = figures + self.thresh_embedder(options.sketch_threshold, tokens)
                ground = ground + self.thresh_embedder(options.reference_threshold, tokens)
                ground = ground if own_background else self.transformer(ground)
        both = same_shape(figures, ground)
        if v15 and mode == "both":
            both, lora = 2 * both, ("fg", "bg")
        strengths = options.foreground_strength, options.background_strength
        return torch.cat(both, dim=1), Split(options.sketch_threshold, options.merge, *strengths, lora)

    def patches(self, call, hints, conds):
        """v2 adds: the ground of skips reads background_0..11, the output of blocks is changed by style_0..11."""
        patches = super().patches(call, hints, conds)

        def warp(h, skip, options):
            index = options["block"][1]
            warped = self.warp_modules[index](skip, conds[f"background_{index}"])
            mask = call.mask_at(*skip.shape[2:])
            return h, torch.where(mask > call.reading.split.threshold, skip, warped)

        def style(layer, x, emb, *_):
            return self.style_modules[layer.index](x, emb, conds[f"style_{layer.index}"])

        if "background_0" in conds:
            patches["output_block_patch"] = warp
        if "style_0" in conds:
            patches["forward_timestep_embed_patch"] = (Styled, style)
        return patches


class Styled(torch.nn.Identity):
    """Marks the end of an output block: the host offers no other place behind the last."""

    def __init__(self, index):
        super().__init__()
        self.index = index


class Encoder(UNetModel):
    """v2: the first half of a UNet, over a picture's latent at time 0.

    Returns one result for each output block of the UNet: tokens of the background (B, h * w, C), or if `style`,
    style vectors (B, 2C).
    """

    def __init__(self, style, dtype=None, device=None, operations=None, **config):
        extra = {"num_classes": "sequential", "adm_in_channels": SIZE_EMBEDDING, "transformer_depth_middle": -2}
        super().__init__(**{**LEVELS, **config, **extra}, dtype=dtype, device=device, operations=operations)
        del self.output_blocks, self.out
        self.style = style
        layers = Layers(operations, dtype, device)
        skips = skip_widths(self.model_channels)[::-1]
        outputs = output_widths(self.model_channels)[::-1]
        self.zero_layers = torch.nn.ModuleList(
            layers.Linear(width, 2 * output) if style else layers.Conv2d(width, width, 1)
            for width, output in zip(skips, outputs, strict=True)
        )

    def forward(self, latent, context, size):
        """latent (B, 4, h, w), scaled; tokens (B, n, C); `size_embedding` (B, 512)."""
        timesteps = latent.new_zeros(len(latent))
        emb = self.time_embed(timestep_embedding(timesteps, self.model_channels).to(latent)) + self.label_emb(size)
        x, found = latent, []
        for block, zero in zip(self.input_blocks, self.zero_layers, strict=True):
            x = forward_timestep_embed(block, x, emb, context)
            found.append(zero(x.mean((2, 3))) if self.style else zero(x).flatten(2).mT)
        return found[::-1]


class ColorizeDiffusion(ReferenceModel):
    """v1, v1.5 and v2."""

    unet = UNet
    hint_ratios = HINT_RATIOS
    strength_levels = STRENGTH_LEVELS

    def halves(self, tokens, entry, options):
        if entry.get(keys.FOREGROUND) is None:
            return tokens, None
        ground = self.background_tokens(entry, options)
        ground = ground if ground is None else ground.to(tokens)
        return self.diffusion_model.halves(tokens, ground, options, entry.get(keys.BACKGROUND) is not None)

    def features(self, entry, options, split, size):
        """What v2's encoders read: the ground of a picture for background_0..11, all of it for style_0..11."""
        if self.diffusion_model.version != "v2":
            return {}
        tokens, conds = entry.get(keys.TOKENS, entry["cross_attn"]), {}
        if split is not None and options.split != "foreground":
            ground = self.read_ground(entry, options, tokens, size)
            conds |= listed("background", lambda j: options.background_factor * ground.value[j])
        if options.style:
            style = self.read_style(entry, options, tokens, size)
            conds |= listed("style", lambda j: style.value[j])
        return conds

    def read_ground(self, entry, options, tokens, size):
        own = entry.get(keys.BACKGROUND)
        if own is not None:  # with a style, published is the context of the reference
            context = tokens if options.style else entry[keys.BACKGROUND_TOKENS]
            return self.read_picture("bg_encoder", entry, rgb, (own,), context, size)
        about = entry[keys.REFERENCE], entry[keys.REFERENCE_FOREGROUND], options.reference_threshold
        return self.read_picture("bg_encoder", entry, ground_of, about, tokens, size)

    def read_style(self, entry, options, tokens, size):
        if entry.get(keys.REFERENCE) is None:
            raise ValueError("Style needs a reference: connect a picture to ReferenceTokens.")
        style = self.read_picture("style_encoder", entry, rgb, (entry[keys.REFERENCE],), tokens, size)
        own, merge = entry.get(keys.BACKGROUND), options.merge
        if own is None:
            return style
        other = self.read_picture("style_encoder", entry, rgb, (own,), entry[keys.BACKGROUND_TOKENS], size)
        return self.once(lambda: mixed(style.value, other.value, merge), "mixed style", merge, style, other)

    def read_picture(self, name, entry, show, about, tokens, size):
        """What an encoder gives for the picture `show(*about)` (B, H, W, C), stretched to the size of the drawing."""

        def make():
            picture = show(*about)
            latent = self.encode(entry, stretch(picture.movedim(-1, 1), *size))
            batch = max(len(latent), len(tokens))
            ratio = size_embedding(picture.shape[1:3], size).expand(batch, -1)
            inputs = repeat_batch(latent, batch), repeat_batch(tokens, batch), ratio
            return self.run_beside(self.encoders[name], *inputs)

        return self.once(make, name, size, tokens, *about)


class Config(ReferenceConfig):
    """Noise prediction, but v in v2, which is made for larger pictures. Nothing in a file tells it."""

    model = ColorizeDiffusion

    def __init__(self, unet_config):
        super().__init__(unet_config)
        if unet_config["version"] == "v2":
            self.prediction = "v"
            self.colorize_defaults = {**self.colorize_defaults, "size": 768}

    def encoders(self, **place):
        return encoders(self.unet_config, **place)

    def process_unet_state_dict_for_saving(self, state_dict):
        return pack(state_dict)


def mixed(some, others, share):
    return [torch.lerp(*pair, share) for pair in zip(some, others, strict=True)]


def listed(name, made):
    return {f"{name}_{j}": CONDMade(lambda j=j: made(j)) for j in range(OUTPUT_BLOCKS)}


def same_shape(tokens, ground):
    """Both repeated, which attention does not notice, until they have the same number of tokens and pictures."""
    batch, count = max(len(tokens), len(ground)), math.lcm(tokens.shape[1], ground.shape[1])
    return [repeat_batch(part, batch).repeat(1, count // part.shape[1], 1) for part in (tokens, ground)]


def encoders(config, **place):
    """The networks of a file beside its UNet, by the beginning of their tensors' names."""
    if config["version"] != "v2":
        return {}
    shape = {key: config[key] for key in ("model_channels", "num_head_channels", "context_dim")}
    return {name: Encoder(name == "style_encoder", **shape, **place) for name in ("bg_encoder", "style_encoder")}


def layout(**config):
    return file_layout(UNet, encoders, config)
