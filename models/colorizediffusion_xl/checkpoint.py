"""What a ColorizeDiffusion XL file holds: which of the versions, and how wide."""

from itertools import count

from ..colorizediffusion.checkpoint import lora

HEAD = 64  # channels per head of the UNets; no shape tells it
PROJECTION = "proj.proj.0.weight", "proj.norm.weight"
OTHERS = {  # a key of it -> parts that the authors' code knows and no published file has
    "proj.transformer.": "recovery projection",
    "proj.mlp.": "logit projection",
    "control_encoder.zero_blocks.": "sketch encoder without attention",
}


def config(state_dict):
    """Arguments of the UNet whose file this is, or None if it is of another network."""
    if "label_emb.0.0.weight" not in state_dict or "control_encoder.model.0.weight" not in state_dict:
        return None
    for prefix, part in OTHERS.items():
        if any(key.startswith(prefix) for key in state_dict):
            raise ValueError(
                f"It is a ColorizeDiffusion XL with a {part}, which was never published: take an sdxl or an xlv2 file."
            )
    if missing := [key for key in PROJECTION if key not in state_dict]:
        raise ValueError(f"It is a ColorizeDiffusion XL, but not a whole one: it lacks {' and '.join(missing)}.")
    projection, clip = (state_dict[key] for key in PROJECTION)
    background = {
        key.removeprefix("bg_encoder."): tensor for key, tensor in state_dict.items() if key.startswith("bg_encoder.")
    }
    layers = lora(state_dict)
    if bool(background) != bool(layers):
        raise ValueError(
            "It is a mixture of the two kinds of ColorizeDiffusion XL: xlv2 has a background encoder and LoRA layers, "
            f"sdxl neither, but it has only {'the encoder' if background else 'the layers'}. Take a file as published."
        )
    return {
        **unet(state_dict),
        "context_dim": projection.shape[0],
        "clip": len(clip),
        "tagger": projection.shape[1] - len(clip),
        "lora": layers,
        "background": unet(background) if background else None,
    }


def unet(state_dict):
    """Arguments of a UNet of the host's, as wide and deep at each level as its input blocks are."""

    def depth(place):
        return len({key.split(".")[4 if place[0] == "i" else 3] for key in state_dict if key.startswith(place)})

    channels = len(state_dict["input_blocks.0.0.weight"])
    levels = [[]]
    for number in count(1):
        block = f"input_blocks.{number}."
        if f"{block}0.op.weight" in state_dict:
            levels.append([])
        elif f"{block}0.out_layers.3.weight" in state_dict:
            width = len(state_dict[f"{block}0.out_layers.3.weight"])
            levels[-1].append((width // channels, depth(f"{block}1.transformer_blocks.")))
        else:
            break
    return {
        "in_channels": state_dict["input_blocks.0.0.weight"].shape[1],
        "model_channels": channels,
        "num_head_channels": min(HEAD, channels),
        "adm_in_channels": state_dict["label_emb.0.0.weight"].shape[1],
        "num_res_blocks": [len(level) for level in levels],
        "channel_mult": [multiple for (multiple, _), *_ in levels],
        "transformer_depth": [deep for level in levels for _, deep in level],
        "transformer_depth_middle": depth("middle_block.1.transformer_blocks."),
        "transformer_depth_output": [level[-1][1] for level in levels for _ in range(len(level) + 1)],
    }
