"""LineExtract inside the host."""

import os

import pytest
import torch

if not os.environ.get("COMFYUI_PATH"):
    pytest.skip("COMFYUI_PATH is not set", allow_module_level=True)

from lineart_colorize.nodes.line_extract import METHODS, LineExtract

SCHEMA = LineExtract.define_schema()
ALONE = [name for name, method in METHODS.items() if method.network is None]


def defaults(method):
    return {"method": method} | {parameter.id: parameter.default for parameter in METHODS[method].inputs}


def run(image, method="xdog", invert="auto", **parameters):
    lines, ink = LineExtract.execute(image=image, method=defaults(method) | parameters, invert=invert).result
    return lines, ink


def drawing(channels=3):
    image = torch.ones(1, 37, 51, channels)
    image[:, 18:20] = 0.0
    if channels in (2, 4):
        image[..., -1] = 1.0
    return image


def test_schema_explains_itself():
    SCHEMA.finalize()
    SCHEMA.validate()
    assert (SCHEMA.node_id, SCHEMA.category) == ("LineExtract", "lineart colorize/lines")
    assert SCHEMA.description and SCHEMA.search_aliases
    inputs = [*SCHEMA.inputs, *(parameter for method in METHODS.values() for parameter in method.inputs)]
    assert [item.id for item in inputs if not item.tooltip] == []
    assert [item.display_name for item in SCHEMA.outputs if not item.tooltip] == []


def test_only_the_parameters_of_the_method_are_shown():
    method = next(item for item in SCHEMA.inputs if item.id == "method")
    shown = {option.key: [item.id for item in option.inputs] for option in method.options}
    assert shown["xdog"] == ["sigma", "k", "p", "eps", "phi", "multiply"]
    assert shown["xdog (AnimeDiffusion)"] == ["sigma"]
    assert shown["none"] == []


@pytest.mark.parametrize("method", ALONE)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_black_on_white_at_the_own_size(method, channels):
    lines, ink = run(drawing(channels), method)
    assert lines.shape == (1, 37, 51, 3) and ink.shape == (1, 37, 51)
    assert lines[0, 19, 25].max() < 0.6 and lines[0, 3, 3].min() > 0.9
    torch.testing.assert_close(ink, 1 - lines[..., 0])


@pytest.mark.parametrize("method", ALONE)
@pytest.mark.parametrize(
    "image",
    [
        torch.zeros(1, 1, 1, 3),
        torch.zeros(2, 9, 9, 3),
        torch.ones(1, 9, 9, 1),
        torch.full((1, 5, 7, 4), float("nan")),
        torch.rand(1, 1, 700, 3, generator=torch.Generator().manual_seed(0)),
        torch.rand(1, 700, 1, 2, generator=torch.Generator().manual_seed(0)),
    ],
    ids=["1x1", "black", "white", "nan", "1xN", "Nx1"],
)
def test_odd_pictures_give_a_picture(method, image):
    lines, ink = run(image, method)
    assert lines.shape == (*image.shape[:3], 3)
    assert lines.min() >= 0 and lines.max() <= 1 and ink.min() >= 0 and ink.max() <= 1


@pytest.mark.parametrize(
    ("method", "lengths"),
    [
        ("xdog", {"sigma": 0.6}),
        ("xdog (D form)", {"sigma": 0.6}),
        ("xdog (AnimeDiffusion)", {"sigma": 0.3}),
        ("standard", {"sigma": 3.0}),
        ("fdog", {"sigma": 0.6, "flow": 1.5, "along": 1.0}),
    ],
)
def test_lengths_grow_with_the_picture(method, lengths):
    image = drawing() * 0.8 + torch.rand(drawing().shape, generator=torch.Generator().manual_seed(0)) * 0.2
    chosen = defaults(method) | lengths
    same = LineExtract.execute(image=image, method=chosen, lengths_for=51).result[0]
    assert torch.equal(same, LineExtract.execute(image=image, method=chosen).result[0])
    thrice = LineExtract.execute(image=image, method=chosen, lengths_for=17).result[0]
    tripled = defaults(method) | {name: 3 * value for name, value in lengths.items()}
    torch.testing.assert_close(thrice, LineExtract.execute(image=image, method=tripled).result[0])
    assert not torch.equal(thrice, same)


def test_light_lines_on_a_dark_ground_come_out_dark_on_white():
    assert torch.equal(run(1 - drawing(), "none")[0], run(drawing(), "none")[0])
    assert torch.equal(run(1 - drawing(), "none", invert="no")[0], 1 - drawing())
    assert torch.equal(run(drawing(), "none", invert="yes")[0], 1 - drawing())


def test_more_than_8_bits_pass():
    ramp = torch.linspace(0.4, 0.6, 1000).view(1, 10, 100, 1)
    torch.testing.assert_close(run(ramp, "none")[0], ramp.expand(-1, -1, -1, 3), atol=1e-6, rtol=0)


def test_transparency_is_paper():
    image = drawing(4)
    image[..., 3] = 0.0
    assert run(image)[1].max() == 0


def test_chunks_equal_the_whole_batch(monkeypatch):
    image = torch.rand(5, 16, 16, 3, generator=torch.Generator().manual_seed(0))
    whole = run(image)[0]
    monkeypatch.setattr("lineart_colorize.nodes.line_extract.PIXELS", 2 * 16 * 16)
    torch.testing.assert_close(run(image)[0], whole, atol=1e-5, rtol=0)


def test_too_many_channels_is_one_sentence():
    with pytest.raises(ValueError, match="1 to 4 channels, but this one has 6"):
        run(torch.zeros(1, 4, 4, 6))
