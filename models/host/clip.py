"""What ComfyUI's CLIP networks make of a picture and of a text.

Both stock loaders read an open_clip file too (CLIPVisionLoader its visual tower, CLIPLoader the other), so nothing
here needs open_clip itself.
"""

import comfy.model_management as mm
import torch
import torch.nn.functional as F

from ..colorizediffusion_xl.tagger import pixels as tagger_pixels
from ..colorizediffusion_xl.tokens import join
from ..reference import squash
from . import networks
from .device import intermediate_device, progress_bar

VISION = {  # width of the tokens -> the network that gives them, and who needs it
    1024: "CLIP ViT-H/14 (CLIP-ViT-H-14-laion2B-s32B-b79K) for ColorizeDiffusion v1, v1.5 and v2",
    1280: "CLIP ViT-bigG/14 (CLIP-ViT-bigG-14-laion2B-39B-b160k) for ColorizeDiffusion XL",
}
TAGGED = {1280}  # widths of tokens that mean nothing without the tagger's
OTHERS = {768: "a ViT-L"}  # what people load instead
TEXT = (
    "the text side of CLIP ViT-H/14: load CLIP-ViT-H-14-laion2B-s32B-b79K from models/text_encoders with CLIPLoader, "
    "or take the CLIP of a Stable Diffusion 2 checkpoint"
)


def expect_vision(clip_vision):
    """ValueError in a sentence unless a CLIP_VISION is one of VISION."""
    width = clip_vision.config.get("projection_dim")
    if width in VISION:
        return
    found = OTHERS.get(width, f"a {clip_vision.model_type} network") + (f" (width {width})" if width else "")
    raise ValueError(
        f"The reference needs {' or '.join(VISION.values())}, but the CLIP_VISION connected is {found}: "
        "load the right file from models/clip_vision with CLIPVisionLoader."
    )


def expect_tagger(clip_vision, tagger):
    """ValueError in a sentence unless the tagger is there with the CLIP_VISION that goes with it, and only then."""
    if clip_vision.config.get("projection_dim") in TAGGED:
        networks.expect(tagger, "tagger", "ColorizeDiffusion XL, which reads wd-v1-4-swinv2-tagger-v2 too,", "tagger")
    elif tagger is not None:
        raise ValueError(
            "The tagger goes with ColorizeDiffusion XL and its CLIP ViT-bigG, but another CLIP_VISION is connected: "
            "load CLIP-ViT-bigG-14-laion2B-39B-b160k from models/clip_vision, or take the tagger away."
        )


def reference_tokens(clip_vision, tagger, image):
    """`image_tokens`, for ColorizeDiffusion XL with those of its tagger beside them as `tokens.join` has it."""
    expect_vision(clip_vision)
    expect_tagger(clip_vision, tagger)
    tokens = image_tokens(clip_vision, image)
    if tagger is None:
        return tokens
    run, side = networks.loaded_whole(tagger), tagger.model.side
    tags = torch.cat([run(tagger_pixels(picture, side)) for picture in image.split(1)])
    return join(tokens, tags.to(tokens))


def image_tokens(clip_vision, image):
    """Tokens (B, 1 + n, C) of pictures (B, H, W, 3) by a CLIP_VISION, the whole picture's first.

    They are out of the last block, behind the final norm and the projection, and not normalised. The picture is
    squeezed into CLIP's square as ColorizeDiffusion does it, not cropped and rounded as `encode_image` would.
    """
    tokens, bar = [], progress_bar(len(image))
    for picture in image.split(1):
        seen = pixels(clip_vision, picture.to(clip_vision.load_device))
        tokens.append(read(clip_vision, seen).to(intermediate_device()))
        bar.update(1)
    return torch.cat(tokens)


def read(clip_vision, pixels):
    """The same of pictures as the network reads them, (B, 3, side, side)."""
    mm.load_model_gpu(clip_vision.patcher)
    network = clip_vision.model
    hidden = network(pixel_values=pixels.to(clip_vision.load_device))[0]
    return network.visual_projection(network.vision_model.post_layernorm(hidden)).float()


def pixels(clip_vision, image):
    """IMAGE (B, H, W, 3) as the network reads it, (B, 3, side, side)."""
    mean, std = (image.new_tensor(v)[:, None, None] for v in (clip_vision.image_mean, clip_vision.image_std))
    return (squash(image, clip_vision.image_size) - mean) / std


def text_feature(clip, prompt, width):
    """What a prompt means, (1, width) of length 1, by the ViT-H of a CLIP; ValueError for another one.

    The words are read as open_clip does it: no weights in brackets, no embeddings, cut off after 77 tokens.
    """
    encoder, tokenizer = (getattr(part, "clip_h", None) for part in (clip.cond_stage_model, clip.tokenizer))
    if encoder is None or tokenizer is None or encoder.transformer.text_projection.out_features != width:
        raise ValueError(f"Prompts need {TEXT}; another CLIP is connected.")
    ids = tokenizer.tokenizer(prompt, truncation=True, max_length=encoder.max_length)["input_ids"]
    ids += [0] * (encoder.max_length - len(ids))
    clip.load_model()
    feature = text_features(encoder.transformer, torch.tensor([ids], device=clip.patcher.load_device))
    if not feature.any() or not feature.isfinite().all():
        raise ValueError(f"The text encoder connected lacks its projection. Prompts need {TEXT}.")
    return feature.to(intermediate_device())


def text_features(network, ids):
    """Features (B, C) of length 1 of texts (B, L), whose end has the highest number.

    The last block of the text tower is left out, as in training; the final norm and the projection are not.
    """
    hidden = network(input_tokens=ids, intermediate_output=-2)[1]
    end = hidden[torch.arange(len(ids)), ids.argmax(-1)]
    return F.normalize(network.text_projection(end).float(), dim=-1)
