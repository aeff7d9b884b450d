"""Thin-plate-spline warps: exact at their points, seeded, any batch and size."""

import pytest
import torch
from lineart_colorize.models import tps

DRAWS = [tps.moved_grid, tps.moved_diagonal]


def draw(points, batch=3, seed=0):
    return points(batch, torch.Generator().manual_seed(seed))


def at(grid, points):
    """The grid's values at points that fall on its pixels."""
    side = grid.shape[1] - 1
    x, y = (points * side).round().long().unbind(-1)
    return torch.stack([one[rows, columns] for one, rows, columns in zip(grid, y, x, strict=True)])


@pytest.mark.parametrize("points", DRAWS)
def test_every_target_looks_at_its_source(points):
    source, target = draw(points)
    target = (target * 100).round() / 100  # pixels of a picture of 101
    grid = tps.grid(tps.fit(source, target), target, 101, 101)
    assert torch.allclose(at(grid, target), source.float(), atol=1e-4)


def test_points_that_stay_bend_nothing():
    source, _ = draw(tps.moved_grid, batch=1)
    grid = tps.grid(tps.fit(source, source), source, 5, 9)
    assert torch.allclose(grid[0, 1, 2], torch.tensor([2 / 8, 1 / 4]))
    assert torch.allclose(grid[0, 4, 8], torch.ones(2))


def test_an_affine_move_has_no_bend():
    matrix = torch.tensor([[0.8, 0.1], [-0.2, 0.9]], dtype=torch.float64)
    source = draw(tps.moved_grid, batch=1)[0].double()
    parameters = tps.fit(source, source @ matrix + 0.05)
    assert parameters[:, :-3].abs().max() < 1e-8
    assert torch.allclose(parameters[0, -2:] + torch.eye(2), torch.linalg.inv(matrix), atol=1e-5)


def test_bicubic_sampling_with_a_black_border():
    """A pixel is found at position p / size, so positions of one half pixel beyond the last one are dark."""
    image = torch.rand(1, 3, 6, 8)
    position = torch.stack(torch.meshgrid(torch.arange(8) / 8, torch.arange(6) / 6, indexing="xy"), -1)[None]
    assert torch.allclose(tps.warp(image, position), image, atol=1e-5)
    assert not tps.warp(image, position + 2).any()


def test_batches_equal_single_pictures():
    source, target = draw(tps.moved_grid)
    whole = tps.grid(tps.fit(source, target), target, 7, 5)
    for i in range(3):
        one = slice(i, i + 1)
        assert torch.allclose(whole[one], tps.grid(tps.fit(source[one], target[one]), target[one], 7, 5), atol=1e-5)


def test_the_diagonal_moves_two_points_in_hundredths():
    source, target = draw(tps.moved_diagonal, batch=500)
    assert torch.equal(source[:, :4], target[:, :4])
    for points, low, high in ((source, 0.3, 0.7), (target, 0.05, 0.95)):
        moved = points[:, 4:]
        assert torch.equal(moved[..., 0], moved[..., 1])
        assert torch.allclose((moved * 100).round(), moved * 100, atol=1e-4)
        assert low - 1e-4 <= moved.min() and moved.max() <= high + 1e-4
    assert not (target[:, 4] == target[:, 5]).all(-1).any()


def test_the_grid_stays_inside_and_moves_its_corners():
    source, target = draw(tps.moved_grid, batch=500)
    assert torch.equal(source[0, [0, 1, 3]], torch.tensor([[0.0, 0.0], [0.5, 0.0], [0.0, 0.5]]))
    assert target.min() == 0 and target.max() == 1
    assert (target - source).abs().max() <= 0.25 + 1e-6
    assert (source[:, 0] != target[:, 0]).any()


def test_jitter_shifts_whole_channels_and_cuts_off():
    picture = torch.tensor([0.5, 0.9]).view(1, 1, 1, 2).expand(1, 3, 1, 2)
    out = tps.jitter(picture, torch.tensor([[0.2, 0.0, -0.6]]))
    expected = torch.tensor([[0.7, 1.0], [0.5, 0.9], [0.0, 0.3]]).view(1, 3, 1, 2)
    assert torch.allclose(out, expected)
    offsets = tps.draw_offsets(2000, torch.Generator().manual_seed(0)) * 255
    assert offsets.round().unique().tolist() == list(range(-50, 51))


@pytest.mark.parametrize("points", DRAWS)
@pytest.mark.parametrize("shape", [(2, 9, 13, 3), (1, 1, 1, 3), (1, 30, 2, 4), (1, 8, 8, 1)])
def test_augment(points, shape):
    image = torch.rand(shape)
    one, again, other = (tps.augment(image, seed, 1.0, 1.0, points) for seed in (3, 3, 4))
    assert one.shape == (*shape[:3], 3) and one.min() >= 0 and one.max() <= 1
    assert torch.equal(one, again) and not torch.equal(one, other)


@pytest.mark.parametrize("points", DRAWS)
def test_points_never_meet(points):
    """Two centres in one place have no spline; a weak warp, rounded to hundredths, would often put them there."""
    for strength in (0.02, 0.5, 1.0):
        source, target = points(200, torch.Generator().manual_seed(0), tps.REACH * strength)
        assert tps.fit(source, target).isfinite().all()


def test_no_strength_is_the_picture_itself():
    image = torch.rand(2, 9, 13, 3)
    assert torch.equal(tps.augment(image, 5, 0.0, 0.0, tps.moved_grid), image)


def test_pictures_of_a_batch_are_bent_differently():
    image = torch.rand(1, 20, 20, 3).expand(2, -1, -1, -1)
    one, other = tps.augment(image, 5, 1.0, 0.0, tps.moved_grid)
    assert not torch.allclose(one, other)
