"""The anchor in the host: a colorizer of pixels and a small Stable Diffusion under stock samplers."""

import pytest
import torch

comfy_sample = pytest.importorskip("comfy.sample", reason="needs ComfyUI: set COMFYUI_PATH")
import comfy.model_base  # noqa: E402
import comfy.model_patcher  # noqa: E402
import comfy.sd  # noqa: E402
import comfy.supported_models  # noqa: E402
from lineart_colorize.models import keys  # noqa: E402
from lineart_colorize.models.animediffusion.network import AnimeDiffusion  # noqa: E402
from lineart_colorize.models.diffusart.network import Diffusart  # noqa: E402
from lineart_colorize.models.flats.colour import decode  # noqa: E402
from lineart_colorize.models.geodesic.network import GeodesicUNet  # noqa: E402
from lineart_colorize.models.host.anchoring import anchored  # noqa: E402
from lineart_colorize.models.host.loading import load_colorizer  # noqa: E402
from lineart_colorize.models.likeness.network import Likeness  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

from .colorizediffusion import EVERY, conditioning  # noqa: E402

UNET = {
    "image_size": 32,
    "in_channels": 4,
    "out_channels": 4,
    "model_channels": 32,
    "num_res_blocks": [1, 1],
    "channel_mult": [1, 2],
    "transformer_depth": [1, 1],
    "transformer_depth_output": [1, 1, 1, 1],
    "transformer_depth_middle": 1,
    "context_dim": 16,
    "num_heads": 2,
    "use_spatial_transformer": True,
    "legacy": False,
}


@pytest.fixture(scope="module", params=["SD15", "SDXL"])
def stable_diffusion(request):
    """A tiny random UNet as the host's own SD 1.5, or as SDXL."""
    torch.manual_seed(0)
    extra = (
        {"adm_in_channels": 2816, "num_classes": "sequential", "model_channels": 64} if request.param == "SDXL" else {}
    )
    config = getattr(comfy.supported_models, request.param)({**UNET, **extra})
    kind = getattr(comfy.model_base, "SDXL" if extra else "BaseModel")
    model = kind(config, comfy.model_base.ModelType.EPS, device="cpu")
    for parameter in model.diffusion_model.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    return comfy.model_patcher.ModelPatcher(model, torch.device("cpu"), torch.device("cpu"))


class CellVAE:
    """Encodes as Stable Diffusion's does, as far as sizes go: four channels of every 8 x 8 pixels."""

    def encode(self, image):
        cells = torch.nn.functional.avg_pool2d(image.movedim(-1, 1) * 2 - 1, 8)
        return torch.cat([cells, cells.mean(1, keepdim=True)], dim=1)


@pytest.fixture
def drawing():
    """Labels, flats and line of two regions, 128 x 160."""
    labels = torch.ones(1, 128, 160, dtype=torch.int32)
    labels[:, :, 83:] = 2
    flats = decode(torch.tensor([0xD0A060, 0x3050A0]))[labels.long() - 1]
    line = torch.ones(1, 128, 160, 3)
    line[:, :, 82:84] = 0
    return labels, flats, line


def sample(model, latent, positive, steps=3, sampler="euler", denoise=0.6):
    noise = comfy_sample.prepare_noise(latent, 3)
    return comfy_sample.sample(
        model,
        noise,
        steps,
        2.0,
        sampler,
        "normal",
        positive,
        positive,
        latent,
        denoise=denoise,
        disable_pbar=True,
        seed=3,
    )


def missed(samples, held, model):
    """How far each region's chroma is from the flats'."""
    if hasattr(model, "process_in"):
        samples = model.process_in(samples)
    return (held._chroma_means(samples, *held._cells(samples)) - held.targets)[:, 1:].abs().max()


def test_stable_diffusion_keeps_the_chroma_of_every_region(stable_diffusion, drawing):
    labels, flats, line = drawing
    model, latent = anchored(stable_diffusion, flats, labels, CellVAE(), line)
    held = model.model_options["sampler_post_cfg_function"][-1]
    assert latent["samples"].shape == (1, 4, 16, 20)
    positive = [[torch.randn(1, 7, 16), {"pooled_output": torch.zeros(1, 1280)}]]
    space = model.get_model_object("latent_format")
    free, kept = (sample(one, latent["samples"], positive) for one in (stable_diffusion, model))
    assert missed(kept, held, space) < 1e-4 < 100 * missed(free, held, space)
    assert missed(free, held, space) > 0.01
    second = sample(model, torch.nn.functional.interpolate(kept, (24, 30)), positive, sampler="dpmpp_2m")
    assert second.shape == (1, 4, 24, 30) and missed(second, held, space) < 1e-3


def test_a_colorizer_of_pixels_needs_no_vae(model, drawing):
    labels, flats, line = drawing
    patched, latent = anchored(model, flats, labels, None, line, resolution=80)
    assert latent["samples"].shape == (1, 3, 64, 80)
    assert latent["samples"].amin() < -0.5 and latent["samples"].amax() <= 1
    from lineart_colorize.nodes.scribble_encoder import ScribbleEncoder

    positive = ScribbleEncoder.execute(line=line).result[0]
    held = patched.model_options["sampler_post_cfg_function"][-1]
    free, kept = (sample(one, latent["samples"], positive) for one in (model, patched))
    assert missed(kept, held, None) < 1e-4 and missed(free, held, None) > 0.01
    assert len(model.model_options["sampler_post_cfg_function"]) == 1, "the model itself stays as it was"


def test_a_colorizer_samples_at_its_trained_size(model, drawing):
    labels, flats, _ = drawing
    assert anchored(model, flats, labels)[1]["samples"].shape == (1, 3, 205, 256)


def test_a_missing_vae_is_told(stable_diffusion, drawing):
    labels, flats, _ = drawing
    with pytest.raises(ValueError, match="connect the VAE that belongs to it"):
        anchored(stable_diffusion, flats, labels)


def test_the_node_gives_a_held_model_and_the_flats_as_a_latent(model, drawing):
    from lineart_colorize.models.flats.regions import regions
    from lineart_colorize.nodes.lineart_anchor import LineartAnchor

    _, flats, line = drawing
    held, latent = LineartAnchor.execute(model, flats, regions(line), line=line, resolution=64).result
    assert latent["samples"].shape == (1, 3, 51, 64)
    assert held.model_options["sampler_post_cfg_function"][-1].count == 3


PIXELS = {
    "diffusart": lambda: Diffusart(dim=16, widths=(8, 32, 8, 16, 16), encoder_widths=(8, 8, 8, 8, 16)),
    "animediffusion": lambda: AnimeDiffusion(widths=(32, 64), blocks=1),
    "geodesic": lambda: GeodesicUNet((8, 16)),
    "likeness": lambda: Likeness((16, 16), 8),
}


@pytest.fixture(params=[*PIXELS, *EVERY])
def colorizer(request, tmp_path):
    """Every kind of colorizer of the pack, tiny and random: (MODEL, VAE)."""
    torch.manual_seed(0)
    if request.param in EVERY:
        return request.getfixturevalue("loaded")[request.param]
    save_file(PIXELS[request.param]().state_dict(), tmp_path / "tiny.safetensors")
    return load_colorizer(str(tmp_path / "tiny.safetensors"))[0], None


def through_ksampler(model, positive, negative, latent):
    from nodes import KSampler

    return KSampler().sample(model, 3, 3, 2.0, "euler", "normal", positive, negative, latent, 0.6)[0]["samples"]


def test_every_colorizer_keeps_the_chroma_of_the_flats(colorizer, drawing):
    model, vae = colorizer
    labels, flats, line = drawing
    patched, latent = anchored(model, flats, labels, vae, line, resolution=64)
    conds = conditioning(**{keys.LINE: line, keys.SCRIBBLE: flats, keys.SCRIBBLE_MASK: (labels == 2).float()})
    held = patched.model_options["sampler_post_cfg_function"][-1]
    free, kept = (through_ksampler(one, *conds, latent) for one in (model, patched))
    space = model.get_model_object("latent_format")
    assert missed(kept, held, space) < 1e-4 < 0.01 * missed(free, held, space)


def test_stable_diffusion_in_the_host_s_sampler_node(stable_diffusion, drawing):
    labels, flats, line = drawing
    patched, latent = anchored(stable_diffusion, flats, labels, CellVAE(), line)
    conds = [[torch.randn(1, 7, 16), {"pooled_output": torch.zeros(1, 1280)}]]
    held = patched.model_options["sampler_post_cfg_function"][-1]
    free, kept = (through_ksampler(one, conds, conds, latent) for one in (stable_diffusion, patched))
    space = patched.get_model_object("latent_format")
    assert missed(kept, held, space) < 1e-4 and missed(free, held, space) > 0.01


def test_regions_of_another_drawing_are_told(model, drawing):
    labels, flats, _ = drawing
    with pytest.raises(ValueError, match="regions are of a drawing of 80 x 128 px, but the flats have 160 x 128"):
        anchored(model, flats, labels[:, :, ::2])
    assert anchored(model, flats, labels[:, ::2, ::2], resolution=64)[1]["samples"].shape == (1, 3, 51, 64)
