"""Arguments of tiny ColorizeDiffusion XL networks, that by default read tokens as wide as the other tiny ones do."""

from lineart_colorize.models.colorizediffusion_xl import native

XL = ("sdxl", "xlv2")
SHAPE = {
    "num_res_blocks": [1, 1, 1],
    "channel_mult": [1, 2, 4],
    "transformer_depth": [0, 1, 2],
    "transformer_depth_middle": 2,
    "transformer_depth_output": [0, 0, 1, 1, 2, 2],
}


def arguments(version, channels=32, clip=12, tagger=11, context=40):
    """clip, tagger: widths of the two networks' tokens; context: of those that the UNet reads."""
    shape = {**SHAPE, "model_channels": channels, "num_head_channels": channels}
    unet = {**shape, "in_channels": 4, "adm_in_channels": 512, "context_dim": context}
    config = {**unet, "clip": clip, "tagger": tagger, "lora": {}, "background": None}
    if version == "sdxl":
        return config
    names = [key.removesuffix(".weight") for key in native.layout(**config) if ".attn2.to_" in key and "out" not in key]
    lora = {name: {"background": 2} for name in names if name.endswith(("to_q", "to_k", "to_v"))}
    return {**config, "lora": lora, "background": {**shape, "in_channels": 6, "adm_in_channels": 1024}}
