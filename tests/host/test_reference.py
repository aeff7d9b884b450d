"""Colouring after a reference in the real ComfyUI: stock nodes around ours, and the heat map."""

import io
import json
from contextlib import nullcontext

import pytest
import torch
from lineart_colorize.cli import colorize, demo, graphs
from lineart_colorize.cli.server import HostError
from lineart_colorize.models.animediffusion.network import AnimeDiffusion
from lineart_colorize.models.scft.network import Generator
from PIL import Image
from safetensors.torch import save_file


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Tiny random files."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("models")
    save_file(AnimeDiffusion(widths=(32, 32), blocks=1).state_dict(), folder / "anime.safetensors")
    save_file(Generator(widths=(2, 3, 4, 5, 6)).state_dict(), folder / "scft.safetensors")
    return folder


@pytest.fixture(scope="module")
def files(host, folder):
    """Their names, as the loaders list them."""
    return {name: host.add_model(folder / f"{name}.safetensors") for name in ("anime", "scft")}


@pytest.fixture
def pictures(host, drawings):
    return {
        "drawing": graphs.node("LoadImage", image=host.upload(drawings / "line" / "one.png")),
        "source": graphs.node("LoadImage", image=host.upload(drawings / "line" / "two.png", "reference.png")),
        "reference": graphs.node("LineartAugmentedReference", image=["source", 0]),
    }


def size(host, outputs):
    return Image.open(io.BytesIO(host.view(outputs["result"]["images"][0]))).size


def test_the_shipped_workflow_of_scft_colours_and_shows_where_from(host, info, files):
    """With a file of the name that its loader has."""
    workflow = json.loads((demo.WORKFLOWS / "correspondence.json").read_text("utf-8"))
    for picture in demo.WORKFLOWS.glob("demo_*.png"):
        host.upload(picture)
    graph = graphs.from_workflow(workflow, info)
    graph["5"]["inputs"]["file"] = files["scft"]
    outputs = host.prompt(graph)
    for number, picture in (("7", "demo_reference.png"), ("8", demo.LINE)):
        shown = Image.open(io.BytesIO(host.view(outputs[number]["images"][0])))
        assert shown.size == Image.open(demo.WORKFLOWS / picture).size


@pytest.fixture
def guided(pictures):
    tokens = graphs.node("ReferenceTokens", reference=["reference", 0], line=["drawing", 0])
    return {**pictures, "guidance": tokens}


def save(image):
    return graphs.node("SaveImage", images=image, filename_prefix="reference")


@pytest.mark.parametrize("name", ["anime", "strokes"])
def test_one_graph_for_every_checkpoint(host, info, model, files, guided, name):
    """A model of strokes finds none, and colours by itself."""
    graph = {
        **guided,
        "model": graphs.node("ColorizeModelLoader", file={**files, "strokes": model}[name]),
        "sampler": graphs.node(
            "ColorizeSampler",
            model=["model", 0],
            positive=["guidance", 0],
            negative=["guidance", 1],
            steps=2,
            resolution=64,
        ),
        "result": save(["sampler", 1]),
    }
    assert size(host, host.prompt(graphs.with_defaults(graph, info))) == (150, 101)


def test_stock_nodes_sample_as_animediffusion_is_shipped(host, info, files, guided):
    graph = {
        **guided,
        "model": graphs.node("ColorizeModelLoader", file=files["anime"]),
        "ddim": graphs.node("LineartDDIM", model=["model", 0], steps=2),
        "empty": graphs.node("EmptyLatentImage", width=64, height=48),
        "sampler": graphs.node(
            "SamplerCustom",
            model=["model", 0],
            cfg=1.0,
            positive=["guidance", 0],
            negative=["guidance", 1],
            sampler=["ddim", 0],
            sigmas=["ddim", 1],
            latent_image=["empty", 0],
        ),
        "decode": graphs.node("VAEDecode", samples=["sampler", 0], vae=["model", 1]),
        "result": save(["decode", 0]),
    }
    assert size(host, host.prompt(graphs.with_defaults(graph, info))) == (64, 48)


@pytest.mark.parametrize(("output", "expected"), [(0, (150, 101)), (1, (150, 101))])
def test_colours_and_heat_map_of_a_network(host, info, files, pictures, output, expected):
    graph = {
        **pictures,
        "network": graphs.node("LineartNetworkLoader", file=files["scft"]),
        "scft": graphs.node(
            "LineartCorrespondence",
            network=["network", 0],
            line=["drawing", 0],
            reference=["reference", 0],
            resolution=64,
        ),
        "result": save(["scft", output]),
    }
    assert size(host, host.prompt(graphs.with_defaults(graph, info))) == expected


@pytest.fixture
def order(host, drawings, folder, tmp_path, monkeypatch):
    """Arguments of `run.py colorize` on two drawings, with a folder of references for the first."""
    monkeypatch.setattr(colorize, "Host", lambda: nullcontext(host))
    references = tmp_path / "references"
    references.mkdir()
    red = Image.new("RGBA", (60, 90), (220, 40, 40, 255))
    red.paste((0, 0, 0, 0), (0, 0, 30, 90))
    red.save(references / "one.png")

    def make(*more, model="anime", **changes):
        given = {"reference": references / "one.png", "out": tmp_path / "out", "size": 64, "steps": 1, **changes}
        options = [word for name, value in given.items() if value for word in (f"--{name}", str(value))]
        return [str(drawings / "line"), "--model", str(folder / f"{model}.safetensors"), *options, *more]

    make.references, make.out = references, tmp_path / "out"
    return make


@pytest.mark.parametrize("name", ["anime", "scft"])
def test_the_command_colours_by_one_reference_for_all(order, name):
    assert colorize.main(order(model=name)) == 0
    assert {file.name: Image.open(file).size for file in order.out.iterdir()} == {
        "one.png": (150, 101),
        "two.png": (150, 101),
    }


def test_a_drawing_without_a_reference_of_its_name_fails_alone(order, capsys):
    assert colorize.main(order(reference=order.references)) == 1
    assert [file.name for file in order.out.iterdir()] == ["one.png"]
    assert "two.png: there is no picture of that name in" in capsys.readouterr().err


def test_with_strokes_and_a_reference_it_says_which_it_takes(order, drawings, model, capsys):
    arguments = order(scribble=drawings / "scribble")
    assert colorize.main(arguments) == 0
    assert "takes those that it was trained on" in capsys.readouterr().out
    del arguments[1:3]  # no --model
    assert colorize.main([*arguments, "--out", str(order.out / "strokes")]) == 0
    assert f"took the strokes, by {colorize.SCRIBBLE_MODEL}" in capsys.readouterr().out


def test_scft_asks_for_its_reference(order):
    with pytest.raises(HostError, match=r"scft\.safetensors takes its colours from a picture: add --reference"):
        colorize.main(order(model="scft", reference=None))
