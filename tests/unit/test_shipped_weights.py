"""What the shipped colorizer promises: closed lines hold, strokes keep their colour, everything is filled."""

import pytest
import torch
from lineart_colorize.models.geodesic.network import GeodesicUNet, config
from lineart_colorize.training import colorizers, evaluation, reference_evaluation
from lineart_colorize.training.commands import SHIPPED
from lineart_colorize.training.reference_baselines import baselines
from lineart_colorize.training.reference_command import SHIPPED as REFERENCE
from lineart_colorize.training.sampling import colorize
from safetensors.torch import load_file


@pytest.fixture(scope="module")
def network():
    weights = {name: tensor.float() for name, tensor in load_file(SHIPPED).items()}
    network = GeodesicUNet(**config(weights)).eval()
    network.load_state_dict(weights)
    return network


def ring(size, radius=0.3, width=2.0):
    """A closed circle: line (1, 1, size, size) and distance to its centre in px."""
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    distance = ((y - size / 2) ** 2 + (x - size / 2) ** 2).sqrt()
    return ((distance - radius * size).abs() - width / 2 + 0.5).clamp(0, 1)[None, None], distance


@pytest.mark.parametrize("size", [256, 384])
@pytest.mark.parametrize("colours", [((0.9, 0.2, 0.2), (0.3, 0.5, 0.9)), ((0.95, 0.85, 0.4), (0.2, 0.3, 0.25))])
def test_a_closed_line_holds_its_colour(network, size, colours):
    line, distance = ring(size)
    scribble, mask = torch.zeros(1, 3, size, size), torch.zeros(1, 1, size, size)
    middle, edge, thick = size // 2, size // 10, size // 40
    for (y, x), colour in zip(((middle, middle), (edge, edge)), colours, strict=True):
        where = (slice(y - thick, y + thick), slice(x - 2 * thick, x + 2 * thick))
        mask[0, 0, where[0], where[1]] = 1
        scribble[0, :, where[0], where[1]] = torch.tensor(colour)[:, None, None]
    picture = colorize(network, line, scribble, mask, steps=1)[0]
    parts = (distance < 0.3 * size - 4, distance > 0.3 * size + 4)
    for part, colour in zip(parts, colours, strict=True):
        off = (picture[:, part] - torch.tensor(colour)[:, None]).abs().mean(0)
        assert off.mean() < 0.09, "the colour of the stroke fills its side of the line"
        assert (off > 0.25).float().mean() < 0.01, "nothing is left out, nothing bleeds in"


def test_it_beats_the_baselines_by_far(network):
    scores, _, _ = evaluation.evaluate(network, evaluation.held_out(8, 128), steps=1)
    ours, best = scores["ours"], scores["geodesic × line"]
    mean = {row: {m: sum(values) / 8 for m, values in s.items()} for row, s in (("ours", ours), ("geodesic", best))}
    assert mean["ours"]["PSNR"] > mean["geodesic"]["PSNR"] + 2
    assert mean["ours"]["SSIM"] > mean["geodesic"]["SSIM"] + 0.05
    assert mean["ours"]["stroke error"] < 12


def test_without_strokes_it_still_colours(network):
    line, _ = ring(128)
    picture = colorize(network, line, torch.zeros(1, 3, 128, 128), torch.zeros(1, 1, 128, 128), steps=1)
    assert picture.isfinite().all() and picture.mean() > 0.2


def test_references_beat_the_baselines_by_far():
    """Held-out characters in another pose, and the pictures themselves under a warp."""
    tasks = reference_evaluation.tasks(reference_evaluation.held_out(12, 128))
    rows = {name: row for name, row in baselines()[0].items() if name != "truth"}
    for name, margin in ((reference_evaluation.GIVEN, 0.8), (reference_evaluation.SELF, 3.0)):
        scores, *_ = reference_evaluation.evaluate(tasks[name], {**rows, "ours": colorizers.load(REFERENCE)}, {})
        mean = {row: sum(values["PSNR"]) / 12 for row, values in scores.items()}
        best = max(value for row, value in mean.items() if row not in ("ours", "truth"))
        assert mean["ours"] > best + margin


def test_hair_is_red_where_the_reference_has_red_hair():
    """A head of two regions; the reference shows it elsewhere and smaller."""

    def head(size, centre, radius, colours=None):
        y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
        distance = ((y - centre[0]) ** 2 + (x - centre[1]) ** 2).sqrt()
        inside, hair = distance < radius, y < centre[0]
        edge = ((distance - radius).abs() < 1.5) | (inside & ((y - centre[0]).abs() < 1.5))
        picture = torch.ones(3, size, size)
        if colours:
            for part, colour in ((inside & hair, colours[0]), (inside & ~hair, colours[1])):
                picture[:, part] = torch.tensor(colour)[:, None]
        picture[:, edge] = 0
        return picture[None]

    line = head(128, (64, 64), 48)[:, :1]
    reference = head(128, (74, 54), 40, ((0.8, 0.15, 0.15), (0.2, 0.3, 0.8)))
    picture = colorizers.load(REFERENCE)(line, reference)[0]
    above, below = picture[:, 30:56, 50:78].mean((1, 2)), picture[:, 72:98, 50:78].mean((1, 2))
    assert above[0] > above[2] + 0.2 and below[2] > below[0] + 0.2
