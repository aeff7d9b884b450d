"""Likeness in the host: the pictures of training code, matched once per run, references of any shape, areas."""

import pytest
import torch

comfy_sample = pytest.importorskip("comfy.sample", reason="needs ComfyUI: set COMFYUI_PATH")
from lineart_colorize.models.host.loading import load_colorizer  # noqa: E402
from lineart_colorize.models.likeness.network import Likeness  # noqa: E402
from lineart_colorize.nodes.reference_tokens import ReferenceTokens  # noqa: E402
from lineart_colorize.training.sampling import colorize_after  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

from .test_reference import colorize  # noqa: E402
from .test_sampling import sample  # noqa: E402


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return Likeness((16, 16), 8).eval()


@pytest.fixture
def model(network, tmp_path):
    save_file(network.state_dict(), tmp_path / "tiny.safetensors")
    return load_colorizer(str(tmp_path / "tiny.safetensors"), dtype="fp32")[0]


@pytest.fixture
def matches(model, monkeypatch):
    network, seen = model.model.diffusion_model, []
    match = network.match
    monkeypatch.setattr(network, "match", lambda *pictures: seen.append(pictures) or match(*pictures))
    return seen


@pytest.fixture
def referred(picture):
    line, colours, _ = picture
    return ReferenceTokens.execute(colours, line=line).result


@pytest.mark.parametrize("steps", [1, 3])
def test_the_host_samples_as_the_training_code_does(model, network, picture, steps):
    line, colours, _ = picture
    positive, negative = ReferenceTokens.execute(colours, line=line).result
    found = sample(model, positive, negative, (1, 3, *line.shape[1:3]), steps=steps, cfg=1.0, scheduler="karras")
    noise = comfy_sample.prepare_noise(torch.zeros(1, 3, *line.shape[1:3]), 7)
    seed7 = torch.randn(noise.shape, generator=torch.Generator().manual_seed(7))
    torch.testing.assert_close(noise, seed7)
    expected = colorize_after(network, line[..., :1].movedim(-1, 1), colours.movedim(-1, 1), steps, seed=7)
    torch.testing.assert_close((found.clamp(-1, 1) + 1) / 2, expected, atol=2e-3, rtol=0)


@pytest.mark.parametrize(("cfg", "sides"), [(1.0, 1), (3.0, 2)])
def test_pictures_are_compared_once_per_run(model, referred, matches, cfg, sides):
    sample(model, *referred, steps=3, cfg=cfg)
    assert len(matches) == sides


def test_the_whole_reference_is_seen(model, picture, matches):
    """Of another shape than the drawing, nothing of it is cut off."""
    line, _, _ = picture
    positive, _ = ReferenceTokens.execute(torch.rand(1, 20, 90, 3), line=line).result
    _, image = colorize(model, positive=positive)
    assert matches[0][1].shape == (1, 3, 20, 90)
    assert image.shape == (1, *line.shape[1:]) and image.isfinite().all()


def test_the_reference_decides(model, picture):
    line, _, _ = picture
    red, blue = torch.zeros(2, 1, 24, 24, 3)
    red[..., 0] = blue[..., 2] = 1
    images = [colorize(model, positive=ReferenceTokens.execute(part, line=line).result[0])[0] for part in (red, blue)]
    assert (images[0]["samples"] - images[1]["samples"]).abs().max() > 1e-3


def test_several_references_colour_one_drawing_each(model, picture):
    line, _, _ = picture
    positive, _ = ReferenceTokens.execute(torch.rand(3, 24, 30, 3), line=line).result
    assert colorize(model, positive=positive)[1].shape == (3, *line.shape[1:])


def test_areas_take_their_part(model, picture, referred):
    """Two conditionings, one of them for an area whose edges lie between the cells of the match."""
    area = [[referred[0][0][0], {**referred[0][0][1], "area": (17, 22, 6, 9), "strength": 1.0}]]
    found = sample(model, referred[0] + area, referred[1], cfg=1.0)
    assert found.isfinite().all()


def test_no_reference_is_told(model, picture):
    with pytest.raises(ValueError, match="ReferenceTokens"):
        colorize(model, line=picture[0])
