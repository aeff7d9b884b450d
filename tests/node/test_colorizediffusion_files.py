"""ColorizeDiffusion files: the published layout at full size, what may lie beside it, and what is told of others."""

import json
import logging
from pathlib import Path

import pytest
import torch

pytest.importorskip("comfy.sample", reason="needs ComfyUI: set COMFYUI_PATH")
from lineart_colorize.models import registry
from lineart_colorize.models.colorizediffusion import checkpoint
from lineart_colorize.models.host.loading import load_colorizer
from safetensors.torch import save_file

from .colorizediffusion import EVERY, VERSIONS, tiny_vae, weights

DATA = Path(__file__).parents[1] / "data"
PUBLISHED = {"v1": 1013.5, "v1.5": 1125.0, "v2": 1747.6}  # million parameters


def published(version):
    """The whole layout of a published file on the meta device."""
    named = json.loads((DATA / f"colorizediffusion_{version.replace('.', '')}_keys.json").read_text())
    return {key: torch.empty(shape, device="meta") for key, (shape, _) in named.items()}


@pytest.mark.parametrize("version", VERSIONS)
def test_the_published_layout_at_full_size(version):
    found = registry.identify(published(version))
    assert (found.system, found.config["version"], found.config["context_dim"]) == ("colorizediffusion", version, 1024)
    vae = sum(tensor.numel() for tensor in found.vae.values())
    total = sum(tensor.numel() for tensor in found.state_dict.values()) + vae
    assert total / 1e6 == pytest.approx(PUBLISHED[version], abs=0.06) and vae / 1e6 == pytest.approx(83.65, abs=0.01)


def test_the_published_vae_is_the_hosts():
    from comfy.ldm.models.autoencoder import AutoencoderKL

    widths = {"ch": 128, "ch_mult": [1, 2, 4, 4], "num_res_blocks": 2, "attn_resolutions": [], "resolution": 256}
    ends = {"in_channels": 3, "out_ch": 3, "z_channels": 4, "double_z": True, "dropout": 0.0}
    with torch.device("meta"):
        host = AutoencoderKL(ddconfig={**widths, **ends}, embed_dim=4).state_dict()
    found = registry.identify(published("v1")).vae
    assert {key: tensor.shape for key, tensor in found.items()} == {key: tensor.shape for key, tensor in host.items()}


@pytest.mark.parametrize("version", EVERY)
def test_names_and_back(version):
    ours = weights(version)
    assert checkpoint.unpack(checkpoint.pack(ours)).keys() == ours.keys()
    assert any(".lora_" in key for key in checkpoint.pack(ours)) == (version not in ("v1", "sdxl"))


@pytest.mark.parametrize(
    "beside",
    [
        {},
        {"model_ema.decay": torch.ones(1), "model_ema.diffusion_modelinput_blocks00weight": torch.ones(1)},
        {"cond_stage_model.model.visual.class_embedding": torch.ones(8), "betas": torch.ones(1000)},
    ],
)
@pytest.mark.parametrize("version", EVERY)
def test_what_may_lie_beside(version, beside):
    found = registry.identify({"state_dict": {**checkpoint.pack(weights(version)), **beside}, "epoch": 1})
    assert found.state_dict.keys() == weights(version).keys()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_file_that_lacks_something_is_told(version):
    state_dict = checkpoint.pack(weights(version))
    del state_dict["control_encoder.zero_blocks.1.0.bias"]
    with pytest.raises(ValueError, match=r"not a whole one \(1 missing: control_encoder\.zero_blocks\.1\.0\.bias\)"):
        registry.identify(state_dict)


def test_a_plain_checkpoint_is_told():
    plain = {key: tensor for key, tensor in published("v1").items() if not key.startswith("control_encoder.")}
    with pytest.raises(ValueError, match=r"no colorizer .* looks like a Stable Diffusion checkpoint"):
        registry.identify(plain)


@pytest.fixture
def file(tmp_path):
    def make(version="v1", **beside):
        path = tmp_path / "model.safetensors"
        save_file({**checkpoint.pack(weights(version)), **beside}, path)
        return str(path)

    return make


@pytest.mark.parametrize(("version", "kind"), [("v1", "eps"), ("v1.5", "eps"), ("v2", "v")])
def test_predictions(file, version, kind, caplog):
    """The same output read as noise and as velocity, at one noise level."""
    x, out, sigma = torch.randn(1, 4, 4, 4), torch.randn(1, 4, 4, 4), torch.tensor([2.0])
    expected = {"eps": x - sigma * out, "v": x / 5 - out * 2 / 5**0.5}
    for prediction in ("auto", "eps", "v"):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            sampling = load_colorizer(file(version), prediction=prediction)[0].get_model_object("model_sampling")
        picture = expected[kind if prediction == "auto" else prediction]
        assert torch.allclose(sampling.calculate_denoised(sigma, out, x), picture, atol=1e-6)
        assert (f"published as {kind}" in caplog.text) == (prediction not in ("auto", kind))
        assert [float(sampling.sigma_min), float(sampling.sigma_max)] == pytest.approx([0.029167, 14.614642], rel=1e-4)


@pytest.mark.parametrize(
    ("name", "kind"), [("sdxl-eps-ft", "eps"), ("SDXL_EPS", "eps"), ("sdxl-3000steps", "v"), ("v2-full", "v")]
)
def test_a_name_with_eps_tells_the_prediction(file, tmp_path, name, kind, caplog):
    path = tmp_path / f"{name}.safetensors"
    Path(file("v2" if name == "v2-full" else "sdxl")).rename(path)
    patcher = load_colorizer(str(path))[0]
    assert patcher.model.model_type.name == {"eps": "EPS", "v": "V_PREDICTION"}[kind]
    assert "published as" not in caplog.text
    load_colorizer(str(path), prediction="v")
    assert ("read as v, published as eps" in caplog.text) == (kind == "eps")
    again, arguments = patcher.cached_patcher_init
    assert again(*arguments).model.model_type == patcher.model.model_type


def test_an_impossible_prediction_is_told(file):
    with pytest.raises(ValueError, match="does not predict x0: set prediction to auto or eps or v"):
        load_colorizer(file(), prediction="x0")


def test_the_vae_comes_out_of_the_same_file(file):
    assert load_colorizer(file())[1] is None
    named = {f"first_stage_model.{key}": tensor for key, tensor in tiny_vae().items()}
    vae = load_colorizer(file(**named))[1]
    assert vae.decode(torch.zeros(1, 4, 4, 4)).shape == (1, 32, 32, 3)
    lost = next(iter(named))
    del named[lost]
    with pytest.raises(ValueError, match=rf"its VAE is not whole, missing are {lost.partition('.')[2]}"):
        load_colorizer(file(**named))


@pytest.mark.parametrize("version", EVERY)
def test_what_the_stock_node_saves_loads_again(file, tmp_path, version):
    import comfy.sd

    patcher = load_colorizer(file(version))[0]
    path = str(tmp_path / "saved.safetensors")
    comfy.sd.save_checkpoint(path, patcher)
    again = load_colorizer(path)[0]
    ours, theirs = (one.model.diffusion_model.state_dict() for one in (patcher, again))
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert again.model.encoders.keys() == patcher.model.encoders.keys()
