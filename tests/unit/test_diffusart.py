"""The network alone: the published layout at full size, any picture size, both input layouts."""

import json
from pathlib import Path

import pytest
import torch
from lineart_colorize.models import registry
from lineart_colorize.models.diffusart.network import Diffusart, config

DATA = Path(__file__).parent.parent / "data"
TINY = {"dim": 16, "widths": (16, 32, 16, 32, 32), "encoder_widths": (8, 8, 16, 24, 32)}


def network(**changes):
    torch.manual_seed(0)
    return Diffusart(**{**TINY, **changes}).eval().requires_grad_(False)


def guidance(height, width):
    return (
        torch.rand(1, 1, height, width) * 2 - 1,
        torch.rand(1, 3, height, width),
        torch.ones(1, 1, height, width),
    )


def predict(net, x, line, scribble, mask):
    hints = net.hints(scribble, mask)
    return net(x, torch.tensor([500.0]), net.sketch(line, hints), *net.encode(line, hints))


def test_the_published_layout_at_full_size():
    published = json.loads((DATA / "diffusart_keys.json").read_text())
    ours = Diffusart(device="meta").state_dict()
    assert {key: list(tensor.shape) for key, tensor in ours.items()} == published
    assert sum(tensor.numel() for tensor in ours.values()) == 93_255_749


@pytest.mark.parametrize("detfill", [False, True])
def test_arguments_come_back_from_the_state_dict(detfill):
    net = network(detfill=detfill)
    assert config(net.state_dict()) == {**TINY, "detfill": detfill}
    assert registry.identify(net.state_dict()).system == "diffusart"


def test_an_unknown_number_of_input_channels_is_told():
    state_dict = network().state_dict()
    state_dict["init_conv.weight"] = torch.zeros(16, 3, 3, 3)
    with pytest.raises(ValueError, match="3 input channels"):
        config(state_dict)


@pytest.mark.parametrize("size", [(1, 1), (3, 50), (37, 41), (64, 64)])
def test_any_size(size):
    out = predict(network(), torch.randn(1, 3, *size), *guidance(*size))
    assert out.shape == (1, 3, *size)
    assert out.isfinite().all()


def test_half_precision():
    """As the host runs it on a GPU: weights and pictures in bf16, timesteps in fp32."""
    pictures = (picture.bfloat16() for picture in guidance(16, 16))
    out = predict(network().bfloat16(), torch.randn(1, 3, 16, 16).bfloat16(), *pictures)
    assert out.dtype == torch.bfloat16 and out.isfinite().all()


def test_a_padded_picture_begins_like_the_whole_one():
    """Padding stands to the right and below, so the picture itself is not moved."""
    net = network()
    whole = predict(net, x := torch.randn(1, 3, 64, 64), *(pictures := guidance(64, 64)))
    part = predict(net, x[..., :63], *(picture[..., :63] for picture in pictures))
    shifted = predict(net, x[..., 1:], *(picture[..., 1:] for picture in pictures))
    assert (whole[..., :63] - part).abs().mean() < (whole[..., :63] - shifted).abs().mean()


def test_detfill_puts_the_mask_before_the_colours():
    colours, mask = torch.rand(1, 3, 8, 8), torch.full((1, 1, 8, 8), 0.5)
    expected = (2 * colours - 1) * 0.5
    assert torch.equal(network(detfill=True).hints(colours, mask), torch.cat([mask, expected], 1))
    assert torch.equal(network().hints(colours, mask), torch.cat([expected, mask], 1))


@pytest.mark.parametrize("detfill", [False, True])
def test_the_sketch_comes_first(detfill):
    """The first channel of the first convolution reads the line art, the last three the noisy picture."""
    net = network(detfill=detfill)
    seen = []
    net.init_conv.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    x, (line, scribble, mask) = torch.randn(1, 3, 8, 8), guidance(8, 8)
    predict(net, x, line, scribble, mask)
    assert torch.equal(seen[0][:, :1], line)
    assert torch.equal(seen[0][:, -3:], x)
    assert seen[0].shape[1] == (8 if detfill else 4)


def test_strokes_reach_the_picture():
    net = network()
    for attention in (net.mid_cross_attn_1, net.mid_cross_attn_2):
        attention.fn.gamma.data.fill_(1)
    x, (line, scribble, mask) = torch.randn(1, 3, 16, 16), guidance(16, 16)
    assert not torch.allclose(predict(net, x, line, scribble, mask), predict(net, x, line, scribble, 0 * mask))
