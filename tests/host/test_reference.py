"""Colouring after a reference in the real ComfyUI: stock nodes around ours, and the heat map."""

import io

import pytest
import torch
from lineart_colorize.cli import graphs
from lineart_colorize.models.animediffusion.network import AnimeDiffusion
from lineart_colorize.models.scft.network import Generator
from PIL import Image
from safetensors.torch import save_file


@pytest.fixture(scope="module")
def files(host, tmp_path_factory):
    """Names of tiny random files, as the loaders list them."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("models")
    save_file(AnimeDiffusion(widths=(32, 32), blocks=1).state_dict(), folder / "anime.safetensors")
    save_file(Generator(widths=(2, 3, 4, 5, 6)).state_dict(), folder / "scft.safetensors")
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
