"""The reference colorizer that ships: its network, and the pairs it learns from."""

import numpy as np
import pytest
import torch
from lineart_colorize.models import registry, tps
from lineart_colorize.models.geodesic.network import GeodesicUNet
from lineart_colorize.models.likeness.election import COLOURS, dominant, elect
from lineart_colorize.models.likeness.network import CARRIED, HEAD, Likeness, config, extract, guidance
from lineart_colorize.training.canvas import Canvas
from lineart_colorize.training.characters import begin, pair
from lineart_colorize.training.curves import Pose
from lineart_colorize.training.figures import draw_character
from lineart_colorize.training.losses import match_loss
from lineart_colorize.training.objectives import Likeness as Objective
from lineart_colorize.training.palette import Style
from lineart_colorize.training.references import bend, matched_batch, place_tags, posed
from lineart_colorize.training.train import train
from safetensors.torch import load_file

TINY = {"widths": (8, 16), "detail": 8}


@pytest.fixture
def network():
    torch.manual_seed(0)
    return Likeness(**TINY).eval()


@pytest.mark.parametrize("size", [(1, 1), (5, 90), (33, 40)])
@torch.no_grad()
def test_any_drawing_meets_any_reference(network, size):
    line, reference = torch.rand(2, 1, *size), torch.rand(2, 3, 70, 20)
    match = network.match(line, reference)
    assert match.carried.shape[:2] == (2, CARRIED) and match.votes.shape[1] == match.palette.shape[1]
    output = network(torch.randn(2, 3, *size), torch.zeros(2), guidance(line, match), match.carried)
    assert output.shape == (2, 3, *size) and output.isfinite().all()


@torch.no_grad()
def test_each_head_carries_colours_of_the_reference(network):
    """Weighted means of the reference's colours lie between its extremes; of one colour they are that colour."""
    line = torch.rand(1, 1, 64, 64)
    reference = torch.rand(1, 3, 64, 64)
    colours = network.match(line, reference).carried.unflatten(1, (-1, HEAD))[:, :, :3]
    low, high = (2 * reference - 1).aminmax()
    assert colours.min() >= low - 1e-5 and colours.max() <= high + 1e-5
    flat = network.match(line, torch.full((1, 3, 64, 64), 0.75)).carried.unflatten(1, (-1, HEAD))
    torch.testing.assert_close(flat[:, :, :3], torch.full_like(flat[:, :, :3], 0.5))
    torch.testing.assert_close(flat[:, :, 3], torch.full_like(flat[:, :, 3], 0.25))


def test_the_majority_wins_on_each_side_of_a_line():
    line = torch.ones(1, 1, 48, 64)
    line[..., 30:32] = 0
    votes = torch.zeros(1, 3, 48, 64)
    votes[:, 0, :, :31], votes[:, 1, :, 31:], votes[:, 2] = 0.6, 0.7, 0.3
    votes[:, :2, 24:26] = 0  # a few dissent
    palette = torch.tensor([[[1.0, -1, -1], [-1, 1, -1], [-1, -1, 1]]])
    colour = elect(line, votes, palette)
    assert colour[:, 0, :, :28].min() > 0 and colour[:, 1, :, 34:].min() > 0
    assert colour[:, 0, :, 34:].max() < -0.9 and colour[:, 1, :, :28].max() < -0.9, "the line holds"
    torch.testing.assert_close(elect(line.mT, votes.mT, palette).mT, colour, atol=0.1, rtol=0)


def test_dominant_colours_are_those_of_the_picture():
    colours = torch.rand(COLOURS, 3, generator=torch.Generator().manual_seed(0))
    cells = colours.repeat(9, 1)[torch.randperm(9 * COLOURS)][None]
    palette, member = dominant(cells)
    torch.testing.assert_close(member @ palette, cells)
    palette, member = dominant(torch.full((1, 40, 3), 0.3))
    torch.testing.assert_close(member @ palette, torch.full((1, 40, 3), 0.3))


def test_files_tell_the_two_shipped_networks_apart(network):
    assert config(network.state_dict()) == TINY
    assert registry.identify(network.state_dict()).system == "likeness"
    assert registry.identify(GeodesicUNet(**TINY).state_dict()).system == "geodesic"


def test_lines_of_a_reference_are_black_on_white():
    picture = torch.ones(1, 3, 32, 32)
    picture[..., 15:17] = 0
    lines = extract(picture)
    assert lines[..., 15:17].max() < 0.1 and lines[..., :12].min() > 0.9


def test_a_pair_shows_the_same_figure_in_the_same_colours_elsewhere():
    same = 0
    for seed in range(6):
        first, second = np.split(pair(seed, 64), 2)
        assert (first != second).any()
        tones = [{tuple(c) for c in planes[:3].reshape(3, -1).T // 24} for planes in (first, second)]
        same += len(tones[0] & tones[1]) / min(map(len, tones))
    assert same / 6 > 0.35
    assert (pair(3, 64) == pair(3, 64)).all() and (pair(3, 64) != pair(4, 64)).any()


def test_what_the_edge_cuts_off_does_not_change_the_rest_of_a_figure():
    """The same number of layers, and the same draws left, whether a figure is in the picture or far outside."""
    ends = []
    for centre in ((0.5, 0.4), (0.95, 0.9), (9.0, 9.0)):
        canvas = Canvas(np.random.default_rng(0), 48, 48, 1.0, grain=np.random.default_rng(0))
        style = Style(np.random.default_rng(1))
        style.texture = 0.05
        begin(canvas, style, 5)
        draw_character(canvas, style, Pose(centre, 0.3))
        ends.append((canvas.layers, canvas.rng.bit_generator.state["state"]["state"]))
    assert ends[0] == ends[1] == ends[2]


def test_tags_of_a_bent_picture_name_the_place_it_shows():
    """Where tags agree, reference and picture show the same."""
    y, x = torch.meshgrid(torch.linspace(0, 1, 64), torch.linspace(0, 1, 64), indexing="ij")
    picture = torch.stack([x, y, x * y])
    for seed in range(6):
        grid = bend(np.random.default_rng(seed), 64, 64)
        reference = tps.warp(picture[None], grid)[0]
        own, source = (tag[:, 2::4, 2::4].flatten(1).T for tag in place_tags(grid[0]))
        same = (own[:, None] - source[None]).abs().amax(-1) < 1
        assert same.any(1).float().mean() > 0.3
        shown = [part[:, 2::4, 2::4].flatten(1).T for part in (picture, reference)]
        off = (shown[0][:, None] - shown[1][None]).abs().amax(-1)
        assert off[same].median() < 0.06 < off[~same].median()


def test_matching_is_rewarded():
    wanted = torch.tensor([[[0.0, 0, 0], [5, 5, 5], [99, 0, 0]]])
    offered = torch.tensor([[[5.2, 5, 5], [0.4, 0.4, 0]]])
    query, right, wrong = torch.eye(3)[None], torch.eye(3)[None, [1, 0]], torch.eye(3)[None, [0, 1]]
    assert match_loss(9 * query, right, wanted, offered) < 0.01 < 5 < match_loss(9 * query, wrong, wanted, offered)


def test_drawing_and_reference_change_their_colours_alike():
    pairs = np.stack([pair(seed, 64) for seed in range(2)])
    for seed in range(4):
        line, reference, wanted, offered, truth = posed(np.random.default_rng(seed), pairs[0])
        assert line.shape == (1, 64, 64) and reference.shape == truth.shape == (3, 64, 64)
        assert 0 <= reference.min() <= reference.max() <= 1
        same = (wanted.flatten(1)[:, :, None] - offered.flatten(1)[:, None, ::7]).abs().amax(0) < 1
        assert same.any(1).float().mean() > 0.3


def test_batch_number_decides_its_content():
    pairs = np.stack([pair(seed, 32) for seed in range(3)])
    first, again = (matched_batch(pairs[:, :5], pairs, 4, 0, 7) for _ in range(2))
    assert [len(part[0]) for part in first] == [1, 3, 3, 3, 3]
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[-1], matched_batch(pairs[:, :5], pairs, 4, 0, 8)[-1])


def test_a_few_steps_lower_every_loss(network):
    pairs = np.stack([pair(seed, 128) for seed in range(2)])
    batch = matched_batch(pairs[:, :5], pairs, 4, 0, 0)
    objective = Objective(network.train())
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    history = []
    for _ in range(12):
        losses = objective(batch, torch.Generator().manual_seed(0))
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
        history.append({name: loss.item() for name, loss in losses.items()})
    assert all(history[-1][name] < history[0][name] for name in ("picture", "carried", "matched"))


def test_a_smoke_run_writes_a_file_that_is_recognised(tmp_path):
    assert train(["likeness", "--smoke", "--drawings", "4", "--out", str(tmp_path)]) == 0
    weights = load_file(tmp_path / "likeness_reference.safetensors")
    assert registry.identify(weights).system == "likeness"
    assert {tensor.dtype for tensor in weights.values()} == {torch.float16}
