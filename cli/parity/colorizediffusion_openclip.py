"""Golden data of the reference encoder of ColorizeDiffusion: an open_clip file through ComfyUI's CLIP networks."""

import json

import torch
import torch.nn.functional as F

from ...models.host.joining import join_host

TOLERANCES = [("*", 1e-4)]
WORDS = 49408  # ComfyUI's text tower has no other number


@torch.inference_mode()
def outputs(golden, meta):
    join_host()
    from ...models.host import clip

    config = json.loads(meta["config"])
    weights = {name.removeprefix("weights/"): t for name, t in golden.items() if name.startswith("weights/")}
    tower = vision(dict(weights), config["head_width"])
    image = (golden["in/image"].movedim(1, -1) + 1) / 2
    pixels = clip.pixels(tower, image)
    yield "out/preprocessed", pixels

    hidden = tower.model(pixel_values=pixels)[0]
    yield "out/openclip_tokens_unprojected", tower.model.vision_model.post_layernorm(hidden)[:, 1:]
    tokens = clip.image_tokens(tower, image)
    yield "out/tokens_full", tokens
    yield "out/tokens_cls", tokens[:, :1]
    yield "out/openclip_pooled", tokens[:, 0]
    yield "out/tokens_local", tokens[:, 1:]

    yield "out/text_feature", clip.text_features(text(dict(weights), config["theads"]), golden["in/text_ids"])[:, None]


def vision(weights, head_width):
    """The visual tower as CLIPVisionLoader makes it, in fp32."""
    from comfy import clip_vision

    width, _, patch, _ = weights["visual.conv1.weight"].shape
    config = {
        "num_hidden_layers": depth(weights, "visual."),
        "hidden_size": width,
        "num_attention_heads": width // head_width,
        "intermediate_size": len(weights["visual.transformer.resblocks.0.mlp.c_fc.bias"]),
        "hidden_act": "gelu",
        "num_channels": 3,
        "image_size": patch * round((len(weights["visual.positional_embedding"]) - 1) ** 0.5),
        "patch_size": patch,
        "projection_dim": weights["visual.proj"].shape[1],
        "model_type": "clip_vision_model",
    }
    tower = clip_vision.ClipVisionModel(config)
    tower.model.float()
    tower.load_sd(clip_vision.convert_to_transformers(weights, "visual."))
    return tower


def text(weights, heads):
    """The text tower as CLIPLoader makes it, in fp32."""
    import comfy.ops
    from comfy import clip_model, utils

    length, width = weights["positional_embedding"].shape
    words = weights["token_embedding.weight"]
    weights["token_embedding.weight"] = F.pad(words, (0, 0, 0, WORDS - len(words)))
    config = {
        "num_hidden_layers": depth(weights),
        "hidden_size": width,
        "num_attention_heads": heads,
        "intermediate_size": len(weights["transformer.resblocks.0.mlp.c_fc.bias"]),
        "hidden_act": "gelu",
        "max_position_embeddings": length,
        "eos_token_id": WORDS - 1,
    }
    tower = clip_model.CLIPTextModel(config, torch.float32, "cpu", comfy.ops.manual_cast)
    tower.load_state_dict(utils.clip_text_transformers_convert(weights, "", ""), strict=False)
    return tower


def depth(weights, prefix=""):
    return sum(key.startswith(f"{prefix}transformer.resblocks.") and key.endswith("ln_1.weight") for key in weights)
