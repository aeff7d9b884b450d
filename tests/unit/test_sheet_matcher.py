"""The network of the sheet: what it reads, its cases, its training, and what the shipped one promises."""

from functools import partial

import numpy as np
import pytest
import torch
from lineart_colorize.models import registry
from lineart_colorize.models.flats import matcher, sheet
from lineart_colorize.training import colorizers, sheet_cases, sheets
from lineart_colorize.training import train as training
from lineart_colorize.training.sheet_evaluation import SHIPPED
from safetensors.torch import load_file


@pytest.fixture(scope="module")
def figures():
    return [[sheet_cases.regions(*take) for take in sheets.takes(seed, 3, 160)] for seed in range(4)]


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return matcher.Matcher(24, 2).eval()


@pytest.fixture(scope="module")
def shipped():
    return colorizers.network(SHIPPED, "sheet")


def strips(count, height=40, width=120):
    """Labels of upright strips."""
    return (np.arange(width) * count // width + 1).astype(np.int32)[None].repeat(height, 0)


def test_views_show_a_region_and_what_lies_around_it():
    labels = np.ones((60, 60), np.int32)
    labels[20:40, 20:40] = 2
    own, edge, ground, far, _, _ = matcher.views(labels, 0)[1]
    assert own[12, 12] and not ground[12, 12] and ground[0, 0] and not own[0, 0]
    assert edge.any() and own.mean() > far.mean() * 0.99
    assert not (own & ground).any()


def test_views_know_no_size():
    small = np.ones((60, 60), np.int32)
    small[12:44, 20:40] = 2
    small[16:34, 22:38] = 3
    small, large = (small.repeat(times, 0).repeat(times, 1) for times in (4, 12))
    assert (matcher.views(small, 0) == matcher.views(large, 0)).mean() > 0.95


def test_what_fills_a_batch_up_changes_nothing(network, figures):
    case = sheet_cases.cases(figures, 3, 0, 0)
    new, known, _, _ = sheet_cases.unpack(case)
    assert not (new.there.all() and known.there.all())
    with torch.no_grad():
        together = network(new, known)
        for i in range(3):
            n, m = new.there[i].sum(), known.there[i].sum()
            alone = [
                matcher.Drawing(part.views[i, :k], part.features[i, :k], [side[i, :k, :k] for side in part.sides])
                for part, k in ((new, n), (known, m))
            ]
            wanted = torch.cat([together[i, :n, :m], together[i, :n, -1:]], dim=-1)
            torch.testing.assert_close(network(*alone), wanted, atol=1e-5, rtol=1e-4)


def test_cases_repeat_and_carry_the_paints(figures):
    one, again, other = (sheet_cases.cases(figures, 2, 0, number) for number in (5, 5, 6))
    assert all(torch.equal(a, b) for a, b in zip(one, again, strict=True))
    assert one[1].shape != other[1].shape or not torch.equal(one[1], other[1])
    _, known, wanted, offered = sheet_cases.unpack(one)
    assert ((offered >= 0) == known.there).all() and set(wanted[0].tolist()) & set(offered[0].tolist())


def test_a_mirrored_drawing_is_described_as_one():
    labels = next(sheets.takes(1, 1, 160))[0]
    plain, mirrored = (
        sheet_cases._plain([sheet_cases.regions(found, np.zeros(found.max(), int))], flipped)
        for found, flipped in ((labels[:, ::-1].copy(), False), (labels, True))
    )
    torch.testing.assert_close(plain[1], mirrored[1], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(plain[2], mirrored[2], atol=1e-5, rtol=1e-4)
    assert (plain[0] == mirrored[0]).float().mean() > 0.9


def test_a_smoke_run_writes_a_network_that_matches(tmp_path):
    assert training.train(["sheet", "--smoke", "--out", str(tmp_path)]) == 0
    written = load_file(tmp_path / "sheet_matching.safetensors")
    assert registry.identify(written, "line art network").system == "sheet"
    network = colorizers.network(tmp_path / "sheet_matching.safetensors", "sheet")
    votes = sheet.learned(network, [strips(3), strips(5)])(strips(4))
    assert votes.shape == (4, 8) and (votes >= 0).all() and (votes.sum(1) < 1).all()


@pytest.mark.parametrize("known", [1, 30])
@pytest.mark.parametrize("new", [1, 30])
def test_any_number_of_regions(network, new, known):
    votes = sheet.learned(network, [strips(known)])(strips(new, 20, 90))
    assert votes.shape == (new, known) and np.isfinite(votes).all()


def test_too_many_regions_are_told(network):
    labels = np.arange(1, 6401, dtype=np.int32).reshape(80, 80)
    with pytest.raises(ValueError, match=r"6400 regions and the sheet 6400.*raise `area`"):
        sheet.learned(network, [labels])(labels)


def test_another_network_is_told_apart(tmp_path):
    with pytest.raises(ValueError, match="expected one of sheet"):
        colorizers.network(SHIPPED.parent / "geodesic_scribble.safetensors", "sheet")
    with pytest.raises(ValueError, match="not there"):
        colorizers.network(tmp_path / "gone.safetensors", "sheet")


def test_the_shipped_network_beats_the_classical_matching(shipped):
    ways = {
        "classical": sheet.classical,
        "network": partial(sheet.learned, shipped),
        "both": partial(sheet.both, shipped),
    }
    right = {name: [] for name in ways}
    for seed in range(sheets.HELD_OUT, sheets.HELD_OUT + 3):
        (labels, truth), known = sheets.takes(seed, 2, 320, "far pose")
        for name, matching in ways.items():
            right[name] += (sheet.transfer(labels, [known], matching)[0] == truth).tolist()
    best = min(np.mean(right["network"]), np.mean(right["both"]))
    assert best > np.mean(right["classical"]) + 0.1 and best > 0.7


def test_it_is_unsure_where_nothing_goes_with_anything(shipped):
    """A brick wall coloured after a figure."""
    _, known = sheets.takes(sheets.HELD_OUT, 2, 320)
    y, x = np.mgrid[:320, :320]
    wall = np.unique(y // 40 * 100 + (x + y // 40 % 2 * 30) // 60, return_inverse=True)[1].reshape(320, 320) + 1
    _, confidence = sheet.transfer(wall.astype(np.int32), [known], partial(sheet.both, shipped))
    assert (confidence < sheet.SURE).mean() > 0.8


def test_devices_without_sparse_matrices_get_dense_ones(network):
    drawing = sheet._seen([strips(5)])
    moved = drawing.to(torch.device("meta")).sides
    dense = drawing._replace(sides=[side.to_dense() for side in drawing.sides])
    assert drawing.sides[0].is_sparse and not any(side.is_sparse for side in moved)
    with torch.no_grad():
        torch.testing.assert_close(network(dense, dense), network(drawing, drawing))
