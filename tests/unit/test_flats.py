"""Flats from strokes: exact colours in whole regions, at gaps, on ink, and the same as the cut on all pixels."""

import numpy as np
import pytest
import torch
from lineart_colorize.cli.bench.flats import in_two, pixel_cut
from lineart_colorize.models.flats import strokes
from lineart_colorize.models.flats.cut import settle
from lineart_colorize.models.flats.flat import flat_colours, under_ink
from lineart_colorize.models.flats.lazybrush import paint
from lineart_colorize.models.flats.regions import regions
from lineart_colorize.training import flat_evaluation
from lineart_colorize.training.flats import STYLES, flat_case

RED, BLUE, GREEN = (220, 30, 40), (20, 60, 200), (40, 170, 60)


def rooms(gap=0):
    """Two rooms, and a wall in columns 49..51 that is open for `gap` px."""
    line = torch.ones(1, 80, 100, 3)
    line[:, :, 49:52] = 0
    line[:, 40 : 40 + gap, 49:52] = 1
    return line


def strokes_of(*marks, size=(80, 100)):
    """Colours and mask of rectangles: (rows, columns, colour)."""
    colours, mask = torch.zeros(1, *size, 3), torch.zeros(1, *size)
    for rows, columns, colour in marks:
        colours[:, slice(*rows), slice(*columns)] = torch.tensor(colour) / 255
        mask[:, slice(*rows), slice(*columns)] = 1
    return colours, mask


LEFT, RIGHT = ((20, 60), (20, 24), RED), ((20, 60), (80, 84), BLUE)


def shades(flats):
    codes = ((flats * 255).round().int() * torch.tensor([1 << 16, 1 << 8, 1])).sum(-1).unique()
    return {(code >> 16, code >> 8 & 255, code & 255) for code in codes.tolist()}


@pytest.mark.parametrize("gap", [0, 4, 8, 16, 24])
@pytest.mark.parametrize("soft", [True, False])
def test_two_strokes_fill_two_rooms_to_the_middle_of_the_wall(gap, soft):
    flats = flat_colours(regions(rooms(gap)), *strokes_of(LEFT, RIGHT), soft)
    expected = torch.tensor([RED] * 50 + [BLUE] * 50).expand(1, 80, 100, 3) / 255
    wrong = (flats != expected).any(-1)
    assert wrong.sum() <= 3 * gap + 80 and not wrong[:, :, :49].any() and not wrong[:, :, 52:].any()


def test_a_slip_over_the_line_counts_only_when_strokes_are_hard():
    marks = strokes_of(((30, 34), (10, 56), RED), RIGHT)
    soft, hard = (flat_colours(regions(rooms()), *marks, mode)[0, 31, 54] * 255 for mode in (True, False))
    assert soft.round().int().tolist() == list(BLUE) and hard.round().int().tolist() == list(RED)


def test_a_region_without_a_stroke_takes_the_neighbour_it_is_open_to():
    line = rooms()
    line[:, 50:52, :49] = 0
    line[:, 50:52, 5:15] = 1
    flats = flat_colours(regions(line, gap=12), *strokes_of(((5, 40), (20, 24), RED), RIGHT))
    assert (flats[0, 70, 30] * 255).round().int().tolist() == list(RED)


def test_two_strokes_of_one_colour_and_one_over_twenty_regions():
    line = torch.ones(1, 60, 210, 3)
    line[:, :, ::10] = 0
    marks = strokes_of(((30, 34), (3, 207), GREEN), ((5, 9), (14, 18), RED), ((5, 9), (24, 28), RED), size=(60, 210))
    flats = flat_colours(regions(line, gap=4), *marks)
    assert shades(flats) == {RED, GREEN}
    assert shades(flats[:, :12, 12:18]) == {RED} and shades(flats[:, :, 42:205]) == {GREEN}


def test_strokes_on_ink_alone_still_colour():
    line = rooms()
    flats = flat_colours(regions(line), *strokes_of(((10, 70), (50, 51), RED)))
    assert shades(flats) == {RED}


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_no_ink_and_all_ink_are_painted_whole(value):
    flats = flat_colours(regions(torch.full((1, 80, 100, 3), value)), *strokes_of(LEFT, RIGHT))
    assert shades(flats) == {RED, BLUE}


@pytest.mark.parametrize("dark", [0.15, 0.4])
def test_lines_lighter_than_half_hold_colours(dark):
    flats = flat_colours(regions(1 - dark * (1 - rooms(6))), *strokes_of(LEFT, RIGHT))
    assert shades(flats[:, :, :49]) == {RED} and shades(flats[:, :, 52:]) == {BLUE}


def test_a_transparent_drawing_is_coloured_by_its_ink():
    line = torch.cat([rooms(), 1 - rooms()[..., :1]], -1)
    line[..., :3] = 0
    flats = flat_colours(regions(line), *strokes_of(LEFT, RIGHT))
    assert shades(flats[:, :, :49]) == {RED} and shades(flats[:, :, 52:]) == {BLUE}


def test_ten_thousand_regions_are_all_painted():
    line = torch.ones(1, 608, 608, 3)
    line[:, ::6] = line[:, :, ::6] = 0
    marks = strokes_of(((2, 5), (2, 5), RED), ((602, 605), (602, 605), BLUE), size=(608, 608))
    assert shades(flat_colours(regions(line, gap=4), *marks)) == {RED, BLUE}


def test_hundreds_of_colours():
    line = torch.ones(1, 201, 201, 3)
    line[:, ::10] = line[:, :, ::10] = 0
    y, x = torch.meshgrid(torch.arange(201) // 10, torch.arange(201) // 10, indexing="ij")
    colours = torch.stack([y * 12, x * 12, y + x], -1)[None] / 255
    mask = torch.zeros(1, 201, 201)
    mask[:, 4::10, 4::10] = 1
    flats = flat_colours(regions(line, gap=2), colours, mask)
    paper = line[..., 0] == 1
    assert len(shades(flats)) == 400 and torch.equal(flats[paper], colours[paper])


def test_colours_survive_saving_under_a_drawing_that_is_white_but_for_rounding():
    levels = torch.arange(256).float()
    image = under_ink((levels / 255).expand(1, 1, 3, 256).movedim(2, -1), torch.full((1, 1, 256, 3), 1 - 1e-7))
    assert torch.equal((image[0, 0, :, 0] * 255).to(torch.uint8), levels.to(torch.uint8))
    assert torch.equal(under_ink(image, torch.full((1, 1, 256, 3), 254 / 255)), image), "white as LoadImage reads it"
    assert (under_ink(image, torch.zeros(1, 1, 256, 3)) == 0).all()


def test_frames_strokes_of_another_size_and_no_strokes():
    found = regions(torch.cat([rooms(), rooms(4)]))
    small = [part[:, ::2, ::2] for part in strokes_of(LEFT, RIGHT)]
    flats = flat_colours(found, *small)
    assert flats.shape == (2, 80, 100, 3) and shades(flats) == {RED, BLUE}
    with pytest.raises(ValueError, match="frame 1, found none: paint"):
        flat_colours(found, *(part * 0 for part in small))


def test_edges_between_strokes_stay_edges_when_a_larger_drawing_stretches_them():
    purple = tuple((red + blue) // 2 for red, blue in zip(RED, BLUE, strict=True))
    marks = ((10, 13), (5, 10), RED), ((10, 13), (10, 11), purple), ((10, 13), (11, 45), BLUE)
    flats = flat_colours(regions(rooms()), *strokes_of(*marks, size=(20, 50)), soft=False)
    assert shades(flats) == {RED, BLUE}


def test_strokes_are_of_the_colour_that_most_of_them_has():
    colours, mask = strokes_of(LEFT, ((20, 60), (24, 28), GREEN))
    noisy = (colours * 255 + torch.randint(-1, 2, colours.shape, generator=torch.manual_seed(0)) * (colours > 0)) / 255
    noisy[:, :, 22] = colours[:, :, 22]
    index, stroke, palette = strokes.read(noisy[0].numpy(), mask[0].numpy())
    assert palette.shape == (2, 3) and np.abs(palette - np.array([GREEN, RED])[np.argsort([40, 220])]).max() <= 1
    assert (index > 0).sum() == 8 * 40 and len(np.unique(stroke)) == 3


def test_a_cut_is_the_cheapest_and_unreached_nodes_stay_open():
    first, second = np.array([0, 1, 2, 5]), np.array([1, 2, 3, 4])
    weight, colour = np.array([5.0, 1.0, 4.0, 1.0]), np.array([7, 0, 0, 9, 0, 0], np.int32)
    assert settle(first, second, weight, colour).tolist() == [7, 7, 9, 9, 0, 0]


def test_three_colours_share_out_a_piece():
    first, second = np.array([0, 1, 2, 3, 3]), np.array([3, 3, 4, 4, 5])
    weight, colour = np.array([1.0, 3.0, 2.0, 1.0, 1.0]), np.array([1, 2, 3, 0, 0, 0], np.int32)
    assert settle(first, second, weight, colour).tolist() == [1, 2, 3, 2, 3, 2]


@pytest.mark.parametrize(("seed", "gap"), [(1, 4), (2, 8), (5, 0)])
def test_the_labels_are_those_of_the_cut_on_all_pixels(seed, gap):
    case = flat_case(seed, 96, gap, "anti-aliased")
    found = regions(torch.from_numpy(case.line)[None, ..., None])
    out = paint(found.labels[0].numpy(), found.ink[0].numpy(), case.strokes, gap=found.gap)
    assert (out == pixel_cut(case, found.labels[0].numpy(), found.gap)).mean() > 0.97


@pytest.mark.parametrize(("seed", "gap"), [(10, 4), (11, 2), (11, 4), (14, 8), (17, 8)])
def test_between_two_colours_every_label_is_that_of_the_cut_on_all_pixels(seed, gap):
    case = in_two(flat_case(seed, 160, gap, "anti-aliased"))
    found = regions(torch.from_numpy(case.line)[None, ..., None])
    labels = found.labels[0].numpy()
    out = paint(labels, found.ink[0].numpy(), case.strokes, gap=found.gap)
    assert (out == pixel_cut(case, labels, found.gap)).all() and len(np.unique(out)) == 2


def test_a_short_stroke_holds_more_than_itself():
    line = rooms(24)
    flats = flat_colours(regions(line, gap=10), *strokes_of(((38, 42), (20, 24), RED), RIGHT))
    assert shades(flats[:, :, :46]) == {RED} and shades(flats[:, :, 56:]) == {BLUE}


def test_the_table_of_figures(tmp_path, monkeypatch):
    monkeypatch.setattr(flat_evaluation, "STYLES", ("pencil",))
    monkeypatch.setattr(flat_evaluation, "GAPS", (0, 6))
    monkeypatch.setattr(flat_evaluation, "METHODS", {"flood": flat_evaluation.flood_fill, "ours": flat_evaluation.ours})
    rows = flat_evaluation.measure(1, 128, tmp_path)["pencil"]
    assert "| pencil | 6 px |" in (tmp_path / "flats.md").read_text("utf-8")
    assert rows[6]["ours"]["pixels"] > max(0.9, rows[6]["flood"]["pixels"])
    assert all(rows[gap]["ours"]["unpainted"] == rows[gap]["ours"]["ink changed"] == 0 for gap in rows)


@pytest.mark.parametrize("method", ["nearest stroke", "geodesic", "watershed", "random walker"])
def test_baselines_paint_everything(method):
    case = flat_case(3, 96, 4, "XDoG")
    out = flat_evaluation.METHODS[method](case)
    assert out.shape == case.label.shape and set(np.unique(out)) <= set(np.unique(case.strokes[case.strokes > 0]))


@pytest.mark.parametrize("style", STYLES)
def test_a_case_is_the_same_each_time_and_its_gaps_are_open(style):
    whole, again, open_ = (flat_case(7, 128, gap, style) for gap in (0, 0, 8))
    assert (whole.line == again.line).all() and (whole.label == open_.label).all()
    assert (whole.strokes == open_.strokes).all() and open_.line.mean() > whole.line.mean()
    assert len(np.unique(whole.palette[1:], axis=0)) == whole.label.max()
