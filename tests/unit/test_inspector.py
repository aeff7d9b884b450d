"""What the inspector finds in a drawing whose faults are known."""

import pytest
import torch
from lineart_colorize.models.flats import inspector
from lineart_colorize.models.flats.colour import decode, encode

HAIR, SKIN, WHITE = 0xD0A060, 0xFFE0C8, 0xFFFFFF


@pytest.fixture
def drawing():
    """Picture, painted, labels and ink: two halves with a line between, a closed speck in the line; 40 x 60."""
    ink = torch.zeros(40, 60)
    ink[:, 26:33] = 1
    ink[18:22, 28:31] = 0  # 12 px of paper
    labels = torch.ones(40, 60, dtype=torch.int32)
    labels[:, 30:] = 2
    picture = decode(torch.tensor([HAIR, SKIN]))[labels.long() - 1]
    picture[18:22, 28:31] = decode(torch.tensor(SKIN))
    return picture, torch.ones(40, 60, dtype=torch.bool), labels, ink


def inspect(drawing, tiny=30):
    return inspector.inspect(*drawing, tiny)


def test_nothing_is_wrong(drawing):
    found = inspect(drawing)
    assert not found.masks.any() and set(found.counts.values()) == {0} and not found.places
    assert torch.equal(found.mended, drawing[0])


def test_places_without_paint(drawing):
    picture, painted, _, _ = drawing
    painted[5:9, 5:9], painted[30, 50] = False, False
    picture[~painted] = 0
    found = inspect(drawing)
    assert found.counts == {"unpainted": 2, "leak": 0, "gap": 0}
    assert [(place.pixels, place.suggestion) for place in found.places] == [(16, HAIR), (1, SKIN)]
    assert found.masks[0].sum() == 17
    assert encode(found.mended[7, 7]) == HAIR and encode(found.mended[30, 50]) == SKIN


def test_colour_that_ran_over(drawing):
    drawing[0][30:, 38:] = decode(torch.tensor(HAIR))
    found = inspect(drawing)
    assert found.counts == {"unpainted": 0, "leak": 1, "gap": 0}
    [place] = found.places
    assert place.pixels == 220 and place.suggestion == SKIN and place.x >= 38 and place.y >= 30
    assert not inspect((found.mended, *drawing[1:])).masks.any()


@pytest.mark.parametrize("painted", [True, False])
def test_a_forgotten_speck(drawing, painted):
    drawing[0][18:22, 28:31] = 1
    drawing[1][18:22, 28:31] = painted
    found = inspect(drawing)
    assert found.counts == {"unpainted": 0, "leak": 0, "gap": 1}
    assert found.places[0].suggestion in (HAIR, SKIN) and found.places[0].pixels == 12
    assert not inspect((found.mended, torch.ones(40, 60, dtype=torch.bool), *drawing[2:])).masks.any()
    assert inspect(drawing, tiny=11).counts["gap"] == 0


def test_a_speck_in_the_colour_of_its_own_region_is_no_gap(drawing):
    _, _, labels, ink = drawing
    ink[:, 20:40] = 1
    ink[18:22, 28:31] = 0  # further from all other paper than one looks
    labels[18:22, 28:31] = 2
    assert not inspect(drawing).masks.any()


def test_a_region_without_any_paint_is_told_its_neighbour_s_colour(drawing):
    drawing[1][:, 30:] = False
    found = inspect(drawing)
    assert found.counts["unpainted"] == 1 and found.places[0].suggestion == HAIR
    drawing[3][:, 20:26] = 1  # a line too thick to look across
    assert inspect(drawing).places[0].suggestion is None


def test_nothing_painted_at_all(drawing):
    drawing[1][:] = False
    found = inspect(drawing)
    assert found.masks[0].sum() + found.masks[2].sum() == 2400
    assert all(place.suggestion is None for place in found.places)


def test_soft_colours_under_the_line_are_no_leak(drawing):
    picture, _, _, ink = drawing
    ink[:, 24:26] = 0.4
    picture[:, 24:26] = 0.5
    assert not inspect(drawing).masks.any()


def test_the_report_names_places_and_colours(drawing):
    drawing[0][30:, 38:] = decode(torch.tensor(HAIR))
    text = inspector.report(inspect(drawing), {SKIN: "skin", HAIR: "hair"}.get)
    assert text.startswith("unpainted: 0 places, 0 px, leak: 1 places, 220 px, gap: 0")
    assert "220 px: should be skin" in text


def test_marks_show_and_many_findings_are_cut_short(drawing):
    drawing[1][::2, :26:2] = False
    found = inspect(drawing)
    assert found.counts["unpainted"] == 20 * 13
    shown = inspector.show(drawing[0], torch.ones(40, 60, 3), found)
    assert torch.allclose(shown[0, 0], torch.tensor(inspector.MARK[0]))
    assert len(inspector.report(found, str, most=5).splitlines()) == 7
