"""The shipped colorizer's own parts: propagation, network, finish."""

import pytest
import torch
from lineart_colorize.models.finish import finish
from lineart_colorize.models.geodesic.network import GUIDANCE, GeodesicUNet, config, guidance
from lineart_colorize.models.geodesic.propagation import nearest_stroke, propagate
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra


def grid_distances(cost, starts):
    """Shortest 4-connected paths by SciPy; a step costs the mean of its two pixels."""
    height, width = cost.shape
    number = torch.arange(height * width).view(height, width)
    ends = [(number[:, :-1], number[:, 1:]), (number[:-1], number[1:])]
    a, b = (torch.cat([pair[i].flatten() for pair in ends]) for i in (0, 1))
    weight = (cost.flatten()[a] + cost.flatten()[b]) / 2
    graph = coo_matrix((weight, (a, b)), shape=(height * width,) * 2).tocsr()
    return torch.from_numpy(dijkstra(graph, directed=False, indices=starts, min_only=True)).view(height, width)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (12, 17), (33, 8)])
def test_distances_are_the_shortest_paths(size):
    generator = torch.Generator().manual_seed(0)
    line = (torch.rand(size, generator=generator) > 0.3).float()
    mask = torch.zeros(size)
    mask.view(-1)[:: max(1, mask.numel() // 3)] = 1
    distance, source = nearest_stroke(line[None], mask[None], wall=80)
    expected = grid_distances(1 + 80 * (1 - line.double()), mask.flatten().nonzero()[:, 0].numpy())
    torch.testing.assert_close(distance[0].double(), expected, rtol=1e-3, atol=1e-3)
    assert mask.flatten()[source[0].flatten()].all()


def test_a_closed_line_holds_two_colours_apart():
    line = torch.ones(1, 1, 40, 40)
    line[..., 20] = 0
    scribble, mask = torch.zeros(1, 3, 40, 40), torch.zeros(1, 1, 40, 40)
    mask[..., 5, 19] = mask[..., 35, 39] = 1
    scribble[:, 0, 5, 19], scribble[:, 2, 35, 39] = 1, 1
    spread, near = propagate(line, scribble, mask, wall=80, reach=1.0)
    assert (spread[:, 0, :, :20] == 1).all() and (spread[:, 2, :, 21:] == 1).all()
    assert near.max() == 1


def test_without_strokes_nothing_is_near():
    spread, near = propagate(
        torch.ones(2, 1, 8, 8), torch.rand(2, 3, 8, 8), torch.zeros(2, 1, 8, 8), wall=80, reach=1.0
    )
    assert (spread == 0.5).all() and (near == 0).all()


def test_weaker_strokes_reach_less_far():
    line, scribble, mask = torch.ones(1, 1, 16, 16), torch.rand(1, 3, 16, 16), torch.zeros(1, 1, 16, 16)
    mask[..., 3:5, 3:5] = 1
    strong, weak = guidance(line, scribble, mask), guidance(line, scribble, mask / 2)
    assert torch.equal(strong[:, :-1], weak[:, :-1])
    torch.testing.assert_close(weak[:, -1], strong[:, -1] ** 2)


def test_propagation_of_a_batch_is_that_of_each():
    line, scribble = torch.rand(3, 1, 20, 16), torch.rand(3, 3, 20, 16)
    mask = (torch.rand(3, 1, 20, 16) > 0.95).float()
    whole = guidance(line, scribble, mask)
    assert whole.shape == (3, GUIDANCE, 20, 16)
    for i in range(3):
        part = slice(i, i + 1)
        torch.testing.assert_close(guidance(line[part], scribble[part], mask[part]), whole[part])


@pytest.mark.parametrize("size", [(1, 1), (7, 30), (33, 64), (64, 64)])
def test_network_takes_any_size_and_its_config_is_in_its_weights(size):
    network = GeodesicUNet((8, 16, 24), 4).eval()
    assert config(network.state_dict()) == {"widths": (8, 16, 24), "detail": 4}
    with torch.no_grad():
        output = network(torch.randn(2, 3, *size), torch.zeros(2), torch.randn(2, GUIDANCE, *size))
    assert output.shape == (2, 3, *size) and output.isfinite().all()


def test_finish_keeps_colours_on_their_side_of_a_line():
    line = torch.ones(1, 160, 160, 1)
    line[:, :, 77:80] = 0
    colour = torch.zeros(1, 20, 20, 3)
    colour[:, :, :10, 0] = 1
    colour[:, :, 10:, 2] = 1
    raised = finish(colour, line, ink=False)
    assert raised.shape == (1, 160, 160, 3)
    torch.testing.assert_close(raised[:, :, :77], torch.tensor([1.0, 0, 0]).expand(1, 160, 77, 3), atol=0.02, rtol=0)
    torch.testing.assert_close(raised[:, :, 80:], torch.tensor([0.0, 0, 1]).expand(1, 160, 80, 3), atol=0.02, rtol=0)


def test_finish_leaves_the_ink_as_it_is():
    line = (torch.rand(2, 50, 70, 1) > 0.2).float()
    result = finish(torch.rand(1, 16, 16, 3), line)
    assert result.shape == (2, 50, 70, 3)
    assert (result[line[..., 0] == 0] == 0).all() and (result[line[..., 0] == 1] > 0).all()


@pytest.mark.parametrize(
    ("small", "full"), [((1, 1), (1, 1)), ((1, 1), (9, 5)), ((8, 1), (64, 3)), ((32, 32), (16, 16))]
)
def test_finish_takes_any_size(small, full):
    result = finish(torch.rand(1, *small, 3), torch.rand(1, *full, 3))
    assert result.shape == (1, *full, 3) and result.isfinite().all()
