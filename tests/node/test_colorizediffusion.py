"""ColorizeDiffusion under the host's own samplers, with everything around it that belongs to the host."""

import pytest
import torch

pytest.importorskip("comfy.sample", reason="needs ComfyUI: set COMFYUI_PATH")
import comfy.sd
from comfy_extras import nodes_custom_sampler as custom
from lineart_colorize.models import keys
from lineart_colorize.models.conditioning import with_options, without_guidance
from lineart_colorize.models.host.conds import CONDRows
from lineart_colorize.models.host.loading import load_colorizer
from lineart_colorize.models.host.sampling import defaults
from lineart_colorize.nodes.colorize_sampler import ColorizeSampler
from lineart_colorize.nodes.lineart_guider import LineartGuider

from .colorizediffusion import (
    CHANNELS,
    CONTEXT,
    EVERY,
    LATENT,
    TOKENS,
    VERSIONS,
    conditioning,
    load_vae,
    run,
    with_masks,
)


@pytest.fixture(params=EVERY)
def model(request, loaded):
    return loaded[request.param][0]


def test_one_call_per_step_and_one_encoding_per_run(model, watch):
    seen = watch(model)
    assert run(model, steps=3).isfinite().all()
    assert [len(args[0]) for args in seen["unet"]] == [2, 2, 2]
    assert len(seen["sketch"]) == 1


def test_the_reference_decides(model):
    ours, other = conditioning(), conditioning()
    other[0][0][0] = other[0][0][0].flip(1) * 2
    assert not torch.allclose(run(model, ours, cfg=1.0), run(model, other, cfg=1.0), atol=1e-3)


def test_a_step_knows_the_noise_level_between_two_timesteps(v1):
    sampling = v1.get_model_object("model_sampling")
    t = torch.tensor([0.0, 1.0, 500.25, 998.5, 999.0])
    assert torch.allclose(sampling.timestep(sampling.sigma(t)), t, atol=1e-3)
    assert sampling.timestep(torch.tensor([1e-3, 99.0])).tolist() == [0.0, 999.0]


def test_sketch_hints_reach_the_picture_and_fade_with_their_strength(v1):
    conds = conditioning()
    blank = [[tokens, {**entry, keys.LINE: torch.ones_like(entry[keys.LINE])}] for tokens, entry in conds[0]]
    full, white = run(v1, conds, cfg=1.0), run(v1, (blank, conds[1]), cfg=1.0)
    none = run(v1, [with_options(side, sketch_strength=0.0) for side in conds], cfg=1.0)
    assert not torch.allclose(full, white) and not torch.allclose(none, white) and not torch.allclose(full, none)


@pytest.mark.parametrize("guidance", [(1.0, 1.0), (4.0, 1.0), (1.0, 2.0), (4.0, 2.0)])
def test_the_guider_in_the_hosts_sampler(model, watch, guidance):
    seen, (positive, _) = watch(model), conditioning()
    guider = LineartGuider.execute(model, positive, *guidance).result[0]
    noise = custom.RandomNoise.execute(7).result[0]
    sampler = custom.KSamplerSelect.execute("euler").result[0]
    sigmas = custom.BasicScheduler.execute(model, "sgm_uniform", 3, 1.0).result[0]
    latent = {"samples": torch.zeros(LATENT)}
    out = custom.SamplerCustomAdvanced.execute(noise, guider, sampler, sigmas, latent).result[0]["samples"]
    assert out.isfinite().all()
    assert [len(args[0]) for args in seen["unet"]] == [1 + sum(scale > 1 for scale in guidance)] * 3
    if guidance[1] == 1:
        assert torch.allclose(out, run(model, conditioning(), cfg=guidance[0]), atol=1e-4)


def test_both_guidances_are_the_mean_of_two(v1):
    """One step of Euler down to 0 gives the guided picture itself."""
    positive, _ = conditioning()
    noise = torch.randn(LATENT)
    sampler, sigmas = custom.KSamplerSelect.execute("euler").result[0], torch.tensor([3.0, 0.0])

    def picture(*guidance):
        guider = LineartGuider.execute(v1, positive, *guidance).result[0]
        return guider.sample(noise, torch.zeros(LATENT), sampler, sigmas, disable_pbar=True, seed=0)

    mean = (picture(4.0, 1.0) + picture(1.0, 2.0)) / 2
    assert torch.allclose(picture(4.0, 2.0), mean, rtol=1e-4, atol=1e-4)


def test_guidance_in_an_interval_saves_watch(v1, watch):
    seen, (positive, _) = watch(v1), conditioning()
    sampler, sigmas = custom.KSamplerSelect.execute("euler").result[0], torch.tensor([14.0, 2.0, 0.1, 0.0])
    for scales, most in (((4.0, 1.0), 2), ((4.0, 2.0), 3)):
        seen["unet"].clear()
        guider = LineartGuider.execute(v1, positive, *scales, start=0.1, end=0.8).result[0]
        guider.sample(torch.randn(LATENT), torch.zeros(LATENT), sampler, sigmas, disable_pbar=True, seed=0)
        assert [len(args[0]) for args in seen["unet"]] == [1, most, 1]


def test_a_lora_changes_the_picture(model):
    before = run(model, steps=2)
    target = "middle_block_1_transformer_blocks_0_attn2_to_q"
    lora = {
        f"lora_unet_{target}.lora_up.weight": torch.randn(4 * CHANNELS, 2),
        f"lora_unet_{target}.lora_down.weight": torch.randn(2, 4 * CHANNELS),
    }
    patched, _ = comfy.sd.load_lora_for_models(model, None, lora, 1.0, 0)
    assert not torch.allclose(before, run(patched, steps=2))
    assert torch.equal(before, run(model, steps=2))


def shape(model):
    """The UNet's arguments that a ControlNet has too."""
    network, config = model.model.diffusion_model, model.model.model_config.unet_config
    blocks = network.input_blocks
    depths = [
        len(block[1].transformer_blocks) if len(block) > 1 else 0 for block in blocks if hasattr(block[0], "emb_layers")
    ]
    names = ("model_channels", "num_head_channels", "num_classes", "adm_in_channels")
    return {
        **{name: config[name] for name in names if name in config},
        "image_size": 64,
        "in_channels": 4,
        "num_res_blocks": network.num_res_blocks,
        "channel_mult": network.channel_mult,
        "transformer_depth": depths,
        "transformer_depth_middle": len(network.middle_block[1].transformer_blocks),
        "num_classes": network.num_classes,
        "context_dim": network.context_dim,
        "use_spatial_transformer": True,
        "use_linear_in_transformer": network.middle_block[1].use_linear,
        "legacy": False,
    }


def test_a_controlnet(model):
    from comfy.cldm.cldm import ControlNet as Network
    from comfy.controlnet import ControlNet

    torch.manual_seed(0)
    network = Network(**shape(model), hint_channels=3)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    control = ControlNet(network, load_device=model.load_device).set_cond_hint(torch.rand(1, 3, 64, 64))
    plain = run(model, steps=2)
    guided = [[[tokens, {**entry, "control": control}] for tokens, entry in side] for side in conditioning()]
    out = run(model, guided, steps=2)
    assert out.isfinite().all() and not torch.allclose(plain, out)


def test_a_second_pass_at_another_size(model, watch):
    first = run(model, steps=2)
    larger = torch.nn.functional.interpolate(first, scale_factor=1.5)
    seen = watch(model)
    assert run(model, start=larger, denoise=0.5, steps=4).shape == (1, 4, 12, 12)
    assert [tuple(args[0].shape) for args in seen["sketch"]] == [(1, 3, 96, 96)]


def test_inpainting_keeps_the_rest(model):
    start, mask = torch.randn(LATENT), torch.zeros(1, 1, 8, 8)
    mask[..., 4:] = 1
    out = run(model, start=start, noise_mask=mask)
    assert torch.allclose(out[..., :4], start[..., :4], atol=1e-4)
    assert not torch.allclose(out[..., 4:], start[..., 4:], atol=1e-2)


def test_a_batch_of_four_with_one_reference(model, watch):
    seen = watch(model)
    out = run(model, shape=(4, 4, 8, 8), steps=2)
    assert out.shape == (4, 4, 8, 8) and not torch.allclose(out[0], out[1])
    assert [len(args[0]) for args in seen["unet"]] == [8, 8] and len(seen["sketch"][0][0]) == 1


def test_more_references_than_pictures(model):
    tokens = torch.randn(3, TOKENS, CONTEXT)
    positive = [[tokens, conditioning()[0][0][1]]]
    assert run(model, (positive, without_guidance(positive)), steps=1).shape == LATENT


@pytest.mark.parametrize("size", [(9, 13), (16, 4)])
def test_any_latent(v2, size):
    conds = [with_options(side, style=True) for side in with_masks(VAE=load_vae())]
    assert run(v2, conds, (1, 4, *size), steps=1).isfinite().all()


def test_an_area_sees_its_part_of_the_sketch(v1):
    positive, negative = conditioning()
    area = [[t, {**entry, "area": ("percentage", 0.5, 0.5, 0.25, 0.25), "strength": 1.0}] for t, entry in positive]
    assert run(v1, (positive + area, negative), (1, 4, 16, 16), steps=2).isfinite().all()


@pytest.mark.parametrize("dtype", ["fp16", "fp8_e4m3fn"])
def test_small_storage(colorizer_files, dtype):
    small = load_colorizer(str(colorizer_files / "v2.safetensors"), dtype=dtype)[0]
    conds = [with_options(side, style=True) for side in with_masks(VAE=load_vae())]
    assert run(small, conds, steps=2).isfinite().all()


def test_nodes_that_patch_the_unet(model):
    from comfy_extras.nodes_model_downscale import PatchModelAddDownscale
    from comfy_extras.nodes_pag import PerturbedAttentionGuidance

    shape = (1, 4, 16, 16)  # of which the middle block sees 2 x 2, enough for attention to be perturbed
    plain = run(model, shape=shape, steps=2)
    for patched in (
        PatchModelAddDownscale.execute(model, 3, 2.0, 0.0, 1.0, True, "bicubic", "bicubic").result[0],
        PerturbedAttentionGuidance.execute(model, 3.0).result[0],
    ):
        out = run(patched, shape=shape, steps=2)
        assert out.isfinite().all() and (out - plain).abs().mean() > 1e-3 * plain.std()


def test_tokens_of_another_width_are_told(model):
    text = [[torch.randn(1, 77, 768), conditioning()[0][0][1]]]
    with pytest.raises(ValueError, match=f"tokens 768 numbers wide, and this model reads {CONTEXT}"):
        run(model, (text, text), steps=1)


def test_a_reference_without_tokens_is_told(model):
    blank = [[torch.zeros(1, 1, 1), {**conditioning()[0][0][1], keys.EMPTY: True}]]
    with pytest.raises(ValueError, match="connect a CLIP vision model to clip_vision of ReferenceTokens"):
        run(model, (blank, blank), steps=1)


def test_a_drawing_alone(model):
    positive = [[torch.zeros(1, 1, 1), {keys.LINE: torch.rand(1, 64, 64, 3), keys.EMPTY: True}]]
    assert run(model, (positive, positive), steps=1).isfinite().all()


def test_no_line_art_is_told(model):
    nothing = [[torch.zeros(1, TOKENS, CONTEXT), {}]]
    with pytest.raises(ValueError, match="connect the drawing to the line input of ReferenceTokens"):
        run(model, (nothing, nothing), steps=1)


def test_rows_without_tokens_skip_cross_attention(model, monkeypatch):
    """Which changes nothing but the time."""
    with_skip = run(model, steps=2)
    monkeypatch.setattr(CONDRows, "process_cond", lambda self, batch_size, **_: CONDRows((True,) * batch_size))
    assert torch.allclose(with_skip, run(model, steps=2), atol=1e-4)


def test_cancelled_at_step_3_of_40(model, watch):
    import comfy.model_management as mm

    before, seen = run(model, steps=1), watch(model)

    def cancel(step, *_):
        if step == 2:
            mm.interrupt_current_processing()
            mm.throw_exception_if_processing_interrupted()

    with pytest.raises(mm.InterruptProcessingException):
        run(model, steps=40, callback=cancel)
    assert len(seen["unet"]) == 3
    assert torch.equal(run(model, steps=1), before)


def colorize(loaded, **inputs):
    chosen = {"seed": 1, "steps": 1, "cfg": 0.0, "sampler": "auto", "scheduler": "auto", "denoise": 1.0}
    return ColorizeSampler.execute(
        **{"model": loaded[0], "vae": loaded[1], "resolution": 64, **chosen, **inputs}
    ).result


def test_colorize_sampler_pads_the_drawing_and_cuts_the_margins_off(loaded):
    positive, negative = conditioning(**{keys.LINE: torch.rand(1, 50, 100, 3)})
    latent, image = colorize(loaded["v1"], positive=positive, negative=negative, resolution=96)
    assert latent["samples"].shape == (1, 4, 8, 16) and image.shape == (1, 50, 100, 3)


def test_colorize_sampler_takes_this_models_numbers(loaded, watch):
    seen = watch(loaded["v1"][0])
    colorize(loaded["v1"], positive=conditioning()[0])
    colorize(loaded["v1"], positive=conditioning()[0], sketch_cfg=2.0)
    assert [len(args[0]) for args in seen["unet"]] == [2, 3], "cfg is 4"
    assert [defaults(loaded[version][0])["size"] for version in VERSIONS] == [512, 512, 768]


def test_colorize_sampler_needs_the_vae(loaded):
    with pytest.raises(ValueError, match="connect the VAE of ColorizeModelLoader"):
        colorize((loaded["v1"][0], None), positive=conditioning()[0])


@pytest.mark.parametrize("version", EVERY)
def test_tiled_decoding(loaded, version):
    from nodes import VAEDecodeTiled

    model, vae = loaded[version]
    latent = {"samples": run(model, shape=(1, 4, 16, 16), steps=1)}
    image = VAEDecodeTiled().decode(vae, latent, tile_size=64, overlap=16)[0]
    assert image.shape == (1, 128, 128, 3) and image.isfinite().all()
