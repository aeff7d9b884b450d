"""The weights that ship, in the host: the same picture as in training, from strokes of any strength."""

import pytest
import torch

comfy_sample = pytest.importorskip("comfy.sample", reason="needs ComfyUI: set COMFYUI_PATH")
from lineart_colorize.models.geodesic.network import GeodesicUNet, config  # noqa: E402
from lineart_colorize.models.host.loading import load_colorizer  # noqa: E402
from lineart_colorize.nodes.colorize_sampler import ColorizeSampler  # noqa: E402
from lineart_colorize.nodes.scribble_encoder import ScribbleEncoder  # noqa: E402
from lineart_colorize.training.commands import SHIPPED  # noqa: E402
from lineart_colorize.training.sampling import colorize, karras  # noqa: E402
from safetensors.torch import load_file  # noqa: E402


@pytest.fixture(scope="module")
def shipped():
    return load_colorizer(str(SHIPPED), dtype="fp32")[0]


@pytest.fixture(scope="module")
def drawing():
    """A square with a red stroke in it and a blue one beside it: line, colours, mask, each 64 px."""
    line, colours, mask = torch.ones(1, 64, 64, 3), torch.zeros(1, 64, 64, 3), torch.zeros(1, 64, 64)
    line[:, 16:48, [16, 47]] = line[:, [16, 47], 16:48] = 0
    for rows, colour in ((slice(28, 36), (0.9, 0.2, 0.2)), (slice(4, 8), (0.2, 0.4, 0.9))):
        mask[:, rows, 20:44] = 1
        colours[:, rows, 20:44] = torch.tensor(colour)
    return line, colours, mask


def run(model, drawing, strength=1.0, **changes):
    line, colours, mask = drawing
    positive, negative = ScribbleEncoder.execute(colours, mask, strength, "strokes", line).result
    values = {"seed": 3, "steps": 0, "cfg": 0, "sampler": "auto", "scheduler": "auto", "denoise": 1.0, "resolution": 64}
    values |= changes
    return ColorizeSampler.execute(model, **values, positive=positive, negative=negative).result


@pytest.mark.parametrize("steps", [1, 4])
def test_the_host_samples_as_the_training_code_does(shipped, drawing, steps):
    weights = {name: tensor.float() for name, tensor in load_file(SHIPPED).items()}
    network = GeodesicUNet(**config(weights)).eval()
    network.load_state_dict(weights)
    line, colours, mask = drawing
    planes = (line[..., :1].movedim(-1, 1), colours.movedim(-1, 1), mask[:, None])
    expected = colorize(network, *planes, steps, seed=3)
    latent, _ = run(shipped, drawing, steps=steps, scheduler="karras")
    torch.testing.assert_close((latent["samples"] + 1) / 2, expected, atol=2e-3, rtol=0)


def test_karras_levels_are_the_hosts(shipped):
    from comfy.samplers import calculate_sigmas

    levels = calculate_sigmas(shipped.get_model_object("model_sampling"), "karras", 6)
    torch.testing.assert_close(levels, karras(6), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("sampler", ["euler", "dpmpp_2m", "ddim", "euler_ancestral", "uni_pc"])
def test_the_square_is_red_under_any_sampler(shipped, drawing, sampler):
    _, image = run(shipped, drawing, steps=8, sampler=sampler)
    inside, beside = image[0, 20:44, 20:44].mean((0, 1)), image[0, :12].mean((0, 1))
    assert inside[0] > inside[2] + 0.3 and beside[2] > beside[0] + 0.2


def test_strength_fades_the_strokes(shipped, drawing):
    reds = [run(shipped, drawing, strength)[1][0, 20:44, 20:44].mean((0, 1)) for strength in (0.0, 0.05, 1.0)]
    assert abs(reds[0][0] - reds[0][2]) < 0.2
    assert reds[2][0] - reds[2][2] >= reds[1][0] - reds[1][2]


def test_a_start_picture_and_a_noise_mask_are_kept(shipped, drawing):
    start = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 32:] = 1
    latent, _ = run(shipped, drawing, steps=4, latent={"samples": start, "noise_mask": mask})
    torch.testing.assert_close(latent["samples"][..., :31], start[..., :31], atol=0.02, rtol=0)
    assert (latent["samples"][..., 33:] - start[..., 33:]).abs().mean() > 0.1
    near, far = (run(shipped, drawing, steps=4, denoise=d, latent={"samples": start})[0]["samples"] for d in (0.2, 0.9))
    assert (near - start).abs().mean() < (far - start).abs().mean()
