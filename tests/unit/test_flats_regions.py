"""Line art to regions: gaps, thin strips, ink, slivers and drawings of every kind."""

import pytest
import torch
from lineart_colorize.models.flats import ink, view
from lineart_colorize.models.flats.regions import regions
from lineart_colorize.training.flats import flat_case


def paper(height=80, width=100):
    return torch.ones(1, height, width, 3)


def rooms(gap, channels=3):
    """Two rooms of 48 x 79, with a wall between them that is open for `gap` px."""
    line = torch.ones(1, 80, 100, channels)
    line[:, :, 49:52, :3] = 0
    line[:, 40 : 40 + gap, 49:52, :3] = 1
    return line


def count(line, **options):
    return int(regions(line, **options).labels.max())


@pytest.mark.parametrize("gap", [0, 1, 2, 4, 8])
def test_gaps_up_to_the_chosen_width_are_closed(gap):
    assert count(rooms(gap), gap=8) == 2
    assert count(rooms(gap + 24), gap=8) == 1


def test_long_gaps_are_closed_where_line_ends_point_at_each_other():
    line = rooms(16)
    assert count(line, gap=8) == 2
    line[:, :, 51] = 1
    line[:, 56:, 49:52] = 1
    line[:, 56:, 61:63] = 0
    assert count(line, gap=8) == 1


def test_a_line_that_stops_short_of_another_reaches_it():
    line = paper()
    line[:, :, 48:51] = 0
    line[:, 40:43, :38] = 0
    assert count(line, gap=8) == 3
    assert count(line, gap=4) == 2


def test_the_border_at_a_gap_lies_where_the_wall_would_be():
    labels = regions(rooms(8), gap=8).labels[0]
    assert (labels[:, :49] == 1).all() and (labels[:, 52:] == 2).all()


def test_a_strip_as_thin_as_a_gap_is_one_region():
    line = paper()
    line[:, 30:32] = line[:, 38:40] = 0
    line[:, 32, 20:60:8] = 0
    assert count(line, gap=8) == 3


def test_colour_runs_under_the_line_to_its_middle():
    line = paper()
    line[:, :, 40:46] = 0
    labels = regions(line).labels[0]
    assert (labels[:, :43] == 1).all() and (labels[:, 43:] == 2).all()


@pytest.mark.parametrize(("edges", "border"), [((0.2, 0.8), 43), ((0.8, 0.2), 42)])
def test_colours_meet_in_the_middle_of_a_line_to_parts_of_a_pixel(edges, border):
    line = paper()
    line[:, :, 41:44], line[:, :, 40], line[:, :, 44] = 0, 1 - edges[0], 1 - edges[1]
    labels = regions(line).labels[0]
    assert (labels[:, :border] == 1).all() and (labels[:, border:] == 2).all()


def test_slivers_become_part_of_the_neighbour_they_touch():
    line = paper()
    line[:, 10:40, 10:40] = 0
    line[:, 12:38, 12:38] = 1
    line[:, 18:23, 18:23] = 0
    line[:, 19:22, 19:22] = 1
    assert count(line, area=1) == 3
    assert count(line, area=30) == 2
    assert count(line, area=3000) == 1


@pytest.mark.parametrize("dark", [0.1, 0.4, 1.0])
def test_the_darkness_of_the_lines_does_not_matter(dark):
    assert count(1 - dark * (1 - rooms(4)), gap=8) == 2


def test_a_thin_slanted_line_holds():
    line = paper(60, 60)
    line[:, torch.arange(60), torch.arange(60)] = 0
    assert count(line, gap=0) == 2


def test_transparent_paper_is_paper():
    line = rooms(0, channels=4)
    line[..., 3] = 1 - line[..., 0]
    line[..., :3] = 0
    assert count(line) == 2


@pytest.mark.parametrize("value", [0.0, 1.0, 0.5, float("nan")], ids=["ink", "paper", "grey", "nan"])
@pytest.mark.parametrize("shape", [(1, 1, 1, 3), (2, 7, 90, 1), (1, 40, 30, 4)])
def test_plain_pictures_are_one_region(shape, value):
    found = regions(torch.full(shape, value))
    assert found.labels.shape == found.ink.shape == shape[:3]
    assert found.labels.dtype == torch.int32 and (found.labels == 1).all()


def test_ten_thousand_regions():
    line = paper(608, 608)
    line[:, ::6] = line[:, :, ::6] = 0
    found = regions(line, gap=4)
    assert len(found.labels.unique()) == found.labels.max() > 10_000


@pytest.mark.parametrize("strip", [1, 700, 5000])
def test_a_scan_in_strips_is_as_one_piece(strip, monkeypatch):
    case = flat_case(4, 192, 6, "pencil")
    line = torch.from_numpy(case.line)[None, ..., None]
    whole = regions(line).labels
    monkeypatch.setattr(ink, "STRIP", strip)
    assert torch.equal(regions(line).labels, whole) and whole.max() > 3


def test_progress_goes_from_frame_to_frame():
    told = []
    regions(torch.cat([rooms(0), paper(), rooms(4)]), done=told.append)
    assert told == sorted(told) and {1, 2, 3} <= set(told) and 0 < told[0] < 1


def test_frames_are_numbered_by_themselves():
    labels = regions(torch.cat([rooms(0), paper()])).labels
    assert labels[0].max() == 2 and labels[1].max() == 1


def test_views():
    found = regions(rooms(0))
    picture, masks = view.tinted(found), view.masks(found, 3)
    assert picture.shape == (1, 80, 100, 3) and picture.min() >= 0 and picture.max() <= 1
    assert (picture[0, 0, 0] != picture[0, 0, 99]).any() and (picture[0, :, 50] == 0).all()
    assert masks.shape == (3, 80, 100) and (masks.sum(0) == 1).all() and not masks[2].any()
