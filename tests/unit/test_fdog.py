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


def test_the_mean_along_a_straight_flow_is_a_triangle_of_that_sigma():
    plane, flow = torch.zeros(1, 5, 81), torch.zeros(1, 2, 5, 81)
    plane[..., 40], flow[:, 0] = 1, 1
    offset = torch.arange(81) - 40
    for sigma in (0.5, 1.0, 3.0, 5.0):
        kernel = fdog.smooth_along(plane, flow, sigma)[0, 2]
        torch.testing.assert_close(kernel.sum(), torch.tensor(1.0))
        torch.testing.assert_close(kernel, kernel.flip(0), atol=1e-5, rtol=0)
        if sigma > 1:  # below, interpolation between pixels adds to it
            assert float((kernel * offset**2).sum().sqrt()) == pytest.approx(sigma, rel=0.05)


def test_the_mean_along_a_narrow_bend_stays_on_the_line():
    """A ring of 6 px radius keeps its depth, which straight steps would lose."""
    y, x = torch.meshgrid(*[torch.arange(41) - 20.0] * 2, indexing="ij")
    radius = torch.hypot(x, y).clamp(min=1e-6)
    plane = torch.exp(-((radius - 6) ** 2) / 4)[None]
    smooth = fdog.smooth_along(plane, torch.stack([-y / radius, x / radius])[None], 3.0)
    ring = (radius - 6).abs()[None] < 0.3
    assert (smooth[ring] / plane[ring]).min() > 0.85


def test_a_mirrored_picture_gives_mirrored_lines():
    image = noisy(bar(0.4), 0.03)
    for axis in (1, 2):
        difference = fdog.fdog(image.flip(axis)).flip(axis) - fdog.fdog(image)
        assert (difference.abs() > 0.02).float().mean() < 0.01


def test_fewer_samples_weigh_the_same_at_the_same_places():
    weights = [0.5, -4.0, -1.0, -0.2, -0.1, 0.3]
    samples = fdog.merged(weights)
    assert len(samples) == 4
    assert sum(weight for _, weight in samples) == pytest.approx(sum(weights))
    places = sum(distance * weight for distance, weight in samples)
    assert places == pytest.approx(sum(distance * weight for distance, weight in enumerate(weights, 1)))


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
