"""A colorizer under the host's own samplers: what reaches the network, how often, and what comes out."""

from types import SimpleNamespace

import pytest
import torch

comfy_sample = pytest.importorskip("comfy.sample", reason="needs ComfyUI: set COMFYUI_PATH")
from lineart_colorize.cli.parity import diffusart as published  # noqa: E402
from lineart_colorize.models import keys  # noqa: E402
from lineart_colorize.models.host.loading import load_colorizer  # noqa: E402


def sample(
    model,
    positive,
    negative,
    shape=(1, 3, 40, 44),
    *,
    start=None,
    steps=3,
    cfg=3.0,
    sampler="euler",
    **options,
):
    latent = torch.zeros(shape) if start is None else start
    noise = comfy_sample.prepare_noise(latent, 7)
    return comfy_sample.sample(
        model,
        noise,
        steps,
        cfg,
        sampler,
        options.pop("scheduler", "sgm_uniform"),
        positive,
        negative,
        latent,
        seed=7,
        disable_pbar=True,
        **options,
    )


@pytest.fixture
def calls(model, monkeypatch):
    """What the network and its encoder were called with."""
    network = model.model.diffusion_model
    seen = SimpleNamespace(network=[], encoder=[])
    run, encode = network.run_network, network.encode

    def run_network(x, t, *args, **conds):
        seen.network.append({"x": x, "t": t, **conds})
        return run(x, t, *args, **conds)

    def encode_strokes(line, hints):
        seen.encoder.append({"line": line, "hints": hints})
        return encode(line, hints)

    monkeypatch.setattr(network, "run_network", run_network)
    monkeypatch.setattr(network, "encode", encode_strokes)
    return seen


@pytest.mark.parametrize(("cfg", "sides"), [(1.0, 1), (3.0, 2)])
def test_one_call_per_step_and_one_encoding_per_run(model, guided, calls, cfg, sides):
    sample(model, *guided, steps=4, cfg=cfg)
    assert [tuple(call["x"].shape) for call in calls.network] == [(sides, 3, 40, 44)] * 4
    assert len(calls.encoder) == sides


def test_the_schedule(model):
    """Betas evenly spaced from 1e-4 to 2e-2: sigma 0.0100, 3.443 and 157.41 at t = 0, 500 and 999."""
    sigmas = model.get_model_object("model_sampling").sigmas
    assert sigmas[[0, 500, 999]].tolist() == pytest.approx([0.0100, 3.443, 157.41], rel=1e-3)


def test_the_stock_schedule_node_keeps_the_betas(model):
    from comfy_extras.nodes_model_advanced import ModelSamplingDiscrete

    patched = ModelSamplingDiscrete().patch(model, "v_prediction", False)[0]
    ours, theirs = (m.get_model_object("model_sampling") for m in (model, patched))
    assert torch.equal(ours.sigmas, theirs.sigmas)


@pytest.mark.parametrize("sampler", ["dpmpp_2m", "euler", "ddim", "ddpm", "dpmpp_2m_sde", "uni_pc"])
def test_samplers(model, guided, sampler):
    out = sample(model, *guided, sampler=sampler)
    assert out.shape == (1, 3, 40, 44)
    assert out.isfinite().all() and out.abs().max() < 1.01 and out.std() > 0


def test_ancestral_sampling_over_all_steps(tiny_file, guided):
    model = load_colorizer(tiny_file, clamp=False)[0]
    out = sample(model, *guided, (1, 3, 8, 8), steps=1000, cfg=1.0, sampler="ddpm", scheduler="normal")
    assert out.isfinite().all()


def test_the_network_sees_whole_timesteps(model, guided, calls):
    sample(model, *guided, steps=1000, cfg=1.0, scheduler="simple", shape=(1, 3, 8, 8), last_step=3)
    assert [call["t"].item() for call in calls.network] == [999, 998, 997]


def test_the_clamp(tiny_file, guided):
    clamped, free = (load_colorizer(tiny_file, clamp=clamp)[0] for clamp in (True, False))
    assert sample(clamped, *guided, steps=1).abs().max() < 1.001
    assert sample(free, *guided, steps=1).abs().max() > 1


@pytest.mark.parametrize("size", [(1, 1), (7, 90), (37, 41)])
def test_sizes(model, guided, size):
    assert sample(model, *guided, (1, 3, *size)).shape == (1, 3, *size)


def test_one_picture_serves_a_batch(model, guided, calls):
    out = sample(model, *guided, (3, 3, 24, 24))
    assert out.shape[0] == 3 and not torch.equal(out[0], out[1])
    assert len(calls.encoder[0]["line"]) == 1


def test_frames_go_one_to_one(model, picture, calls):
    line, colours, mask = picture
    frames = torch.cat([line, 1 - line])
    entry = {keys.LINE: frames, keys.SCRIBBLE: colours, keys.SCRIBBLE_MASK: mask}
    conds = [[torch.zeros(1, 1, 1), entry]]
    sample(model, conds, conds, (2, 3, 40, 44), cfg=1.0)
    assert torch.equal(calls.network[0]["sketch"], 2 * frames[..., 0][:, None] - 1)
    assert torch.equal(calls.encoder[0]["hints"][0], calls.encoder[0]["hints"][1])


def test_a_second_pass_at_another_size(model, guided, calls):
    first = sample(model, *guided, (1, 3, 24, 32))
    larger = torch.nn.functional.interpolate(first, (48, 64))
    assert sample(model, *guided, start=larger, denoise=0.5).shape == (1, 3, 48, 64)
    assert [tuple(call["line"].shape[2:]) for call in calls.encoder] == [(24, 32)] * 2 + [(48, 64)] * 2


def test_denoise_starts_from_the_picture(model, guided):
    start = torch.rand(1, 3, 40, 44) * 2 - 1
    near, far = (sample(model, *guided, start=start, denoise=denoise, steps=4) for denoise in (0.05, 1.0))
    assert (near - start).abs().mean() < (far - start).abs().mean()


def test_the_noise_mask_keeps_the_rest(model, guided):
    start, mask = torch.rand(1, 3, 40, 44) * 2 - 1, torch.zeros(1, 1, 40, 44)
    mask[..., 20:] = 1
    out = sample(model, *guided, start=start, noise_mask=mask)
    assert torch.allclose(out[..., :20], start[..., :20], atol=1e-5)
    assert not torch.allclose(out[..., 20:], start[..., 20:], atol=1e-2)


def test_an_area_sees_its_part_of_the_guidance(model, guided, calls):
    positive, negative = guided
    area = [
        [tokens, {**entry, "area": ("percentage", 0.5, 0.4, 0.25, 0.3), "strength": 1.0}] for tokens, entry in positive
    ]
    out = sample(model, positive + area, negative)
    assert out.isfinite().all()
    cropped = next(call for call in calls.network if call["x"].shape[2:] != (40, 44))
    height, width = cropped["x"].shape[2:]
    assert cropped["sketch"].shape[2:] == (height, width)
    assert (height, width) == (20, 18)
    assert cropped["context_1"].shape[2:] == (3, 3)  # rows 10 to 29, columns 13 to 30


def test_masks_blend_conditionings(model, guided, picture):
    positive, negative = guided
    mask = torch.zeros(1, 40, 44)
    mask[..., :22] = 1
    halves = [
        [tokens, {**entry, "mask": region, "set_area_to_bounds": False, "mask_strength": 1.0}]
        for (tokens, entry), region in ((positive[0], mask), (negative[0], 1 - mask))
    ]
    assert sample(model, halves, negative).isfinite().all()


def test_previews_are_the_picture_itself(model):
    import latent_preview
    from comfy.cli_args import LatentPreviewMethod, args

    before, args.preview_method = args.preview_method, LatentPreviewMethod.Auto
    try:
        previewer = latent_preview.get_previewer("cpu", model.model.latent_format)
    finally:
        args.preview_method = before
    shown = previewer.decode_latent_to_preview(torch.tensor([-1.0, 0.0, 1.0]).view(1, 3, 1, 1).expand(1, 3, 2, 2))
    assert shown.getpixel((0, 0)) == (0, 127, 255)


def test_interrupt_stops_sampling(model, guided):
    import comfy.model_management as mm

    def interrupt(*args):
        mm.interrupt_current_processing()
        mm.throw_exception_if_processing_interrupted()

    with pytest.raises(mm.InterruptProcessingException):
        sample(model, *guided, callback=interrupt)


def test_a_lora_changes_the_picture(model, guided):
    import comfy.sd

    before = sample(model, *guided)
    target = "mid_block2.mlp.1"
    lora = {
        f"diffusion_model.{target}.lora_up.weight": torch.randn(16, 2),
        f"diffusion_model.{target}.lora_down.weight": torch.randn(2, 64),
    }
    patched, _ = comfy.sd.load_lora_for_models(model, None, lora, 1.0, 0)
    assert not torch.allclose(before, sample(patched, *guided))
    assert torch.equal(before, sample(model, *guided))


def test_wrappers_of_other_nodes_run(model, guided):
    from comfy.patcher_extension import WrappersMP

    seen, patched = [], model.clone()
    patched.add_wrapper_with_key(
        WrappersMP.DIFFUSION_MODEL,
        "test",
        lambda run, *args, **conds: (seen.append(1), run(*args, **conds))[1],
    )
    sample(patched, *guided, steps=2)
    assert len(seen) == 2


def test_a_conditioning_without_line_art_is_told(model):
    nothing = [[torch.zeros(1, 1, 1), {}]]
    with pytest.raises(ValueError, match="connect the drawing to the line input of ScribbleEncoder"):
        sample(model, nothing, nothing)


@pytest.mark.parametrize("dtype", ["bf16", "fp16", "fp8_e4m3fn"])
def test_small_storage_gives_nearly_the_same_picture(model, tiny_file, guided, dtype):
    small = load_colorizer(tiny_file, dtype=dtype)[0]
    full, rounded = (sample(m, *guided, cfg=1.0, steps=2) for m in (model, small))
    assert rounded.isfinite().all() and (full - rounded).abs().mean() < 0.1


def test_strokes_change_the_picture(model, guided):
    positive, negative = guided
    assert not torch.equal(sample(model, positive, negative, cfg=1.0), sample(model, negative, negative, cfg=1.0))


def published_setting(tiny_file, picture, clamp):
    """The MODEL, and its bare network as a function of (x, t) with the same guidance."""
    patcher = load_colorizer(tiny_file, clamp=clamp)[0]
    network = patcher.model.diffusion_model
    line, colours, mask = picture
    hints = network.hints(colours.movedim(-1, 1), mask[:, None])
    drawing = 2 * line[..., 0][:, None] - 1
    contexts = network.encode(drawing, hints)
    return patcher, lambda x, t: network.run_network(
        x, t.view(1), sketch=drawing, context_1=contexts[0], context_2=contexts[1]
    )


@torch.no_grad()
def test_dpmpp_2m_with_the_clamp_is_the_published_fast_path(tiny_file, guided, picture):
    from comfy.samplers import sampler_object

    noise = torch.randn(1, 3, 40, 44)
    patcher, eps = published_setting(tiny_file, picture, clamp=True)
    gammas, timesteps = published.schedule()["alphas_cumprod"], published.solver_timesteps(6)
    expected = published.solver(eps, noise, timesteps, gammas, clamp=True)[-1]
    sigmas = torch.cat([((1 - gammas) / gammas).sqrt()[timesteps], torch.zeros(1)])
    out = comfy_sample.sample_custom(
        patcher, noise, 1.0, sampler_object("dpmpp_2m"), sigmas, *guided, torch.zeros_like(noise), disable_pbar=True
    )
    assert torch.allclose(out, expected, atol=1e-3)


@torch.no_grad()
def test_ddpm_is_the_shipped_chain(tiny_file, guided, picture):
    """Its last four steps with the same noise: no clamp, no noise at t = 0."""
    from comfy.k_diffusion.sampling import sample_ddpm
    from comfy.samplers import KSAMPLER

    start, noises, timesteps = torch.randn(1, 3, 40, 44), torch.randn(4, 1, 3, 40, 44), torch.arange(3, -1, -1)
    patcher, eps = published_setting(tiny_file, picture, clamp=False)
    tables = published.schedule()
    expected = published.ancestral(eps, start, timesteps, noises, tables)[-1]
    gammas, draws = tables["alphas_cumprod"], iter(noises)
    sigmas = torch.cat([((1 - gammas) / gammas).sqrt()[timesteps], torch.zeros(1)])
    out = comfy_sample.sample_custom(
        patcher,
        torch.zeros_like(start),
        1.0,
        KSAMPLER(sample_ddpm, {"noise_sampler": lambda sigma, following: next(draws)}),
        sigmas,
        *guided,
        start / gammas[3].sqrt(),
        disable_pbar=True,
    )
    assert torch.allclose(out, expected, atol=1e-4)
