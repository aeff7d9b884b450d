"""ColorizeDiffusion v1 in time at reduced width, in memory at full width."""

import gc
import tempfile
from pathlib import Path

import torch

from ...models.host.joining import join_host
from . import Row, card
from .colorizing import CONTEXT, Case, compare, conditioning, random_model, random_weights

CHANNELS = 128


def run():
    join_host()
    from ...models.colorizediffusion.checkpoint import pack

    model, positive = random_model(v1(CHANNELS, CONTEXT), pack), conditioning(CONTEXT)
    yield from compare(Case("v1", model, positive, lambda: {"context": positive[0][0]}))
    yield loading()
    yield from on_card()


def v1(channels, context):
    """Tensors of a file, on the meta device."""
    from ...models.colorizediffusion import native

    return native.layout(version="v1", model_channels=channels, num_head_channels=64, context_dim=context)


def on_card():
    from ...models.colorizediffusion import native

    shape = {"model_channels": 320, "num_head_channels": 64, "context_dim": 1024}
    for version, side in (("v1", 512), ("v2", 768)):
        vision = card.tower("Vision", "clip_vision_config_h.json")
        text = card.tower("Text", "text_encoders/sd2_clip_config.json", torch.float32)
        yield card.row(version, native.Config({"version": version, **shape}), side, vision, text)


def loading():
    """Memory that loading a v1 file of full width in fp16 takes, against the file's size."""
    import psutil  # of ComfyUI's requirements
    from safetensors.torch import save_file

    from ...models.colorizediffusion.checkpoint import pack
    from ...models.host.loading import load_colorizer

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "full.safetensors"
        save_file(pack(random_weights(v1(320, 1024), torch.float16)), path)
        gc.collect()
        size, before = path.stat().st_size, psutil.Process().memory_info().rss
        kept = load_colorizer(str(path), dtype="fp16")
        gc.collect()
        gained = psutil.Process().memory_info().rss - before
        del kept
    return Row("loading v1 in fp16", gained / 2**20, "MiB", "its file", size / 2**20, size / gained, 1 / 1.2)
