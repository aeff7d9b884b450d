"""SCFT alone: the published layout at full size, any size, its attention in both layouts, its losses."""

import json
from pathlib import Path

import pytest
import torch
from lineart_colorize.models import registry
from lineart_colorize.models.layers import Layers
from lineart_colorize.models.scft import correspondence, losses
from lineart_colorize.models.scft.network import Discriminator, Generator, Transfer, config, discriminator_config

DATA = Path(__file__).parent.parent / "data"
TINY = (2, 3, 4, 5, 6)


def generator(places=False, widths=TINY):
    torch.manual_seed(0)
    network = Generator(widths, places).eval().requires_grad_(False)
    network.compute_dtype = torch.float32
    return network


def pictures(size=(32, 48), other=(48, 32)):
    torch.manual_seed(1)
    return torch.rand(1, 3, *other) * 2 - 1, torch.rand(1, 1, *size) * 2 - 1


def test_the_published_layout_at_full_size():
    published = json.loads((DATA / "scft_lee2020_keys.json").read_text())
    ours = {}
    for part, network in (("generator", Generator(device="meta")), ("discriminator", Discriminator(device="meta"))):
        ours |= {f"{part}_state_dict.{key}": list(tensor.shape) for key, tensor in network.state_dict().items()}
    assert ours == published
    assert sum(weight.numel() for weight in Generator(device="meta").parameters()) == 82_120_688
    assert sum(weight.numel() for weight in Discriminator(device="meta").parameters()) == 2_767_681


@pytest.mark.parametrize("places", [False, True])
def test_arguments_come_back_from_the_state_dict(places):
    assert config(generator(places).state_dict()) == {"widths": TINY, "places": places}
    assert discriminator_config(Discriminator((2, 3, 4, 5)).state_dict()) == {"widths": (2, 3, 4, 5)}


@pytest.mark.parametrize(
    "wrap",
    [
        lambda weights: {"generator_state_dict": weights, "discriminator_state_dict": {}, "epoch": 3},
        lambda weights: (
            {f"generator_state_dict.{k}": v for k, v in weights.items()} | {"discriminator.x": torch.ones(1)}
        ),
        lambda weights: {f"module.{k}": v for k, v in weights.items()},
    ],
)
def test_files_as_they_are_published(wrap):
    found = registry.identify(wrap(generator().state_dict()), "line art network")
    assert found.system == "scft" and found.config == {"widths": TINY, "places": False}


def test_the_wrong_loader_is_told():
    with pytest.raises(
        ValueError, match=r"no colorizer but a line art network \(scft\): load it with LineartNetworkLoader"
    ):
        registry.identify(generator().state_dict())
    missing = generator().state_dict()
    del missing["scft.W_k.weight"]
    with pytest.raises(ValueError, match=r"1 missing: scft\.W_k\.weight"):
        registry.identify(missing, "line art network")


@pytest.mark.parametrize("places", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (17, 50), (64, 32)])
@pytest.mark.parametrize("other", [(64, 32), (5, 90)])
def test_any_size_of_drawing_and_reference(places, size, other):
    reference, line = pictures(size, other)
    out = generator(places)(reference, line)
    assert out.shape == (1, 3, *size)
    assert out.isfinite().all() and out.abs().max() <= 1


def test_the_published_tokens_are_memory_in_a_row():
    """A token of the published layout is C numbers as they lie; of the paper's, the C channels of a place."""
    x = torch.arange(3 * 4.0).view(1, 3, 2, 2)
    for places, first in ((False, [0, 1, 2]), (True, [0, 4, 8])):
        transfer = Transfer(Layers(), 3, places)
        assert transfer.tokens(x)[0, 0].tolist() == first
        assert torch.equal(transfer.map(transfer.tokens(x), x), x)


def test_places_find_their_like():
    """With identity weights every place of the drawing takes the value of the place with the same features."""
    torch.manual_seed(3)
    transfer = Transfer(Layers(), 8, places=True).requires_grad_(False)
    for layer in (transfer.W_q, transfer.W_k, transfer.W_v):
        layer.weight.copy_(torch.eye(8))
    joint_s = 30 * torch.nn.functional.normalize(torch.randn(1, 8, 2, 3), dim=1)
    joint_r = joint_s.flatten(2)[..., [5, 4, 3, 2, 1, 0]].view(1, 8, 3, 2)
    assert torch.allclose(transfer(joint_r, joint_s), 2 * joint_s, atol=1e-2)
    region = torch.zeros(1, 2, 3)
    region[0, 0, 1] = 1  # token 1 of the drawing is token 4 of the reference
    heat = transfer.origin(joint_r, joint_s, region)
    assert heat.shape == (1, 3, 2) and heat.flatten().argmax() == 4


@pytest.mark.parametrize("places", [False, True])
def test_origin_is_the_jacobian_of_the_transfer(places):
    """Root of the summed squares of d transferred / d reference, the attention held."""
    torch.manual_seed(4)
    transfer = Transfer(Layers(), 5, places).requires_grad_(False)
    joint_r, joint_s = torch.randn(1, 5, 2, 3), torch.randn(1, 5, 3, 2)
    region = torch.zeros(1, 3, 2)
    region[0, 1, 0] = region[0, 2, 1] = 1
    attention = transfer.products(joint_r, joint_s).softmax(-1)

    def brought(joint_r):
        return transfer.map(attention @ transfer.W_v(transfer.tokens(joint_r)), joint_s)

    jacobian = torch.autograd.functional.jacobian(brought, joint_r)[0, :, :, :, 0]  # C h w, C h' w'
    expected = (jacobian.square() * region[0][None, :, :, None, None, None]).sum((0, 1, 2, 3)).sqrt()
    assert torch.allclose(transfer.origin(joint_r, joint_s, region)[0], expected, atol=1e-5)


def test_wrong_products_take_the_next_picture_and_the_values():
    transfer = Transfer(Layers(), 5, places=False).requires_grad_(False)
    joint_r, joint_s = torch.randn(3, 5, 2, 2), torch.randn(3, 5, 2, 2)
    wrong = transfer.wrong_products(joint_r, joint_s)
    transfer.W_k.weight.copy_(transfer.W_v.weight)
    assert torch.allclose(wrong, transfer.products(joint_r[[1, 2, 0]], joint_s), atol=1e-6)


def test_gram_mixes_the_batch():
    activations = torch.rand(2, 3, 4, 5)
    gram = losses.gram(activations)
    assert gram.shape == (6, 6)
    assert gram[0, 4].item() == pytest.approx((activations[0, 0] * activations[1, 1]).sum().item() / 120, rel=1e-4)


def test_triplet_wants_a_margin():
    right = torch.tensor([[[20.0, 0.0]]])
    assert losses.triplet(right, torch.zeros(1, 1, 2)).item() == 6  # 0 and 12


def vgg_weights():
    torch.manual_seed(5)
    state_dict, before = {}, 3
    for index in (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34):
        state_dict |= {
            f"features.{index}.weight": torch.randn(2, before, 3, 3),
            f"features.{index}.bias": torch.randn(2),
        }
        before = 2
    return state_dict


def test_vgg_stages_stand_before_each_pooling():
    sizes = [tuple(stage.shape[2:]) for stage in losses.VGG19(vgg_weights())(torch.rand(1, 3, 32, 16))]
    assert sizes == [(32, 16), (16, 8), (8, 4), (4, 2), (2, 1)]


def test_every_loss_trains_its_network():
    torch.manual_seed(0)
    network, judge = Generator(TINY), Discriminator((2, 3, 4, 5))
    reference, line = torch.rand(2, 3, 48, 48), torch.rand(2, 1, 48, 48)
    found, picture = losses.generator_losses(
        network, judge, losses.VGG19(vgg_weights()), reference, line, torch.rand(2, 3, 48, 48)
    )
    assert found.keys() == losses.WEIGHTS.keys()
    for name in found:
        grads = torch.autograd.grad(found[name], network.scft.W_q.weight, retain_graph=True, allow_unused=True)
        assert grads[0] is not None and grads[0].abs().sum() > 0, name
    losses.discriminator_loss(judge, picture, reference, line).backward()
    assert judge.layers[0].layers[0].weight.grad is not None
    assert all(weight.grad is None for weight in network.parameters())


@pytest.mark.parametrize(("places", "expected"), [(False, (256, 256)), (True, (256, 128))])
def test_published_weights_get_a_square(places, expected):
    assert correspondence.working_size(800, 400, 256, places) == expected


def test_a_point_is_a_pixel():
    assert correspondence.point(1.0, 0.0, 3, 4).nonzero().tolist() == [[0, 0, 3]]
    assert correspondence.point(0.3, 0.5, 3, 4).nonzero().tolist() == [[0, 1, 1]]


@torch.no_grad()
@pytest.mark.parametrize("places", [False, True])
def test_colours_and_heat(places):
    line, reference = torch.rand(1, 40, 60, 3), torch.rand(1, 33, 21, 4)
    region = correspondence.point(0.2, 0.7, 40, 60)
    colours, heat = correspondence.colour(generator(places), line, reference, region, 64)
    assert colours.shape == (1, 48 if places else 64, 64, 3) and colours.min() >= 0 and colours.max() <= 1
    assert heat.shape == (1, 33, 21) and heat.max() <= 1 and heat.max() > 0.5
    picture = correspondence.heat_picture(reference, heat)
    assert picture.shape == (1, 33, 21, 3) and picture.min() >= 0 and picture.max() <= 1
