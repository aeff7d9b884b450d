"""ColorizeDiffusion where memory is short: what the host unloads, splits and falls back to, and what is left behind."""

import pytest
import torch

pytest.importorskip("comfy.sample", reason="needs ComfyUI: set COMFYUI_PATH")
import comfy.clip_vision
import comfy.model_management as mm
from lineart_colorize.models.conditioning import with_options
from lineart_colorize.models.host import clip as towers
from lineart_colorize.models.host.loading import load_colorizer
from lineart_colorize.nodes.reference_tokens import ReferenceTokens

from .colorizediffusion import CONTEXT, EVERY, load_vae, run, with_masks

CARD = torch.device("cpu", 0)  # to the host another device than the CPU, where models are unloaded to


@pytest.fixture(params=EVERY)
def version(request):
    return request.param


@pytest.fixture
def model(loaded, version):
    return loaded[version][0]


def everything():
    """A conditioning for which all that a model has beside its UNet has to work."""
    return [with_options(side, style=True) for side in with_masks(VAE=load_vae())]


def run_out(monkeypatch, part, method, after=0):
    """Has a network run out of memory once, after so many calls."""
    original, calls = getattr(part, method), []

    def call(*args, **named):
        calls.append(args)
        if len(calls) == after + 1:
            raise mm.OOM_EXCEPTION("none left")
        return original(*args, **named)

    monkeypatch.setattr(part, method, call)


def test_both_sides_run_one_after_the_other(model, watch, monkeypatch):
    together = run(model, steps=2)
    seen = watch(model)
    monkeypatch.setattr(type(model), "get_free_memory", lambda *_: 0)
    assert torch.allclose(run(model, steps=2), together, atol=1e-3)
    assert [len(args[0]) for args in seen["unet"]] == [1] * 4


@pytest.mark.parametrize("injection", ["exact", "fast"])
def test_both_sides_with_injection(model, watch, monkeypatch, injection):
    """Rows that run alone read what they read together, but in fast mode: without tokens there is no other row."""
    conds = [with_options(side, injection=injection) for side in everything()]
    together = run(model, conds, steps=2)
    seen = watch(model)
    monkeypatch.setattr(type(model), "get_free_memory", lambda *_: 0)
    apart = run(model, conds, steps=2)
    assert torch.allclose(apart, together, atol=1e-3) == (injection == "exact") and apart.isfinite().all()
    assert [len(args[0]) for args in seen["unet"]] == [1] * 8


def test_out_of_memory_in_a_step(model, monkeypatch):
    """It is told as the host's, and the next run is as if nothing had been."""
    conds = [with_options(side, injection="exact") for side in everything()]
    before = run(model, conds, steps=2)
    run_out(monkeypatch, model.model.diffusion_model.out[-1], "forward", after=1)
    with pytest.raises(mm.OOM_EXCEPTION):
        run(model, conds, steps=2)
    assert torch.equal(run(model, conds, steps=2), before)
    assert not model.model.made and not model.model_options["transformer_options"].get("patches")


@pytest.mark.parametrize("version", ["v2", "xlv2"])
def test_out_of_memory_in_an_encoder(model, version, monkeypatch):
    before = run(model, everything(), steps=1)
    run_out(monkeypatch, model.model.encoders["bg_encoder"].model, "forward")
    with pytest.raises(mm.OOM_EXCEPTION):
        run(model, everything(), steps=1)
    assert torch.equal(run(model, everything(), steps=1), before) and not model.model.made


def test_out_of_memory_in_decoding(loaded, version, monkeypatch, caplog):
    """The host decodes in tiles instead."""
    model, vae = loaded[version]
    latent = run(model, steps=1)
    whole = vae.decode(latent)
    run_out(monkeypatch, vae.first_stage_model, "decode")
    assert torch.allclose(vae.decode(latent), whole, atol=1e-3) and "retrying with tiled" in caplog.text


@pytest.fixture
def card(monkeypatch):
    """A pretended graphics card; its size is set once it is known what is to fit."""
    sizes = {"card": 0}

    def free(device=None, torch_free_too=False):
        left = sizes["card"] - sum(one.loaded_size() for one in mm.loaded_models() if one and one.load_device == CARD)
        return (left, left) if torch_free_too else left

    mm.unload_all_models()
    for name, value in {"get_torch_device": lambda: CARD, "get_free_memory": free}.items():
        monkeypatch.setattr(mm, name, value)
    for name in ("text_encoder_device", "vae_device"):
        monkeypatch.setattr(mm, name, lambda: CARD)
    monkeypatch.setattr(mm, "minimum_inference_memory", lambda: 0)
    yield sizes
    mm.unload_all_models()


@pytest.mark.parametrize("version", ["v2", "xlv2"])
def test_only_the_unet_stays_on_a_small_card(card, colorizer_files, version, monkeypatch):
    """CLIP, VAE and encoders leave when the UNet samples, and what comes out is the same."""
    model, vae = load_colorizer(str(colorizer_files / f"{version}.safetensors"), dtype="fp32")
    conds = [with_options(side, style=True) for side in with_masks(VAE=vae)]
    clip = tiny_clip()
    monkeypatch.setitem(towers.VISION, CONTEXT, "a tiny network")
    held, network, needed = [], model.model.diffusion_model, model.model.memory_required([2, 4, 8, 8])

    def watch(*args, run=network.run, **named):
        held.append({patcher.model for patcher in mm.loaded_models()})
        return run(*args, **named)

    monkeypatch.setattr(network, "run", watch)
    pictures = []
    for card["card"] in (1e12, 1.2 * model.model_size() + needed):
        mm.unload_all_models()
        ReferenceTokens.execute(torch.rand(1, 40, 50, 3), clip_vision=clip)
        pictures.append(vae.decode(run(model, conds, steps=2)))
    beside = {clip.model, vae.first_stage_model, *(patcher.model for patcher in model.model.encoders.values())}
    assert held[0] == held[1] == {model.model, *beside}, "a large card keeps all"
    assert held[2] == held[3] == {model.model}, "a small one keeps what works"
    assert torch.allclose(*pictures, atol=1e-3)


def tiny_clip():
    shape = {"hidden_size": 32, "num_attention_heads": 2, "num_hidden_layers": 1, "intermediate_size": 32}
    shape |= {"hidden_act": "gelu", "num_channels": 3, "image_size": 224, "patch_size": 14}
    clip = comfy.clip_vision.ClipVisionModel({**shape, "projection_dim": CONTEXT, "model_type": "clip_vision_model"})
    for parameter in clip.model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return clip
