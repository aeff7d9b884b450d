"""ColorizeDiffusion XL as a ComfyUI MODEL."""

from itertools import accumulate
from typing import ClassVar

import comfy.conds
import comfy.latent_formats
import torch
from comfy.ldm.modules import attention
from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel

from .. import keys
from ..colorizediffusion.checkpoint import pack
from ..colorizediffusion.native import same_shape
from ..host.colorizer import host_attention
from ..host.conds import CONDOnce
from ..host.reference_model import RATIO, ReferenceConfig, ReferenceModel, file_layout, place_mask
from ..host.reference_unet import CALL, ReferenceUNet, SelfAttention
from ..image import repeat_batch, rgb
from ..reading import Split, latent_mask
from ..reference import ground_of, stretch
from .projection import ReferenceProjection
from .sketch import SketchEncoder
from .tokens import part
from .vectors import crop_vector, size_vector

SHAPE = {  # the UNets of the family in the host's terms
    "image_size": 128,
    "out_channels": 4,
    "num_classes": "sequential",
    "use_spatial_transformer": True,
    "use_linear_in_transformer": True,
    "legacy": False,
}
FIGURES = 0.05  # of the mask, above which self-attention reads the drawing and not the background
LORA = "background"


class UNet(ReferenceUNet):
    """The UNet with its sketch encoder and the projection of its tokens.

    clip, tagger  channels of the two networks' tokens
    background    xlv2: arguments of its `BackgroundEncoder`
    """

    def __init__(self, clip, tagger, background=None, dtype=None, device=None, operations=None, **config):
        place = {"dtype": dtype, "device": device, "operations": operations}
        super().__init__(**SHAPE, **config, **place)
        *halvings, end = accumulate(blocks + 1 for blocks in config["num_res_blocks"])
        self.hint_blocks = 0, *halvings, end - 1
        self.reads_background = background is not None
        self.token_width = clip + tagger + 1
        widths = [times * self.model_channels for times in (1, *config["channel_mult"])]
        self.control_encoder = SketchEncoder(widths, **place, attention=host_attention)
        self.proj = ReferenceProjection(clip, tagger, config["context_dim"], **place, attention=host_attention)

    def self_attention(self, *layer):
        return BackgroundAttention(*layer)

    def project(self, tokens, whole):
        """Tokens (B, m n, C) of m references and of them as wholes (B, m, C), as `join` has them -> (B, m k, D)."""
        rows = torch.cat([whole[:, :, None], tokens.unflatten(1, (whole.shape[1], -1))], 2)
        clip, tagger, weights = part(rows.flatten(0, 1), len(self.proj.norm.weight))
        return (weights * self.proj(clip, tagger)).unflatten(0, rows.shape[:2]).flatten(1, 2)

    def strength_levels(self):
        """Numbers of the transformer blocks by the level at which the reference's strength is set."""
        blocks = [name for name, module in self.named_modules() if isinstance(module, attention.BasicTransformerBlock)]
        found = {"encoder": [], "semantics": []}
        for number, (side, index) in enumerate(name.split(".")[:2] for name in blocks):
            encoder = side == "input_blocks"
            lowest = int(index) > self.hint_blocks[-2] if encoder else int(index) <= self.num_res_blocks[-1]
            if side != "middle_block" and (encoder or lowest):
                found["semantics" if lowest else "encoder"].append(number)
        return found

    def run(self, x, timesteps, control, transformer_options, call, conds, **options):
        if conds.get("ground") is not None and call.bank is None:
            first = self.transformer_blocks - len(conds["ground"].value)
            call.ground = dict(enumerate(conds["ground"].value, first))
        return super().run(x, timesteps, control, transformer_options, call, conds, **options)


class BackgroundAttention(SelfAttention):
    """Self-attention in which the drawing's ground reads the background encoder's features in place of itself."""

    def forward(self, x, context=None, value=None, mask=None, transformer_options={}):  # noqa: B006
        call = transformer_options.get(CALL)
        if call is None or self.number not in call.ground:
            return super().forward(x, context, value, mask, transformer_options)
        context = x if context is None else context
        value = context if value is None else value
        q, ground = self.to_q(x), call.ground[self.number].to(x)
        figures = self.attend(q, self.to_k(context), self.to_v(value), transformer_options)
        k, v = (repeat_batch(project(ground), len(x)) for project in (self.to_k, self.to_v))
        ground = self.attend(q, k, v, transformer_options)
        mask = call.mask_at(*transformer_options["activations_shape"][2:]).flatten(2).mT
        return self.to_out(torch.where(mask > FIGURES, figures, ground))


class BackgroundEncoder(UNetModel):
    """xlv2: reads a background for the UNet's self-attention. A UNet without cross-attention and without an end."""

    def __init__(self, dtype=None, device=None, operations=None, **config):
        super().__init__(**SHAPE, context_dim=1, **config, dtype=dtype, device=device, operations=operations)
        for block in self.modules():
            if isinstance(block, attention.BasicTransformerBlock):
                block.attn2, block.norm2 = Nothing(), torch.nn.Identity()
        del self.output_blocks[-self.num_res_blocks[0] :]
        self.out = torch.nn.Identity()

    def forward(self, x, y):
        """x (B, 6, h, w) and `crop_vector` (B, C) -> for each block of the UNet's decoder, tokens (B, n, C).

        x  latent (4 channels), figures of the drawing, figures of the reference (0..1)
        """
        found = []

        def keep(x, context, value, options):
            if options["block"][0] == "output":
                found.append(x)
            return x, context, value

        super().forward(x, x.new_zeros(len(x)), y=y, transformer_options={"patches": {"attn1_patch": [keep]}})
        return found


class Nothing(torch.nn.Module):
    """In place of a cross-attention that the published network does without."""

    def forward(self, x, **_):
        return torch.zeros_like(x)


class ColorizeDiffusionXL(ReferenceModel):
    """sdxl and xlv2."""

    unet = UNet
    hint_ratios = (1, 2, 4, 4)
    vision = "both CLIP ViT-bigG (clip_vision) and wd-v1-4-swinv2-tagger-v2 (tagger)"
    mask_mode = "nearest"

    @property
    def strength_levels(self):
        return self.diffusion_model.strength_levels()

    def token_width(self):
        return self.diffusion_model.token_width

    def encode_adm(self, **kwargs):
        height, width = (RATIO * side for side in kwargs["noise"].shape[-2:])
        return size_vector(height, width).to(**self.place)

    def read_sketch(self, planes, options):
        return self.diffusion_model.control_encoder(planes.to(**self.place), options.true_rotation)

    def halves(self, tokens, entry, options):
        """The ground reads tokens of its own, by a hard mask or, in xlv2, a soft one. Figures have none of theirs."""
        figures = self.project(tokens, entry.get(keys.WHOLE))
        if options.split not in ("background", "both") or entry.get(keys.FOREGROUND) is None:
            return figures, None
        ground = self.project(self.background_tokens(entry, options).to(tokens), entry.get(keys.BACKGROUND_WHOLE))
        threshold = None if self.diffusion_model.reads_background else options.sketch_threshold
        strengths = options.foreground_strength, options.background_strength
        return torch.cat(same_shape(figures, ground), dim=1), split(threshold, options.merge, *strengths)

    def project(self, tokens, whole):
        whole = tokens.new_zeros(1, 1, tokens.shape[-1]) if whole is None else whole.to(tokens)
        return self.diffusion_model.project(tokens, repeat_batch(whole, len(tokens)))

    def features(self, entry, options, split, size):
        """xlv2: what its encoder reads of the background picture, or of the reference without its figures."""
        if split is None or not self.encoders:
            return {}
        parts = keys.FOREGROUND, keys.REFERENCE, keys.REFERENCE_FOREGROUND, keys.BACKGROUND
        foreground, reference, figures, own = (entry.get(key) for key in parts)
        drawn, threshold = entry[keys.LINE].shape[1:3], options.reference_threshold

        def make():
            picture = rgb(own) if own is not None else ground_of(reference, figures, threshold)
            latent = self.encode(entry, stretch(picture.movedim(-1, 1), *size))
            known = latent.new_zeros(1, 1, *size) if figures is None else stretch(figures[:, None], *size)
            masks = [latent_mask(m, mode=self.mask_mode) for m in (place_mask(foreground, drawn, *size), known)]
            planes = [latent, *(mask.to(latent) for mask in masks)]
            batch = max(map(len, planes))
            x = torch.cat([repeat_batch(plane, batch) for plane in planes], 1)
            return self.run_beside(
                self.encoders["bg_encoder"], x, crop_vector(size, picture.shape[1:3]).expand(batch, -1)
            )

        about = size, drawn, threshold, foreground, reference, figures, own
        return {"ground": CONDOnce(self.once(make, "ground", *about))}


def split(threshold, merge=0.0, foreground=1.0, background=1.0):
    """The `Split` of sdxl, or of xlv2, whose mask has no threshold but blends, and whose halves share a LoRA."""
    if threshold is None:
        return Split(None, merge, foreground, background, (LORA, LORA))
    return Split(threshold, merge, foreground, background, ties="figures" if merge else "ground")


class Config(ReferenceConfig):
    """Velocity prediction. Nothing in a file tells it; a file named "eps" predicts noise."""

    model = ColorizeDiffusionXL
    latent_format = comfy.latent_formats.SDXL
    memory_usage_factor = 0.8  # the host's for Stable Diffusion XL
    prediction = "v"
    multiple = 32
    colorize_defaults: ClassVar = {
        "size": 1024,
        "steps": 20,
        "cfg": 4.0,
        "sampler": "dpmpp_2m",
        "scheduler": "karras",
    }

    def encoders(self, **place):
        return encoders(self.unet_config, **place)

    def process_unet_state_dict_for_saving(self, state_dict):
        return pack(state_dict)


def encoders(config, **place):
    """The networks of a file beside its UNet, by the beginning of their tensors' names."""
    background = config["background"]
    return {} if background is None else {"bg_encoder": BackgroundEncoder(**background, **place)}


def layout(**config):
    return file_layout(UNet, encoders, config)
