"""LineartCleanUp inside the host."""

import pytest
import torch

pytest.importorskip("comfy_api.latest", reason="needs ComfyUI: set COMFYUI_PATH")
from lineart_colorize.nodes.lineart_clean_up import LineartCleanUp

DEFAULTS = {item.id: item.default for item in LineartCleanUp.define_schema().inputs if item.id != "image"}


def run(image, **changes):
    return LineartCleanUp.execute(image=image, **{**DEFAULTS, **changes}).result


def drawing(channels=3):
    """A line, a faint line, a speck, a patch of dots and a blue line."""
    image = torch.ones(1, 60, 90, channels)
    image[:, 10:13] = 0.05
    image[:, 10:13, 60:68] = 1
    image[:, 20, :, :3] = 0.7
    image[:, 30:32, 5:7, :3] = 0
    image[:, 40:58:4, 40:80:4, :3] = 0
    if channels > 2:
        image[:, 35:37, :, :2] = 0.2
    return image


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_lines_ink_and_pencils_at_the_own_size(channels):
    lines, ink, blue, red = run(drawing(channels))
    assert lines.shape == (1, 60, 90, 3)
    assert ink.shape == blue.shape == red.shape == (1, 60, 90)
    torch.testing.assert_close(ink, 1 - lines[..., 0])


CHANGES = {"even_paper": True, "split_pencils": True, "screentone": 4, "sure": 0.5, "despeckle": 8, "width": 1}
CHANGES |= {"line_width": 5.0, "gaps": 12}


@pytest.mark.parametrize("name", CHANGES)
def test_every_switch_has_an_effect(name):
    image = drawing() * 0.9
    off = {"despeckle": 0}
    assert not torch.equal(run(image, **{**off, name: CHANGES[name]})[0], run(image, **off)[0])


def test_faint_has_an_effect_beside_sure():
    image = drawing()
    image[:, 10:21, 4] = 0  # joins the faint line to the dark one
    assert not torch.equal(run(image, sure=0.8)[0], run(image, sure=0.8, faint=0.5)[0])


def test_blue_pencil_comes_out_apart():
    lines, _, blue, _ = run(drawing(), split_pencils=True)
    assert lines[0, 35:37].min() == 1 and blue[0, 35:37].min() > 0.7 and blue[0, 10:13].max() == 0


@pytest.mark.parametrize("change", [{"despeckle": 4}, {"width": 1}, {"line_width": 3.0}, {"gaps": 4}], ids=str)
def test_lengths_double_with_the_picture(change):
    """lengths_for half the longer side is the same as lengths twice, areas four times as large."""
    image = drawing()
    times = 4 if "despeckle" in change else 2
    expected = run(image, **{"despeckle": 0} | {name: value * times for name, value in change.items()})[0]
    scaled = run(image, **{"despeckle": 0} | change, lengths_for=45)[0]
    assert torch.equal(scaled, expected) and not torch.equal(scaled, run(image, **{"despeckle": 0} | change)[0])


@pytest.mark.parametrize(
    "image", [torch.zeros(1, 1, 1, 3), torch.full((2, 9, 30, 3), float("nan"))], ids=["1x1", "nan"]
)
def test_odd_pictures_give_a_picture(image):
    for width in (-2, 2):
        lines = run(image, even_paper=True, split_pencils=True, screentone=4, sure=0.5, width=width, gaps=9)[0]
        assert run(image, line_width=3.0)[0].isfinite().all()
        assert lines.shape == image.shape and lines.isfinite().all()
