"""Strokes as LoadImage, Painter and opaque pictures deliver them."""

import pytest
import torch
from lineart_colorize.models.scribble import read_strokes, resize_strokes

RED, BLUE, WHITE = torch.tensor([0.9, 0.1, 0.2]), torch.tensor([0.1, 0.2, 0.9]), torch.ones(3)
SIZE = 48


def drawing():
    """White paper with a black frame."""
    line = torch.ones(1, SIZE, SIZE, 3)
    line[:, 4, 4:-4] = line[:, -5, 4:-4] = line[:, 4:-4, 4] = line[:, 4:-4, -5] = 0
    return line


def painted(ground):
    """Two strokes on a ground: the picture and where they are."""
    picture, where = ground.clone(), torch.zeros(1, SIZE, SIZE)
    picture[:, 10:16, 10:30], where[:, 10:16, 10:30] = RED, 1
    picture[:, 30:36, 10:30], where[:, 30:36, 10:30] = BLUE, 1
    return picture, where


def assert_strokes(colours, mask, where):
    assert torch.equal(mask, where)
    assert torch.allclose(colours[:, 12, 20], RED) and torch.allclose(colours[:, 32, 20], BLUE)
    assert not colours[where == 0].any()


@pytest.mark.parametrize("ground", [0.0, 1.0])
def test_a_file_with_transparency(ground):
    picture, where = painted(torch.full((1, SIZE, SIZE, 3), ground))
    assert_strokes(*read_strokes(picture, 1 - where), where)


def test_strokes_painted_over_the_drawing():
    picture, where = painted(drawing())
    assert_strokes(*read_strokes(picture, where), where)


def test_an_rgba_picture_without_a_mask():
    picture, where = painted(torch.zeros(1, SIZE, SIZE, 3))
    assert_strokes(*read_strokes(torch.cat([picture, where[..., None]], -1)), where)


@pytest.mark.parametrize("mask", [None, torch.zeros(1, 64, 64)])
def test_an_opaque_picture_on_paper(mask):
    picture, where = painted(torch.full((1, SIZE, SIZE, 3), 0.95))
    assert_strokes(*read_strokes(picture, mask), where)


def test_an_opaque_picture_of_strokes_on_the_drawing():
    picture, where = painted(drawing())
    assert_strokes(*read_strokes(picture, line=drawing()), where)


def test_dense_painting_in_a_transparent_file():
    picture, where = torch.zeros(1, SIZE, SIZE, 3), torch.zeros(1, SIZE, SIZE)
    picture[:, :20], picture[:, 20:34], where[:, :34] = RED, BLUE, 1
    assert torch.equal(read_strokes(picture, 1 - where)[1], where)


def test_the_meaning_of_a_mask_can_be_forced():
    picture, where = painted(drawing())
    assert torch.equal(read_strokes(picture, where, "transparency")[1], 1 - where)
    assert torch.equal(read_strokes(picture, 1 - where, "strokes")[1], 1 - where)
    assert not read_strokes(picture, torch.zeros(1, SIZE, SIZE), "strokes")[1].any()


def test_nothing_painted():
    assert not read_strokes(torch.zeros(1, SIZE, SIZE, 3), torch.ones(1, SIZE, SIZE))[1].any()
    assert not read_strokes(drawing(), torch.zeros(1, SIZE, SIZE))[1].any()
    assert not read_strokes(torch.ones(1, SIZE, SIZE, 3))[1].any()


def test_soft_edges_do_not_bleed():
    """A blurred red stroke composited over white: every pixel that counts is red, none pink."""
    _, where = painted(drawing())
    where[:, 20:] = 0
    soft = torch.nn.functional.avg_pool2d(where[:, None], 3, 1, 1)[:, 0]
    picture = soft[..., None] * RED + (1 - soft[..., None]) * WHITE
    for colours, mask in (read_strokes(picture, soft), read_strokes(picture)):
        assert mask.any()
        assert torch.allclose(colours[mask > 0], RED, atol=1e-5)
        assert set(mask.unique().tolist()) == {0.0, 1.0}


def test_faint_strokes_count():
    picture, where = painted(drawing())
    assert torch.equal(read_strokes(picture, where * 0.4)[1], where)


def test_a_mask_of_another_size_and_batch():
    picture, where = painted(drawing())
    small = torch.nn.functional.interpolate(where[:, None], scale_factor=0.5, mode="nearest")[:, 0]
    colours, mask = read_strokes(picture.expand(3, -1, -1, -1), small)
    assert mask.shape == (3, SIZE, SIZE) and colours.shape == (3, SIZE, SIZE, 3)
    colours, mask = read_strokes(picture, small.expand(2, -1, -1))
    assert mask.shape == (2, SIZE, SIZE) and torch.allclose(colours[1, 12, 20], RED)


@pytest.mark.parametrize("shape", [(1, 1, 1, 3), (2, 1, 700, 1), (1, 5, 3, 4), (1, 8, 4096, 3)])
def test_odd_pictures(shape):
    colours, mask = read_strokes(torch.rand(shape), torch.rand(1, 9, 9))
    assert colours.shape == (*shape[:3], 3) and mask.shape == shape[:3]
    assert colours.isfinite().all() and mask.isfinite().all()


def test_nan_is_no_stroke():
    picture, where = painted(drawing())
    where[0, 0, 0], picture[0, 1, 1] = torch.nan, torch.nan
    colours, mask = read_strokes(picture, where)
    assert colours.isfinite().all() and mask[0, 0, 0] == 0


def test_shrinking_keeps_the_colour():
    picture, where = painted(torch.zeros(1, SIZE, SIZE, 3))
    colours, mask = resize_strokes(picture, where, 13, 11)
    assert mask.max() <= 1 and mask.sum() > 0
    assert torch.allclose(colours[:, :6][mask[:, :6] > 0], RED, atol=1e-5)
