"""One real ComfyUI for all host tests, with a tiny random colorizer in its model folder."""

import os

import pytest
import torch
from lineart_colorize.cli.server import Host
from lineart_colorize.models.diffusart.network import Diffusart
from PIL import Image, ImageDraw
from safetensors.torch import save_file


@pytest.fixture(scope="session")
def host():
    if not os.environ.get("COMFYUI_PATH"):
        pytest.skip("needs ComfyUI: set COMFYUI_PATH")
    with Host() as host:
        yield host


@pytest.fixture(scope="session")
def info(host):
    return host.object_info()


@pytest.fixture(scope="session")
def model(host, tmp_path_factory):
    torch.manual_seed(0)
    network = Diffusart(dim=16, widths=(8, 32, 8, 16, 16), encoder_widths=(8, 8, 8, 8, 16))
    file = tmp_path_factory.mktemp("models") / "tiny.safetensors"
    save_file(network.state_dict(), file)
    return host.add_model(file)


@pytest.fixture(scope="session")
def drawings(tmp_path_factory):
    """Two drawings of odd size, and strokes for the first."""
    folder = tmp_path_factory.mktemp("pictures")
    for name, corner in (("one", 20), ("two", 40)):
        (folder / "line").mkdir(exist_ok=True)
        drawing = Image.new("L", (150, 101), 255)
        ImageDraw.Draw(drawing).ellipse((corner, corner, 100, 90), outline=0, width=3)
        drawing.save(folder / "line" / f"{name}.png")
    (folder / "scribble").mkdir()
    strokes = Image.new("RGBA", (75, 50))
    ImageDraw.Draw(strokes).line((20, 25, 40, 25), fill=(220, 30, 30, 255), width=4)
    strokes.save(folder / "scribble" / "one.png")
    return folder
