"""Coloured pictures that an image model moved, zoomed or squeezed find their drawing again."""

import numpy as np
import pytest
import torch
from lineart_colorize.models.flats import registration
from lineart_colorize.models.flats.registration import Placement
from lineart_colorize.models.image import resize


def scene(height, width, seed=0):
    """A drawing of overlapping ellipses and the same in colour under its ink, (1, H, W, 3) each."""
    from PIL import Image, ImageDraw

    rng = np.random.default_rng(seed)
    pictures = [Image.new("RGB", (width, height), paper) for paper in ("white", (240, 230, 210))]
    for _ in range(9):
        x, y = rng.uniform(0.1, 0.9, 2) * (width, height)
        a, b = rng.uniform(0.05, 0.25, 2) * min(height, width)
        colours = "white", tuple(int(value) for value in rng.integers(40, 255, 3))
        for picture, colour in zip(pictures, colours, strict=True):
            ImageDraw.Draw(picture).ellipse((x - a, y - b, x + a, y + b), colour, "black", 2)
    return [torch.from_numpy(np.asarray(picture).astype(np.float32) / 255)[None] for picture in pictures]


def moved(picture, zoom, shift, size):
    """The picture as a model gives it back at another size, so that (zoom, shift) undoes it."""
    back = [tuple(1 / z for z in zoom), tuple(-s / z for s, z in zip(shift, zoom, strict=True))]
    return resize(registration.place(picture, Placement(*back, 0, 0), *picture.shape[1:3]), *size)


CASES = [
    ((1, 1), (0.02, -0.03), (300, 400)),
    ((1.03, 1.03), (0.01, 0.02), (300, 400)),
    ((0.9, 0.92), (-0.05, 0.03), (256, 512)),
    ((1.1, 1.08), (0.05, 0.1), (600, 800)),
]


@pytest.mark.parametrize(("zoom", "shift", "size"), CASES)
def test_a_moved_picture_is_found(zoom, shift, size):
    line, picture = scene(300, 400)
    placed, found = registration.align(moved(picture, zoom, shift, size), line)
    half = torch.tensor([200.0, 150.0])
    assert (torch.tensor(found.zoom) - torch.tensor(zoom)).abs().mul(half).max() < 0.6
    assert (torch.tensor(found.shift) - torch.tensor(shift)).abs().mul(half).max() < 0.6
    inner = (slice(None), slice(40, 260), slice(50, 350))
    assert placed.shape == picture.shape and (placed - picture)[inner].abs().mean() < 0.02
    assert found.after > 0.8 > found.before


def test_a_picture_cropped_to_a_square_is_found():
    line, picture = scene(300, 400)
    placed, found = registration.align(picture[:, :, 50:350], line)
    assert found.zoom == pytest.approx((4 / 3, 1), abs=0.01)
    assert (placed - picture)[:, :, 60:340].abs().mean() < 0.02


def test_noise_and_uneven_light_do_not_hide_it():
    line, picture = scene(300, 400)
    seen = moved(picture, (1.04, 1.04), (0.02, -0.03), (300, 400))
    noise = torch.randn(seen.shape, generator=torch.Generator().manual_seed(0))
    seen = (seen * torch.linspace(0.6, 1, 400)[:, None] + 0.1 * noise).clamp(0, 1)
    assert registration.align(seen, line)[1].zoom == pytest.approx((1.04, 1.04), abs=0.006)


@pytest.mark.parametrize("zoom", [0.97, 1.0, 1.04])
def test_a_soft_picture_is_found_as_well(zoom):
    line, picture = scene(300, 400)
    soft = torch.nn.functional.avg_pool2d(picture.movedim(-1, 1), 5, 1, 2, count_include_pad=False).movedim(1, -1)
    found = registration.align(moved(soft, (zoom, zoom), (0.03, -0.02), (300, 400)), line)[1]
    errors = torch.tensor([found.zoom, found.shift]) - torch.tensor([[zoom, zoom], [0.03, -0.02]])
    assert (errors * torch.tensor([200.0, 150.0])).abs().max() < 1.2


def test_what_lies_right_or_is_another_drawing_stays():
    line, picture = scene(300, 400)
    _, other = scene(300, 400, seed=7)
    fits, fits_nowhere = "in place", "laid over the whole drawing, for its edges fit nowhere"
    cases = [(picture, fits), (resize(picture, 150, 200), fits)]
    cases += [(other, fits_nowhere), (torch.ones(1, 300, 400, 3), fits_nowhere)]
    for seen, words in cases:
        placed, found = registration.align(seen, line)
        assert (found.zoom, found.shift) == registration.IN_PLACE
        assert torch.equal(placed, resize(seen, 300, 400))
        assert found.describe(300, 400).startswith(words)


def test_the_move_is_told_in_pixels_of_the_drawing():
    told = Placement((0.5, 1.0), (0.1, -0.2), 0.3, 0.9).describe(300, 400)
    assert told.startswith("moved by -40.0 px across and +30.0 px down, scaled by 2.0000 and 1.0000")


@pytest.mark.parametrize("shape", [(1, 1, 1, 3), (1, 2, 900, 1), (1, 900, 2, 4), (1, 7, 5, 3)])
@pytest.mark.parametrize("value", [None, 0.0, float("nan")])
def test_odd_pictures(shape, value):
    line = torch.rand(shape) if value is None else torch.full(shape, value)
    placed, _ = registration.align(torch.rand(1, 40, 30, 4), line)
    assert placed.shape == (*shape[:3], 3) and placed.isfinite().all()
