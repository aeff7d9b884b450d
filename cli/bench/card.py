"""What a graphics card holds at once while a drawing is coloured: the application keeps all, ComfyUI what works.

Sizes are those of the published files; nothing is computed. ComfyUI loads and unloads by its own rules and bookkeeping,
onto a pretended card: the modules are on the meta device, where they have shapes and take no memory. What networks need
to work in is ComfyUI's estimate, the same for both.
"""

import json
from pathlib import Path
from unittest.mock import patch

import torch

from . import Row

CARD, SHELF = torch.device("meta", 0), torch.device("meta")
WANTED = 0.6  # of what the application needs: as large is the card
MIB = 2**20
VAE = {"ch": 128, "ch_mult": [1, 2, 4, 4], "num_res_blocks": 2, "attn_resolutions": [], "resolution": 256}
VAE |= {"in_channels": 3, "out_ch": 3, "z_channels": 4, "double_z": True, "dropout": 0.0}


def row(name, config, side, clip, *readers):
    """Row of a colorizer at `side` px, both sides of its guidance in one batch, in half precision as published.

    config   the host's, with the published widths
    clip     the `tower` that reads the reference; the application keeps it in full precision
    readers  modules that the application keeps besides, as it keeps them
    """
    import comfy.model_management as mm
    from comfy.ldm.models.autoencoder import AutoencoderKL

    config.set_inference_dtype(torch.float16, None)
    model = config.get_model({}, device=SHELF)
    encoders = list(config.encoders(**place(torch.float16)).values())
    with SHELF:
        vae = AutoencoderKL(ddconfig=VAE, embed_dim=4)

    sampling = model.memory_required((2, 4, side // 8, side // 8))
    coding = 2178 * side**2 * torch.float32.itemsize  # the host's for decoding; encoding takes less
    stages = [*((reader, 0) for reader in (clip, *readers)), (vae, coding)]
    stages += [*((network, sampling) for network in (*encoders, model)), (vae, coding)]
    kept = bytes_of(model, *encoders, vae, *readers) + 2 * bytes_of(clip)
    theirs = kept + max(work for _, work in stages)

    patchers = {module: patcher(module) for module, _ in stages}
    with patch.object(mm, "get_free_memory", lambda *_, **named: left(WANTED * theirs, **named)):
        ours = max(load(patchers[module], work) for module, work in stages)
    against, note = "all resident, as the application has it", "weights and estimated work, nothing computed"
    mib = ours / MIB, "MiB", against, theirs / MIB
    return Row(f"{name}, {side} px, on a card", *mib, theirs / ours, 1 / WANTED, note)


def place(dtype):
    import comfy.ops

    return {"dtype": dtype, "device": SHELF, "operations": comfy.ops.manual_cast}


def tower(kind, name, dtype=torch.float16):
    """A CLIP's "Vision" or "Text" tower by the host's file of its shape; the host keeps towers in half precision."""
    import comfy.clip_model

    shape = json.loads((Path(comfy.clip_model.__file__).parent / name).read_text(encoding="utf-8"))
    made = {"Vision": comfy.clip_model.CLIPVisionModelProjection, "Text": comfy.clip_model.CLIPTextModel}[kind]
    return made(shape, **place(dtype))


def bytes_of(*modules):
    import comfy.model_management as mm

    return sum(mm.module_size(module) for module in modules)


def patcher(module):
    import comfy.model_patcher

    return comfy.model_patcher.ModelPatcher(module, CARD, SHELF)


def load(patcher, work):
    """Bytes on the card once the host has made room for a network and what it works in."""
    import comfy.model_management as mm

    mm.load_models_gpu([patcher], memory_required=work)
    if patcher.loaded_size() < patcher.model_size():
        raise RuntimeError(f"{type(patcher.model).__name__} does not fit on the card in one piece.")
    return held() + work


def held():
    import comfy.model_management as mm

    return sum(patcher.loaded_size() for patcher in mm.loaded_models() if patcher and patcher.load_device == CARD)


def left(size, torch_free_too=False):
    free = size - held()
    return (free, free) if torch_free_too else free
