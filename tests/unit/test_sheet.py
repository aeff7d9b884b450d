"""Figures drawn twice: what the first is painted in, the second finds again."""

import numpy as np
import pytest
import torch
from lineart_colorize.models.flats import sheet
from lineart_colorize.models.flats.colour import decode, encode
from lineart_colorize.models.flats.palette import Paint
from lineart_colorize.models.flats.regions import Regions

SKIN, HAIR, SHIRT, BELT, TROUSERS, SHOES = 0xFFE0C8, 0xD0A060, 0x3050A0, 0x201008, 0x607050, 0x8A2020
WHITE = 0xFFFFFF


def figure(moved=(0, 0), zoom=1.0, lift=0.0, size=200):
    """Labels (H, W), codes by label and ink of a figure of parts laid over each other; `lift` raises its arms."""
    from PIL import Image, ImageDraw

    picture = Image.new("I", (size, size), 0)
    draw, codes = ImageDraw.Draw(picture), [WHITE]

    def put(shape, code, *points):
        codes.append(code)
        points = [((x * zoom + 100 + moved[0]), (y * zoom + 100 + moved[1])) for x, y in points]
        getattr(draw, shape)(points, len(codes) - 1)

    for side in (-1, 1):
        put("polygon", TROUSERS, (side * 4, 20), (side * 22, 20), (side * 20, 70), (side * 6, 70))
        put("ellipse", SHOES, (side * 14 - 10, 66), (side * 14 + 10, 80))
        hand = np.array([side * (44 + 10 * lift), 22 - 50 * lift])
        put("polygon", SHIRT, (side * 20, -25), (side * 26, -10), (hand[0] + 4, hand[1]), (hand[0] - 4, hand[1] - 6))
        put("ellipse", SKIN, *(tuple(hand + way) for way in ((-7, -8), (7, 6))))
    put("polygon", SHIRT, (-24, -30), (24, -30), (20, 24), (-20, 24))
    put("polygon", BELT, (-21, 12), (21, 12), (20, 20), (-20, 20))
    put("ellipse", HAIR, (-24, -84), (24, -30))
    put("ellipse", SKIN, (-18, -74), (18, -26))
    for side in (-1, 1):
        put("ellipse", WHITE, (side * 8 - 5, -58), (side * 8 + 5, -48))
    labels = np.asarray(picture) + 1
    numbers, labels = np.unique(labels, return_inverse=True)
    labels = labels.reshape(size, size).astype(np.int32) + 1
    return labels, np.array(codes)[numbers - 1]


def test_the_same_figure_elsewhere_and_smaller():
    known, new = figure(), figure((30, -12), 0.7)
    codes, confidence = sheet.transfer(new[0], [known])
    assert np.array_equal(codes, new[1]) and confidence.min() > 0.3 and confidence.max() <= 1


def test_another_pose():
    new = figure((-15, 5), 0.9, lift=1.0)
    codes, _ = sheet.transfer(new[0], [figure()])
    assert np.array_equal(codes, new[1])


def test_two_frames_know_more_than_one():
    new = figure(lift=0.8)
    one, both = (sheet.transfer(new[0], frames)[1] for frames in ([figure()], [figure(), figure(lift=0.9)]))
    assert both.mean() > 0 and np.array_equal(sheet.transfer(new[0], [figure(), figure(lift=0.9)])[0], new[1])
    assert one.shape == both.shape


def test_descriptions_know_neither_size_nor_place():
    small, large = sheet.describe(figure((20, 20), 0.5, size=300)[0]), sheet.describe(figure((50, 0), 1.0, size=300)[0])
    assert np.abs(small.features - large.features)[1:].max() < 0.5


def as_frames(*figures):
    """Pictures, drawings and regions of figures as the nodes pass them."""
    labels = torch.from_numpy(np.stack([labels for labels, _ in figures]))
    colours = torch.stack(
        [decode(torch.from_numpy(codes))[part.long() - 1] for part, (_, codes) in zip(labels, figures, strict=True)]
    )
    ink = torch.zeros(labels.shape)
    ink[:, :, 1:] = (labels[:, :, 1:] != labels[:, :, :-1]).float()
    line = (1 - ink)[..., None].expand(-1, -1, -1, 3)
    return colours, line, Regions(labels, ink, 4.0)


def coloured(*arguments, **options):
    """`sheet.colour` of all frames together."""
    flats, unsure, report = zip(*sheet.colour(*arguments, **options), strict=True)
    return torch.stack(flats), torch.stack(unsure), "\n".join(report)


def test_whole_pictures():
    known, line, regions = as_frames(figure())
    wanted, new_line, new_regions = as_frames(figure((9, 4)), figure(lift=0.2))
    flats, unsure, report = coloured(new_line, new_regions, known, line, regions, sure=0.0)
    assert torch.equal(encode(flats), encode(wanted)) and not unsure.any()
    assert report.splitlines() == [
        f"frame {i}: {len(p.unique())} regions, 0 of them not sure" for i, p in enumerate(new_regions.labels, 1)
    ]


def test_unsure_regions_stay_white_and_are_listed():
    known, line, regions = as_frames(figure())
    _, new_line, new_regions = as_frames(figure((9, 4)))
    flats, unsure, report = coloured(new_line, new_regions, known, line, regions, [Paint("skin", "#ffe0c8")], 1.01)
    assert unsure.all() and (flats == 1).all()
    assert "could be" not in report and "skin, " in report and "% sure" in report


def test_the_sheet_takes_the_palette_s_colours():
    known, line, regions = as_frames(figure())
    palette = [Paint(str(code), f"#{code ^ 0x010101:06x}") for code in (SKIN, HAIR, SHIRT, BELT, TROUSERS, SHOES)]
    flats, _, _ = coloured(line, regions, known, line, regions, [*palette, Paint("paper", "#ffffff")], 0.0)
    assert {int(code) for code in encode(flats).unique()} == {int(paint.normal[1:], 16) for paint in palette} | {WHITE}


@pytest.mark.parametrize("known", [1, 40])
@pytest.mark.parametrize("new", [1, 40])
def test_any_number_of_regions(known, new):
    def strips(count):
        return (np.arange(80) * count // 80 + 1).astype(np.int32)[None].repeat(12, 0)

    codes, confidence = sheet.transfer(strips(new), [(strips(known), np.arange(known))])
    assert codes.shape == confidence.shape == (new,) and np.isfinite(confidence).all()


def test_ten_thousand_regions_are_told():
    labels = np.arange(1, 10001, dtype=np.int32).reshape(100, 100)
    with pytest.raises(ValueError, match=r"10000 regions and the sheet 10000.*raise `area`"):
        sheet.transfer(labels, [(labels, np.arange(10000))])
