"""LineartNetworkLoader, LineExtract with a network, LineartSubjectMask, inside the host."""

import pytest
import torch

pytest.importorskip("comfy.sample", reason="needs ComfyUI: set COMFYUI_PATH")
from lineart_colorize.models import registry
from lineart_colorize.models.host import folders, loading, networks
from lineart_colorize.models.line import isnet, preparation
from lineart_colorize.nodes.line_extract import METHODS, LineExtract
from lineart_colorize.nodes.lineart_network_loader import LineartNetworkLoader
from lineart_colorize.nodes.lineart_sketch import DRAWERS, LineartSketch
from lineart_colorize.nodes.lineart_subject_mask import LineartSubjectMask
from safetensors.torch import save_file

TINY = {
    "sketchkeras": {"widths": (4, 4, 8, 8, 8, 8)},
    "anime2sketch": {"widths": (4,) * 8},
    "manga": {"widths": (2, 4, 4, 4, 4, 4, 4, 4, 2, 2)},
    "realistic": {"widths": (4, 8, 8), "blocks": 1},
    "isnet": {"widths": {stage: 4 if stage == "conv_in" else (2, 4) for stage in isnet.PUBLISHED}},
}
NEEDING = [name for name, method in METHODS.items() if method.network]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("networks")
    for name, widths in TINY.items():
        torch.manual_seed(0)
        save_file(registry.NETWORKS[name][1](**widths).state_dict(), folder / f"{name}.safetensors")
    return folder


@pytest.fixture
def load(files, monkeypatch):
    monkeypatch.setattr(folders, "locate", lambda file: str(files / file))
    return lambda name, dtype="auto": LineartNetworkLoader.execute(f"{name}.safetensors", dtype).result[0]


def picture(batch=1, height=40, width=52, channels=3):
    return torch.rand(batch, height, width, channels, generator=torch.Generator().manual_seed(0))


def run(image, name, network, **parameters):
    method = {"method": name} | {item.id: item.default or item.options[0] for item in METHODS[name].inputs}
    return LineExtract.execute(image=image, method=method | parameters, network=network).result


@pytest.mark.parametrize("name", NEEDING)
@pytest.mark.parametrize("channels", [1, 4])
def test_lines_at_the_own_size(load, name, channels):
    lines, ink = run(picture(2, channels=channels), name, load(name))
    assert lines.shape == (2, 40, 52, 3) and ink.shape == (2, 40, 52)
    assert lines.dtype == torch.float32 and lines.min() >= 0 and lines.max() <= 1
    torch.testing.assert_close(ink, 1 - lines.amin(-1))


@pytest.mark.parametrize("name", NEEDING)
@pytest.mark.parametrize(
    "image", [torch.zeros(1, 1, 1, 3), torch.full((1, 9, 30, 3), float("nan"))], ids=["1x1", "nan"]
)
def test_odd_pictures_give_a_picture(load, name, image):
    lines = run(image, name, load(name))[0]
    assert lines.shape == image.shape and lines.isfinite().all()


@pytest.mark.parametrize("name", NEEDING)
@pytest.mark.parametrize("dtype", ["fp32", "fp16", "bf16"])
def test_storage(load, name, dtype):
    network = load(name, dtype)
    assert {weight.dtype for weight in network.model.parameters()} == {loading.STORAGE[dtype]}
    exact = run(picture(), name, load(name, "fp32"))[0]
    assert (run(picture(), name, network)[0] - exact).abs().mean() < 0.05


def test_frames_are_worked_on_one_by_one(load, monkeypatch):
    image = picture(3)
    network = load("sketchkeras")
    whole = run(image, "sketchkeras", network)[0]
    monkeypatch.setattr(networks, "CPU_BUDGET", 40 * 52 * network.model.bytes_per_pixel)
    torch.testing.assert_close(run(image, "sketchkeras", network)[0], whole, atol=1e-5, rtol=0)


def test_colored_lines_keep_their_channels(load):
    network = load("sketchkeras")
    colored, ink = run(picture(), "sketchkeras", network, output="colored")
    assert not torch.equal(colored[..., 0], colored[..., 1])
    torch.testing.assert_close(ink, run(picture(), "sketchkeras", network, output="plain")[1])


def test_upsampling_reaches_the_network(load):
    network = load("sketchkeras")
    nearest, bicubic = (run(picture(), "sketchkeras", network, upsampling=mode)[0] for mode in ("nearest", "bicubic"))
    assert not torch.equal(nearest, bicubic)


def test_a_missing_or_wrong_network_is_one_sentence(load):
    with pytest.raises(ValueError, match="The method manga needs a network: connect LineartNetworkLoader with a manga"):
        run(picture(), "manga", None)
    with pytest.raises(ValueError, match="needs a manga network, but a realistic network is connected"):
        run(picture(), "manga", load("realistic"))
    with pytest.raises(ValueError, match="Line Art Subject Mask needs a isnet network, but a manga"):
        LineartSubjectMask.execute(picture(), load("manga"))


def test_a_wrong_file_is_one_sentence(load, tiny_weights, files):
    save_file(tiny_weights, files / "colorizer.safetensors")
    with pytest.raises(ValueError, match=r"no line art network but a colorizer \(diffusart\): load it with Colorize"):
        load("colorizer")
    save_file({"decoder.conv_in.weight": torch.zeros(1)}, files / "vae.safetensors")
    with pytest.raises(ValueError, match=r"no line art network .*sketchkeras.* looks like a VAE"):
        load("vae")


def test_subject_masks(load):
    network = load("isnet")
    mask = LineartSubjectMask.execute(picture(2), network).result[0]
    grown = LineartSubjectMask.execute(picture(2), network, grow=4).result[0]
    figures = LineartSubjectMask.execute(picture(2), network, "line drawing").result[0]
    assert mask.shape == (2, 40, 52) and (grown >= mask).all() and not torch.equal(mask, figures)


@pytest.mark.parametrize("application", ["sd", "xl"])
@pytest.mark.parametrize("name", DRAWERS)
def test_a_sketch_by_every_network(load, name, application, monkeypatch):
    monkeypatch.setitem(preparation.SQUARE, application, 64)
    sketch, lines = LineartSketch.execute(picture(2), "extract", application, 64, 48, load(name)).result
    assert sketch.shape == (2, 48, 64, 3) and sketch.isfinite().all()
    torch.testing.assert_close(lines, 1 - sketch)


def test_black_on_white_and_white_on_black_give_one_sketch():
    page = torch.ones(1, 40, 40, 1)
    page[:, 18:22] = 0
    sketch, lines = LineartSketch.execute(page, "invert", "sd", 40, 40).result
    torch.testing.assert_close(sketch, LineartSketch.execute(1 - page, "none", "sd", 40, 40).result[0])
    torch.testing.assert_close(lines, page.expand(-1, -1, -1, 3))
    webui = LineartSketch.execute(page, "invert-webui", "sd", 40, 40).result[0]
    assert webui[0, 20, 20, 0] > 0.4 and webui[0, 2, 2, 0] == 0


@pytest.mark.parametrize("application", ["sd", "xl"])
@pytest.mark.parametrize("option", ["none", "invert", "invert-webui"])
@pytest.mark.parametrize(
    "image",
    [torch.zeros(1, 1, 1, 3), torch.ones(1, 1, 300, 4), torch.full((2, 9, 30, 3), float("nan"))],
    ids=["1x1", "1xN", "nan"],
)
def test_odd_pictures_give_a_sketch(application, option, image):
    sketch = LineartSketch.execute(image, option, application, 64, 48).result[0]
    assert sketch.shape == (len(image), 48, 64, 3) and sketch.isfinite().all()


def test_a_sketch_without_a_drawing_network_is_one_sentence(load):
    with pytest.raises(ValueError, match=r"The option extract needs a network: .* sketchkeras or anime2sketch"):
        LineartSketch.execute(picture(), "extract")
    with pytest.raises(ValueError, match="manga or realistic network, but a isnet network is connected"):
        LineartSketch.execute(picture(), "extract", network=load("isnet"))
