"""AnimeDiffusion alone: the published layout at full size, any picture size, its process step by step."""

import json
from pathlib import Path

import pytest
import torch
from lineart_colorize.models import registry
from lineart_colorize.models.animediffusion import diffusion
from lineart_colorize.models.animediffusion.network import AnimeDiffusion, config

DATA = Path(__file__).parent.parent / "data"
TINY = {"widths": (32, 64, 64), "blocks": 1, "cbam": False, "timesteps": 50}
GAMMAS = diffusion.schedule()["gammas"]


def network(**changes):
    torch.manual_seed(0)
    return AnimeDiffusion(**{**TINY, **changes}).eval().requires_grad_(False)


def pictures(height, width, batch=1):
    torch.manual_seed(1)
    return [torch.rand(batch, channels, height, width) * 2 - 1 for channels in (3, 1, 3)]


def test_the_published_layout_at_full_size():
    published = json.loads((DATA / "animediffusion_keys.json").read_text())
    ours = AnimeDiffusion(device="meta")
    assert {key: list(tensor.shape) for key, tensor in ours.state_dict().items()} == published
    assert sum(weight.numel() for weight in ours.parameters()) == 52_301_251


@pytest.mark.parametrize(
    "changes",
    [{}, {"cbam": True}, {"blocks": 2}, {"blocks": 3, "widths": (32, 64)}, {"widths": (64,)}, {"timesteps": 1000}],
)
def test_arguments_come_back_from_the_state_dict(changes):
    state_dict = network(**changes).state_dict()
    assert config(state_dict) == {**TINY, **changes}
    assert (
        registry.identify({"state_dict": {f"model.{k}": v for k, v in state_dict.items()}}).system == "animediffusion"
    )


def test_a_retraining_without_schedule_is_told():
    state_dict = {key: value for key, value in network().state_dict().items() if key.startswith("denoise_fn.")}
    with pytest.raises(ValueError, match=r"no schedule .* SSIMBaD"):
        config(state_dict)


def test_missing_keys_are_named():
    state_dict = network().state_dict()
    del state_dict["denoise_fn.encoder_block.2.conv2.3.bias"]
    with pytest.raises(ValueError, match=r"1 missing: denoise_fn\.encoder_block\.2\.conv2\.3\.bias"):
        registry.identify(state_dict)


@pytest.mark.parametrize("size", [(1, 1), (3, 50), (37, 41), (16, 24)])
def test_any_size(size):
    out = network()(pictures(*size)[0], torch.tensor([7]), *pictures(*size)[1:])
    assert out.shape == (1, 3, *size)
    assert out.isfinite().all()


def test_picture_line_and_reference_stand_in_this_order():
    net, seen = network(), []
    net.denoise_fn.input.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    x, line, reference = pictures(8, 8)
    net(x, torch.tensor([7]), line, reference)
    assert torch.equal(seen[0], torch.cat([x, line, reference], 1))


def test_without_a_time_no_block_hears_of_it():
    net = network()
    for name, weight in net.named_parameters():
        if ".time_emb." in name:
            weight.zero_()
    x, *guidance = pictures(8, 8)
    assert torch.equal(net(x, None, *guidance), net(x, torch.tensor([7]), *guidance))
    assert not torch.equal(network()(x, None, *guidance), network()(x, torch.tensor([7]), *guidance))


def test_cbam_weighs_the_decoder_only():
    net = network(cbam=True)
    places = {key.split(".attention.")[0] for key in net.state_dict() if "channel_attention" in key}
    assert places == {f"denoise_fn.decoder_block.{index}" for index in (0, 2, 4)}  # 1 and 3 end in an upsampling
    x, *guidance = pictures(8, 8)
    plain = network()
    plain.load_state_dict(net.state_dict(), strict=False)
    assert not torch.allclose(net(x, torch.tensor([7]), *guidance), plain(x, torch.tensor([7]), *guidance))


def test_half_precision():
    x, *guidance = (picture.bfloat16() for picture in pictures(8, 8))
    out = network().bfloat16()(x, torch.tensor([7.0]), *guidance)
    assert out.dtype == torch.bfloat16 and out.isfinite().all()


def test_the_schedule():
    """The figures of the published table: gammas and sigmas at t = 0, 101, 901, 999."""
    at = GAMMAS[[0, 101, 901, 999]]
    assert at.tolist() == pytest.approx([0.99999899, 0.949637, 0.016901, 0.006623], rel=1e-4)
    sigmas = ((1 - at) / at).sqrt().tolist()
    assert sigmas == pytest.approx([0.001007, 0.230292, 7.626734, 12.247329], rel=1e-3)


@pytest.mark.parametrize(("count", "top"), [(1, 1), (10, 901), (30, 958), (50, 981), (999, 999)])
def test_timesteps(count, top):
    at, following = diffusion.timesteps(count)
    assert (len(at), at[0], at[-1]) == (count, 1, top)
    assert following == [0, *at[:-1]]


@pytest.mark.parametrize("count", [0, 1000])
def test_more_steps_than_levels_are_told(count):
    with pytest.raises(ValueError, match="take 1 to 999 steps"):
        diffusion.timesteps(count)


def known_noise(picture, noise):
    """A network that knows the answer, whatever the time."""
    return lambda x, t, line, reference: noise


def test_ddim_finds_the_picture_when_the_noise_is_known():
    picture, line, reference = pictures(4, 4)
    noise = torch.randn_like(picture)
    x = diffusion.add_noise(picture, noise, GAMMAS[901])
    *_, last = diffusion.ddim(known_noise(picture, noise), x, line, reference, GAMMAS, [noise] * 10, eta=0.0)
    assert torch.allclose(last, diffusion.add_noise(picture, noise, GAMMAS[0]), atol=1e-3)


def test_inversion_leads_to_the_level_sampling_starts_at():
    picture, line, reference = pictures(4, 4)
    noise, times = torch.randn_like(picture), []

    def net(x, t, line, reference):
        times.append(t)
        return noise

    x = diffusion.fix_forward(net, picture, line, reference, GAMMAS, noise)
    assert torch.allclose(x, diffusion.add_noise(picture, noise, GAMMAS[901]), atol=1e-3)
    assert times == [None] * 9


def test_the_clamp_leaves_the_direction_alone():
    eps = torch.full((1, 3, 2, 2), 0.5)
    x = torch.full((1, 3, 2, 2), 9.0)
    picture = diffusion.predicted(x, eps, 0.5)
    assert torch.equal(picture, torch.ones_like(picture))
    stepped = diffusion.ddim_step(picture, eps, 0.5, 0.84, 0.0, torch.zeros(()))
    assert torch.allclose(stepped, torch.full_like(stepped, 0.84**0.5 + 0.4 * 0.5))


def test_eta_1_gives_the_variance_it_takes():
    """Zero picture, noise of variance 1: every step keeps the variance at 1 - gamma, for any eta."""
    torch.manual_seed(2)
    eps, noise = torch.randn(2, 1, 3, 64, 64)
    for eta in (0.0, 0.5, 1.0):
        stepped = diffusion.ddim_step(torch.zeros_like(eps), eps, 0.3, 0.6, eta, noise)
        assert stepped.var().item() == pytest.approx(0.4, rel=0.03)


def test_phase_2_trains_through_every_step():
    net = network(timesteps=20).requires_grad_(True)
    picture, line, reference = pictures(8, 8)
    noise, noises = torch.randn_like(picture), torch.randn(3, *picture.shape)
    result = diffusion.reconstruct(net, picture, line, reference, net.gammas, noise, noises, steps=3)
    (result - picture).square().mean().backward()
    assert net.denoise_fn.input[0].weight.grad.abs().sum() > 0


def test_phase_1_sums_over_the_batch():
    picture, line, reference = pictures(4, 4, batch=2)
    noise = torch.randn_like(picture)
    loss = diffusion.noise_loss(
        known_noise(picture, noise + 0.5), picture, line, reference, GAMMAS, torch.tensor([3, 9]), noise
    )
    assert loss.item() == pytest.approx(0.25 * picture.numel())
