"""FDoG: lines stay whole in every direction, gaps close, noise without direction stays paper."""

import math

import pytest
import torch
from lineart_colorize.models.line import fdog, xdog

HARD = {"phi": 1e9, "eps": 0.5}


def bar(angle, size=96, dots=0.0):
    """A grey line of 2.5 px on paper through the middle, (1, H, W, 3); dots: px of gap in every 12 px of it."""
    y, x = torch.meshgrid(*[torch.arange(size) - size / 2 + 0.5] * 2, indexing="ij")
    along = x * math.cos(angle) + y * math.sin(angle)
    aside = (y * math.cos(angle) - x * math.sin(angle)).abs()
    ink = (1.75 - aside).clamp(0, 1) * (along.abs() < 36) * ((along % 12) >= dots)
    return (1 - 0.5 * ink)[None, ..., None].expand(-1, -1, -1, 3).contiguous()


def inked_share(lines, angle, reach=30):
    """Of the places along the middle of the bar, how many are ink."""
    steps = torch.arange(-reach, reach + 1)
    centre = lines.shape[-1] / 2 - 0.5
    x, y = ((centre + steps * part).round().long() for part in (math.cos(angle), math.sin(angle)))
    return float((lines[0, y, x] < 0.5).float().mean())


def noisy(image, amount=0.12, seed=0):
    return (image + amount * torch.randn(image.shape, generator=torch.Generator().manual_seed(seed))).clamp(0, 1)


@pytest.mark.parametrize("degrees", [0, 17, 45, 73, 90, 135, 160])
def test_tangents_run_along_a_bar(degrees):
    angle = math.radians(degrees)
    tx, ty = fdog.tangents(bar(angle), 2.0)[0, :, 48, 48]
    assert abs(tx * math.cos(angle) + ty * math.sin(angle)) > 0.99


@pytest.mark.parametrize("degrees", [0, 17, 45, 73, 90, 135])
def test_a_rotated_bar_is_unbroken(degrees):
    angle = math.radians(degrees)
    lines = fdog.fdog(bar(angle), **HARD)
    assert inked_share(lines, angle) == 1
    assert (lines < 0.5).float().mean() < 0.06


@pytest.mark.parametrize("degrees", [0, 30, 90])
def test_a_dotted_line_is_bridged(degrees):
    """Gaps of 4 px under a smoothing of 3 px; without it they stay open."""
    angle = math.radians(degrees)
    dotted = bar(angle, dots=4)
    assert inked_share(fdog.fdog(dotted, **HARD), angle) > 0.97
    assert inked_share(fdog.fdog(dotted, along=0, **HARD), angle) < 0.8


def test_noise_is_suppressed_and_the_line_kept():
    """Against XDoG of the same numbers, on the same noise."""
    image = noisy(bar(0.3), 0.2)
    flow, plain = (method(image, sigma=1.0, p=20.0, **HARD) for method in (fdog.fdog, xdog.xdog))
    paper = bar(0.3).amin(-1) > 0.99
    assert (flow[paper] < 0.5).float().mean() < 0.1 * (plain[paper] < 0.5).float().mean()
    assert inked_share(flow, 0.3) == 1


def test_flat_pictures_keep_their_tone():
    """S = I there: white paper stays paper, and below eps all is ink."""
    for tone, expected in ((1.0, 1), (0.6, 1), (0.3, 0)):
        assert (fdog.fdog(torch.full((1, 20, 30, 3), tone), **HARD) == expected).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 1), (33, 20)])
def test_any_size(size):
    lines = fdog.fdog(torch.rand(2, *size, 3, generator=torch.Generator().manual_seed(0)))
    assert lines.shape == (2, *size) and lines.min() >= 0 and lines.max() <= 1


def test_every_parameter_has_an_effect():
    image = noisy(bar(0.5), 0.05)
    plain = fdog.fdog(image)
    changes = {"sigma": 1.5, "k": 2.5, "p": 20.0, "eps": 0.6, "phi": 20.0, "flow": 5.0, "along": 0.0}
    assert not [name for name, value in changes.items() if torch.equal(fdog.fdog(image, **{name: value}), plain)]


def test_pictures_of_a_batch_do_not_meet():
    image = torch.cat([bar(0.0), bar(1.0)])
    torch.testing.assert_close(fdog.fdog(image)[1:], fdog.fdog(image[1:]))
