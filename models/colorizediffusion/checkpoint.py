"""What a ColorizeDiffusion file holds: which of the versions, how wide, and its tensors by our names."""

import re

HEAD = 64  # width of an attention head; it leaves no trace in the shapes
UNET = "model.diffusion_model."
BESIDE = ("control_encoder.", "transformer.", "thresh_embedder.", "proj.")  # inside our UNet
ENCODERS = ("bg_encoder.", "style_encoder.")  # networks of their own
UNREAD = (f"{UNET}conv_fg.",)  # of the XL version 2
LORA = re.compile(r"^(.*\.to_[qkv])_lora_down_(\w+)\.weight$")


def unpack(state_dict):
    """A published file's tensors by our names: no VAE, no CLIP towers, no averages, no schedule, nothing unread.

    The UNet's lose their prefix, and its LoRA layers stand beside the layers they change. `config` reads them.
    """
    found = {}
    for key, tensor in state_dict.items():
        if key.startswith(UNREAD):
            continue
        if key.startswith(UNET):
            found[key.removeprefix(UNET).replace(".lora_", "_lora_")] = tensor
        elif key.startswith((*BESIDE, *ENCODERS)):
            found[key] = tensor
    return found


def pack(state_dict):
    """The reverse of `unpack`."""
    beside = (*BESIDE, *ENCODERS)
    return {
        key if key.startswith(beside) else UNET + key.replace("_lora_", ".lora_"): tensor
        for key, tensor in state_dict.items()
    }


def config(state_dict):
    """Arguments of the UNet whose file this is, or None if it is of another network."""
    stem, width = "control_encoder.model.0.weight", "input_blocks.0.0.weight"
    tokens = "input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"
    if any(key not in state_dict for key in (stem, width, tokens)):
        return None
    channels = state_dict[width].shape[0]
    arguments = {
        "version": version(state_dict),
        "model_channels": channels,
        "num_head_channels": min(HEAD, channels),
        "context_dim": state_dict[tokens].shape[1],
        "lora": lora(state_dict),
    }
    if "transformer.embedding" in state_dict:
        layers = {key.split(".")[2] for key in state_dict if key.startswith("transformer.layers.")}
        arguments["cluster"] = {"tokens": state_dict["transformer.embedding"].shape[0], "depth": len(layers)}
    return arguments


def version(state_dict):
    if any(key.startswith((*ENCODERS, "warp_modules.", "style_modules.")) for key in state_dict):
        return "v2"
    return "v1.5" if any(key.startswith(("thresh_embedder.", "transformer.")) for key in state_dict) else "v1"


def lora(state_dict):
    """Name of a layer -> {name of a LoRA: rank}."""
    ranks = {}
    for key, tensor in state_dict.items():
        if found := LORA.match(key):
            ranks.setdefault(found[1], {})[found[2]] = tensor.shape[0]
    return ranks
