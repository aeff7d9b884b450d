"""A tiny random Diffusart file, loaded in the real host, and one drawing with strokes."""

import pytest
import torch
from lineart_colorize.models.diffusart.network import Diffusart
from safetensors.torch import save_file

TINY = {"dim": 16, "widths": (8, 32, 8, 16, 16), "encoder_widths": (8, 8, 8, 8, 16)}


@pytest.fixture(scope="session")
def tiny_weights():
    torch.manual_seed(0)
    network = Diffusart(**TINY)
    for parameter in (network.mid_cross_attn_1.fn.gamma, network.mid_cross_attn_2.fn.gamma):
        parameter.data.fill_(1)  # zero at birth, and then no stroke would reach the picture
    return network.state_dict()


@pytest.fixture(scope="session")
def tiny_file(tiny_weights, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "tiny.safetensors"
    save_file(tiny_weights, path)
    return str(path)


@pytest.fixture
def model(tiny_file):
    from lineart_colorize.models.host.loading import load_colorizer

    return load_colorizer(tiny_file)[0]


@pytest.fixture
def picture():
    """Line art, colours and their mask, 40 x 44."""
    torch.manual_seed(1)
    line = (torch.rand(1, 40, 44, 1) > 0.2).float().expand(-1, -1, -1, 3)
    return line, torch.rand(1, 40, 44, 3), (torch.rand(1, 40, 44) > 0.9).float()


@pytest.fixture
def guided(picture):
    """Positive and negative conditioning as ScribbleEncoder makes them."""
    from lineart_colorize.nodes.scribble_encoder import ScribbleEncoder

    line, colours, mask = picture
    return ScribbleEncoder.execute(colours, mask, line=line, mask_is="strokes").result


@pytest.fixture(scope="session")
def colorizer_files(tmp_path_factory):
    from lineart_colorize.models.colorizediffusion import checkpoint

    from .colorizediffusion import EVERY, tiny_vae, weights

    folder, vae = tmp_path_factory.mktemp("models"), {f"first_stage_model.{k}": v for k, v in tiny_vae().items()}
    for version in EVERY:
        save_file({**checkpoint.pack(weights(version)), **vae}, folder / f"{version}.safetensors")
    return folder


@pytest.fixture(scope="session")
def loaded(colorizer_files):
    """Version of ColorizeDiffusion -> (MODEL, VAE)."""
    from lineart_colorize.models.host.loading import load_colorizer

    return {path.stem: load_colorizer(str(path)) for path in colorizer_files.iterdir()}


@pytest.fixture
def v1(loaded):
    return loaded["v1"][0]


@pytest.fixture
def v2(loaded):
    return loaded["v2"][0]


@pytest.fixture
def watch(monkeypatch):
    """What the network's encoders and its UNet were called with, for a MODEL."""

    def calls(model):
        seen = {"unet": [], "sketch": [], **{name: [] for name in model.model.encoders}}
        network = model.model.diffusion_model
        parts = {"unet": (network, "run"), "sketch": (network.control_encoder, "forward")}
        parts |= {name: (patcher.model, "forward") for name, patcher in model.model.encoders.items()}
        for name, (part, method) in parts.items():
            original = getattr(part, method)

            def call(*args, name=name, original=original, **named):
                seen[name].append(args)
                return original(*args, **named)

            monkeypatch.setattr(part, method, call)
        return seen

    return calls
