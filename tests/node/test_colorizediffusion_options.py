"""What a user may set about ColorizeDiffusion: split attention, style, injection, windows, strengths."""

import pytest
import torch

pytest.importorskip("comfy.sample", reason="needs ComfyUI: set COMFYUI_PATH")
from comfy_extras import nodes_custom_sampler as custom
from lineart_colorize.models import keys
from lineart_colorize.models.conditioning import with_options
from lineart_colorize.nodes.lineart_guider import LineartGuider
from lineart_colorize.nodes.lineart_reference_options import LineartReferenceOptions

from .colorizediffusion import EVERY, LATENT, conditioning, load_vae, run, with_masks


@pytest.fixture(params=EVERY)
def model(request, loaded):
    return loaded[request.param][0]


def test_split_attention_colours_figures_and_ground_apart(model):
    """Where both halves are strongest, each decides; off, or without a mask, nothing is split."""
    conds = with_masks(VAE=load_vae())
    plain, split = run(model, conditioning(), cfg=1.0), run(model, conds, cfg=1.0)
    assert split.isfinite().all() and not torch.allclose(plain, split, atol=1e-3)
    off = [with_options(side, split="off") for side in conds]
    assert torch.allclose(run(model, off, cfg=1.0), plain, atol=1e-4)


def test_masks_of_other_sizes_mean_the_same(model):
    figures = torch.zeros(1, 64, 64)
    figures[:, 8:40, 16:] = 1
    larger = figures.repeat_interleave(2, 1).repeat_interleave(3, 2)
    one, other = (run(model, with_masks(VAE=load_vae(), FOREGROUND=mask), steps=1) for mask in (figures, larger))
    assert torch.allclose(one, other, atol=1e-4)


def test_figures_without_a_ground_are_told(model):
    conds = with_masks()
    for side in conds:
        del side[0][1][keys.BACKGROUND_TOKENS]
    with pytest.raises(ValueError, match="connect reference_foreground or background to ReferenceTokens"):
        run(model, conds, steps=1)
    assert run(model, [with_options(side, split="foreground") for side in conds], steps=1).isfinite().all()


def test_more_tokens_in_front_than_behind(model):
    """Several references are concatenated; the ground comes from one picture. Repeating it changes nothing."""
    conds = with_masks(VAE=load_vae())
    for side in conds:
        side[0][0] = side[0][0].repeat(1, 2, 1)
        side[0][1][keys.WHOLE] = side[0][1][keys.WHOLE].repeat(1, 2, 1)
    assert torch.allclose(run(model, conds, cfg=1.0), run(model, with_masks(VAE=load_vae()), cfg=1.0), atol=1e-3)


def test_v2_runs_its_encoders_once_per_generation(v2, watch):
    seen = watch(v2)
    conds = [with_options(side, style=True) for side in with_masks(VAE=load_vae())]
    run(v2, conds, steps=3)
    assert {name: len(args) for name, args in seen.items()} == {
        "unet": 3,
        "sketch": 1,
        "bg_encoder": 1,
        "style_encoder": 1,
    }
    assert not v2.model.made, "what encoders gave is dropped with the run"


def test_v2_with_a_background_of_its_own(v2, watch):
    seen = watch(v2)
    conds = with_masks(VAE=load_vae(), BACKGROUND=torch.rand(1, 30, 90, 3))
    plain = run(v2, conds, steps=1)
    mixed = run(v2, [with_options(side, style=True, merge=0.3) for side in conds], steps=1)
    assert len(seen["bg_encoder"]) == 2 and len(seen["style_encoder"]) == 2
    assert not torch.allclose(plain, mixed)


def test_v2_without_a_vae_is_told(v2):
    with pytest.raises(ValueError, match="connect the VAE of ColorizeModelLoader to vae of ReferenceTokens"):
        run(v2, with_masks(), steps=1)


@pytest.mark.parametrize(("mode", "rows"), [("exact", [2, 2]), ("fast", [1, 2])])
def test_injection(model, watch, mode, rows):
    seen, vae = watch(model), load_vae()
    conds = [with_options(side, injection=mode, injection_start=0.4) for side in conditioning(**{keys.VAE: vae})]
    plain, seed = run(model, steps=2), run(model, conds, steps=2)
    assert not torch.allclose(plain, seed) and torch.equal(seed, run(model, conds, steps=2))
    assert [len(args[0]) for args in seen["unet"]][2:5] == [2, *rows], "nothing before its start"


def test_fast_injection_is_exact_without_guidance(v1):
    vae = load_vae()
    pictures = [
        run(v1, [with_options(side, injection=mode) for side in conditioning(**{keys.VAE: vae})], cfg=1.0, steps=2)
        for mode in ("exact", "fast")
    ]
    assert torch.equal(*pictures)


def test_injection_and_both_guidances(v1, watch):
    seen, (positive, _) = watch(v1), conditioning(**{keys.VAE: load_vae()})
    positive = with_options(positive, injection="fast", injection_sketch=0.5)
    sampler, sigmas = custom.KSamplerSelect.execute("euler").result[0], torch.tensor([3.0, 0.0])
    guider = LineartGuider.execute(v1, positive, 4.0, 2.0).result[0]
    out = guider.sample(torch.randn(LATENT), torch.zeros(LATENT), sampler, sigmas, disable_pbar=True, seed=0)
    assert out.isfinite().all() and [len(args[0]) for args in seen["unet"]] == [2, 3]


def test_windows(v1):
    """Outside the window, and in its pause, the picture is that of no reference at all."""
    conds = conditioning()
    nothing = run(v1, (conds[1], conds[1]), cfg=1.0)
    for window in ({"start": 1.0}, {"end": 0.0, "start": 0.5}, {"pause_start": 0.0, "pause_end": 1.0}):
        assert torch.allclose(run(v1, [with_options(s, **window) for s in conds], cfg=1.0), nothing, atol=1e-4), window
    late, early = (run(v1, [with_options(s, **w) for s in conds], cfg=1.0) for w in ({"start": 0.5}, {"end": 0.5}))
    whole = run(v1, conds, cfg=1.0)
    assert not any(torch.allclose(one, two) for one, two in ((late, early), (late, whole), (late, nothing)))


def test_options_as_the_node_writes_them(v1):
    conds = LineartReferenceOptions.execute(*conditioning()[:1], block_strengths=", ".join(["0"] * 16)).result
    assert conds[0][0][1][keys.OPTIONS] == conds[1][0][1][keys.OPTIONS]
    nothing = (conditioning()[1], conditioning()[1])
    assert torch.allclose(run(v1, conds, cfg=1.0), run(v1, nothing, cfg=1.0), atol=1e-4)
    with pytest.raises(ValueError, match="There are 2 block strengths, but this model has 16"):
        run(v1, LineartReferenceOptions.execute(*conditioning()[:1], block_strengths="1, 1").result)
    with pytest.raises(ValueError, match="There are 6 sketch levels, but this model has 5"):
        run(v1, LineartReferenceOptions.execute(*conditioning()[:1], sketch_levels="1 1 1 1 1 1").result)
    for name in ("block_strengths", "sketch_levels"):
        with pytest.raises(ValueError, match="numbers with commas"):
            LineartReferenceOptions.execute(*conditioning()[:1], **{name: "all"})


def test_a_window_that_ends_before_it_begins_is_told(v1):
    backwards = {"start": 0.6, "end": 0.4}
    with pytest.raises(ValueError, match="Expected start below end, found"):
        LineartReferenceOptions.execute(*conditioning()[:1], **backwards)
    with pytest.raises(ValueError, match="Expected start below end, found"):
        LineartGuider.execute(v1, conditioning()[0], **backwards)
