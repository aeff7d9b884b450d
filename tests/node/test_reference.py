"""Colouring after a reference in the host: AnimeDiffusion, its own sampling, the same graph with another model."""

import pytest
import torch

comfy_sample = pytest.importorskip("comfy.sample", reason="needs ComfyUI: set COMFYUI_PATH")
from lineart_colorize.models import keys  # noqa: E402
from lineart_colorize.models.animediffusion import diffusion  # noqa: E402
from lineart_colorize.models.animediffusion.native import ddim_sampler, even_betas, sample_ddim  # noqa: E402
from lineart_colorize.models.animediffusion.network import AnimeDiffusion  # noqa: E402
from lineart_colorize.models.host.loading import load_colorizer  # noqa: E402
from lineart_colorize.nodes.colorize_sampler import ColorizeSampler  # noqa: E402
from lineart_colorize.nodes.lineart_ddim import LineartDDIM  # noqa: E402
from lineart_colorize.nodes.reference_tokens import ReferenceTokens  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

from .test_sampling import sample  # noqa: E402


@pytest.fixture(scope="module")
def reference_file(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("models") / "anime.safetensors"
    save_file(AnimeDiffusion(widths=(32, 64), blocks=1).state_dict(), path)
    return str(path)


@pytest.fixture
def anime(reference_file):
    return load_colorizer(reference_file)[0]


@pytest.fixture
def referred(picture):
    """Positive and negative as ReferenceTokens makes them; the reference has the drawing's size."""
    line, colours, _ = picture
    return ReferenceTokens.execute(colours, line=line).result


@pytest.fixture
def calls(anime, monkeypatch):
    network, seen = anime.model.diffusion_model, []
    run = network.run_network

    def run_network(x, t, *args, **conds):
        seen.append({"x": x, "t": t, **conds})
        return run(x, t, *args, **conds)

    monkeypatch.setattr(network, "run_network", run_network)
    return seen


def colorize(model, **inputs):
    chosen = {"seed": 1, "steps": 2, "cfg": 0.0, "sampler": "auto", "scheduler": "auto", "denoise": 1.0}
    return ColorizeSampler.execute(**{"model": model, "resolution": 32, **chosen, **inputs}).result


def bare(anime, positive):
    """The bare network's arguments for the guidance in a conditioning of the noise's size."""
    entry = positive[0][1]
    line, reference = entry[keys.LINE][..., :1], entry[keys.REFERENCE]
    return anime.model.diffusion_model.run_network, *(2 * p.movedim(-1, 1) - 1 for p in (line, reference))


def published(network):
    return lambda x, t, line, reference: network(x, t, line=line, reference=reference)


@pytest.mark.parametrize("eta", [0.0, 1.0])
@pytest.mark.parametrize("steps", [3, 10])
@torch.no_grad()
def test_the_node_samples_as_shipped(anime, referred, eta, steps):
    """Through the host's guider and wrappers: every noisy picture of the published chain."""
    from comfy.samplers import KSAMPLER

    network, line, reference = bare(anime, referred[0])
    noise, noises = torch.randn(1, 3, 40, 44), torch.randn(steps, 1, 3, 40, 44)
    gammas = anime.model.diffusion_model.gammas
    expected = [*diffusion.ddim(published(network), noise, line, reference, gammas, noises, eta, steps)]
    sigmas = LineartDDIM.execute(anime, steps=steps).result[1]
    draws, seen = iter(noises), []
    sampler = KSAMPLER(sample_ddim, {"eta": eta, "noise_sampler": lambda *_: next(draws)})
    out = comfy_sample.sample_custom(
        anime,
        noise,
        1.0,
        sampler,
        sigmas,
        *referred,
        torch.zeros_like(noise),
        callback=lambda step, picture, x, total: seen.append(x / (1 + sigmas[step] ** 2).sqrt()),
        disable_pbar=True,
    )
    for ours, theirs in zip([*seen[1:], out], expected, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-3)


def test_the_published_levels(anime):
    """901, 801, ..., 1 and then 0, of the table that the file holds."""
    sigmas = LineartDDIM.execute(anime).result[1]
    table = anime.get_model_object("model_sampling").sigmas
    assert torch.equal(sigmas, table[[901, 801, 701, 601, 501, 401, 301, 201, 101, 1, 0]])
    assert sigmas[[0, -2, -1]].tolist() == pytest.approx([7.626734, 0.003470, 0.001007], rel=1e-3)


def test_stock_nodes_take_it(anime, referred):
    from comfy_extras.nodes_custom_sampler import SamplerCustom

    sampler, sigmas = LineartDDIM.execute(anime, steps=4).result
    latent = {"samples": torch.zeros(1, 4, 40 // 8, 44 // 8), "downscale_ratio_spacial": 8}
    out = SamplerCustom.execute(anime, True, 3, 1.0, *referred, sampler, sigmas, latent).result[0]["samples"]
    assert out.shape == (1, 3, 40, 40) and out.isfinite().all() and out.abs().max() < 1.01


def test_it_takes_other_sigmas_and_other_models(model, guided):
    from comfy_extras.nodes_custom_sampler import BasicScheduler

    sigmas = BasicScheduler.execute(model, "karras", 4, 1.0).result[0]
    out = comfy_sample.sample_custom(
        model, torch.randn(1, 3, 40, 44), 1.0, ddim_sampler(0.5), sigmas, *guided, torch.zeros(1, 3, 40, 44), seed=1
    )
    assert out.isfinite().all() and out.abs().max() <= 1.001


def test_it_starts_from_a_picture(anime, referred):
    start = torch.rand(1, 3, 40, 44) * 2 - 1
    sampler, sigmas = LineartDDIM.execute(anime, eta=0.0).result
    noise = torch.randn_like(start)
    near, far = (
        comfy_sample.sample_custom(anime, noise, 1.0, sampler, part, *referred, start, disable_pbar=True)
        for part in (sigmas[-2:], sigmas)
    )
    assert (near - start).abs().mean() < 0.01 < (far - start).abs().mean()


def test_the_last_noise_alone_decides_at_eta_0(anime, referred):
    def run(eta, seed):
        sampler, sigmas = LineartDDIM.execute(anime, steps=3, eta=eta).result
        noise = torch.full((1, 3, 40, 44), 0.5)
        empty = torch.zeros_like(noise)
        return comfy_sample.sample_custom(
            anime, noise, 1.0, sampler, sigmas, *referred, empty, seed=seed, disable_pbar=True
        )

    assert torch.equal(run(0.0, 1), run(0.0, 2))
    assert torch.equal(run(1.0, 1), run(1.0, 1))
    assert not torch.equal(run(1.0, 1), run(1.0, 2))


def test_models_of_latents_are_told():
    from types import SimpleNamespace

    with pytest.raises(ValueError, match="needs a colorizer that works on pixels"):
        LineartDDIM.execute(SimpleNamespace(model=None))


@pytest.mark.parametrize("sampler", ["euler_ancestral", "ddim", "dpmpp_2m", "ddpm", "uni_pc"])
def test_stock_samplers(anime, referred, sampler):
    out = sample(anime, *referred, sampler=sampler, cfg=1.0)
    assert out.isfinite().all() and out.abs().max() < 1.01 and out.std() > 0


def test_the_schedule_is_the_files_own(tmp_path):
    network = AnimeDiffusion(widths=(32,), blocks=1)
    betas = torch.linspace(1e-4, 5e-3, 1000)
    network.gammas.copy_((1 - betas).cumprod(0))
    save_file(network.state_dict(), tmp_path / "other.safetensors")
    model = load_colorizer(str(tmp_path / "other.safetensors"))[0]
    expected = ((1 - network.gammas) / network.gammas).sqrt()
    assert torch.allclose(model.get_model_object("model_sampling").sigmas, expected, rtol=1e-5)
    velocity = load_colorizer(str(tmp_path / "other.safetensors"), prediction="v")[0]
    assert torch.allclose(velocity.get_model_object("model_sampling").sigmas, expected, rtol=1e-5)


def test_the_stock_schedule_node_keeps_the_betas(anime):
    from comfy_extras.nodes_model_advanced import ModelSamplingDiscrete

    patched = ModelSamplingDiscrete().patch(anime, "eps", False)[0]
    ours, theirs = (m.get_model_object("model_sampling").sigmas for m in (anime, patched))
    assert torch.allclose(ours, theirs, rtol=0.01)


def test_evenly_spaced_betas_are_recognised():
    found = even_betas(diffusion.schedule()["gammas"])
    assert found["timesteps"] == 1000
    assert [found["linear_start"], found["linear_end"]] == pytest.approx([1e-6, 1e-2], rel=0.01)


def test_half_precision_files_keep_the_schedule(tmp_path, reference_file, anime):
    network = AnimeDiffusion(widths=(32, 64), blocks=1).half()
    save_file(network.state_dict(), tmp_path / "half.safetensors")
    half = load_colorizer(str(tmp_path / "half.safetensors"))[0]
    ours, theirs = (m.get_model_object("model_sampling").sigmas for m in (half, anime))
    assert torch.allclose(ours, theirs, rtol=1e-4)


def test_guidance_fits_the_noise(anime, referred, calls):
    """White is 1 in the network; cond and uncond run as one batch, the uncond with white paper."""
    sample(anime, *referred, (1, 3, 20, 22), steps=1, cfg=3.0)
    assert calls[0]["x"].shape == (2, 3, 20, 22)
    assert calls[0]["line"].shape == (2, 1, 20, 22) and calls[0]["reference"].shape == (2, 3, 20, 22)
    white = calls[0]["reference"].flatten(1).eq(1).all(1)
    assert white.sum() == 1
    assert torch.equal(calls[0]["line"][0], calls[0]["line"][1])


def test_the_reference_decides(anime, picture):
    line, colours, _ = picture
    one, other = (
        colorize(anime, positive=ReferenceTokens.execute(c, line=line).result[0])[1] for c in (colours, 1 - colours)
    )
    assert not torch.equal(one, other)


def test_another_shape_of_reference_covers_the_drawing(anime, calls, picture):
    line = picture[0]
    stripes = torch.zeros(1, 20, 200, 3)
    stripes[:, :, 89:111] = torch.tensor([1.0, 0.0, 0.0])  # the middle 22 of 200 columns
    positive, negative = ReferenceTokens.execute(stripes, line=line).result
    sample(anime, positive, negative, (1, 3, 40, 44), steps=1, cfg=1.0)
    red = torch.tensor([1.0, -1.0, -1.0]).view(3, 1, 1)
    assert torch.allclose(calls[0]["reference"][0], red.expand(3, 40, 44))


def test_strength_and_mask(picture):
    line, colours, mask = picture
    positive, negative = ReferenceTokens.execute(colours, strength=0.25, line=line).result
    assert torch.equal(positive[0][1][keys.REFERENCE_MASK], torch.full((1, 40, 44), 0.25))
    assert not negative[0][1][keys.REFERENCE_MASK].any()
    assert positive[0][1].keys() == negative[0][1].keys()
    masked = ReferenceTokens.execute(colours, mask=mask).result[0][0][1]
    assert torch.equal(masked[keys.REFERENCE_MASK], mask)
    assert ReferenceTokens.execute(colours, mask=0 * mask).result[0][0][1][keys.REFERENCE_MASK].eq(1).all()


def test_strength_0_is_the_negative(anime, picture):
    line, colours, _ = picture
    positive, negative = ReferenceTokens.execute(colours, strength=0.0, line=line).result
    assert torch.equal(sample(anime, positive, negative, cfg=1.0), sample(anime, negative, negative, cfg=1.0))


def test_several_references_colour_one_drawing_each(anime, picture):
    line, colours, _ = picture
    positive = ReferenceTokens.execute(torch.cat([colours, 1 - colours, colours]), line=line).result[0]
    assert len(colorize(anime, positive=positive)[1]) == 3


@pytest.mark.parametrize("shape", [(1, 1, 1, 3), (1, 3, 900, 3), (1, 33, 47, 1), (1, 9, 9, 4), (2, 7, 5, 3)])
@pytest.mark.parametrize("value", [None, 0.0, 1.0, float("nan")])
def test_any_reference_gives_a_picture(anime, picture, shape, value):
    reference = torch.rand(shape) if value is None else torch.full(shape, value)
    positive, negative = ReferenceTokens.execute(reference, mask=torch.rand(1, 5, 6), line=picture[0]).result
    image = colorize(anime, positive=positive, negative=negative, steps=1)[1]
    assert image.shape == (shape[0], 40, 44, 3) and image.isfinite().all()


def test_the_drawing_as_its_own_reference(anime, picture):
    line = picture[0]
    assert colorize(anime, positive=ReferenceTokens.execute(line, line=line).result[0])[1].isfinite().all()


def test_no_reference_is_told(anime, picture):
    with pytest.raises(ValueError, match="connect a picture to ReferenceTokens"):
        colorize(anime, line=picture[0])


def test_the_same_graph_with_a_model_of_strokes(model, referred):
    """It finds no strokes and colours by itself."""
    assert colorize(model, positive=referred[0], negative=referred[1])[1].isfinite().all()


def test_strokes_and_reference_travel_together(anime, model, guided, picture):
    positive, negative = ReferenceTokens.execute(picture[1], positive=guided[0], negative=guided[1]).result
    for one in (anime, model):
        assert colorize(one, positive=positive, negative=negative)[1].isfinite().all()


@pytest.mark.parametrize("dtype", ["bf16", "fp16", "fp8_e4m3fn"])
def test_small_storage(reference_file, referred, dtype):
    out = sample(load_colorizer(reference_file, dtype=dtype)[0], *referred, cfg=1.0)
    assert out.isfinite().all()


def test_what_the_stock_node_saves_loads_again(tmp_path, anime):
    import comfy.sd

    comfy.sd.save_checkpoint(str(tmp_path / "saved.safetensors"), anime)
    again = load_colorizer(str(tmp_path / "saved.safetensors"))[0]
    assert torch.equal(again.model.diffusion_model.gammas, anime.model.diffusion_model.gammas)
