"""Pictures made exact, region by region."""

import pytest
import torch
from lineart_colorize.models.flats import frames, snap
from lineart_colorize.models.flats.colour import commonest, counted_for, decode, encode
from lineart_colorize.models.flats.light import lit
from lineart_colorize.models.flats.palette import Paint
from lineart_colorize.models.flats.regions import Regions
from lineart_colorize.models.image import resize

HAIR, SKIN, SKY = 0xD0A060, 0xFFE0C8, 0x3050A0
PALETTE = [Paint("hair", "#d0a060", "#8a5a30"), Paint("skin", "#ffe0c8"), Paint("sky", "#3050a0")]


@pytest.fixture
def regions():
    """Labels and ink of four bands with lines between them, 40 x 48."""
    labels = (torch.arange(40) // 10 + 1).int()[:, None].expand(40, 48).contiguous()
    ink = torch.zeros(40, 48)
    ink[9::10], ink[8::10] = 1, 0.5
    return labels, ink


@pytest.fixture
def picture(regions):
    """What a model gives back: soft noise, a cel shadow, dark lines that lie beside the drawing's."""
    labels, _ = regions
    generator = torch.Generator().manual_seed(0)
    colours = decode(torch.tensor([HAIR, SKIN, SKY, HAIR]))[labels.long() - 1]
    colours[:, 36:] *= 0.7
    colours += 0.012 * torch.randn(40, 48, 3, generator=generator)
    colours[7::10] = 0.1
    return colours.clamp(0, 1)


def exact(picture, labels, ink, palette=(), **limits):
    """Codes, which regions kept their own colour, and the dominant colours."""
    found = snap.dominant(picture, labels, snap.paper(ink))
    return *snap.exact(found, labels.flatten().bincount()[1:], palette, **limits), found


def test_the_mode_is_exact_where_the_picture_is(regions):
    labels, ink = regions
    flat = decode(torch.tensor([HAIR, SKIN, SKY, HAIR]))[labels.long() - 1]
    flat[:, :9] = torch.rand(40, 9, 3, generator=torch.Generator().manual_seed(0))
    found = snap.dominant(flat, labels, snap.paper(ink))
    assert encode(found).tolist() == [HAIR, SKIN, SKY, HAIR]


def test_every_region_takes_a_colour_of_the_palette(regions, picture):
    codes, kept, _ = exact(picture, *regions, PALETTE)
    assert codes.tolist() == [HAIR, SKIN, SKY, HAIR] and not kept.any()
    assert encode(snap.paint(codes, regions[0])).unique().tolist() == sorted({HAIR, SKIN, SKY})


def test_without_a_palette_alike_regions_share_one_colour(regions, picture):
    codes, _, _ = exact(picture, *regions)
    assert codes[0] == codes[3] and len(codes.unique()) == 3
    assert (decode(codes) - decode(torch.tensor([HAIR, SKIN, SKY, HAIR]))).abs().max() < 5 / 255
    assert len(exact(picture, *regions, merge=0.0)[0].unique()) > 3


def test_a_colour_far_from_the_palette_is_kept_and_told(regions, picture):
    codes, kept, _ = exact(picture, *regions, PALETTE[:2])
    assert kept.tolist() == [False, False, True, False]
    assert (decode(codes[2]) - decode(torch.tensor(SKY))).abs().max() < 5 / 255
    assert not exact(picture, *regions, PALETTE[:2], reject=500)[1].any()


def test_a_shadow_of_the_colour_book_is_a_colour_of_its_own(regions, picture):
    labels, _ = regions
    picture[labels == 4] = decode(torch.tensor(0x8C5A33))
    assert exact(picture, *regions, PALETTE)[0][3] == 0x8A5A30


def test_shading_is_kept_over_the_exact_colour(regions, picture):
    labels, ink = regions
    codes, _, found = exact(picture, labels, ink, PALETTE)
    shade = snap.shade(picture, found, labels, ink, 2)
    assert shade[:, 4:28].abs().max() < 0.05 and (shade[:, 44:] + 0.3).abs().max() < 0.05
    shaded = lit(snap.paint(codes, labels)[None], shade[None])[0]
    base = decode(torch.tensor(SKIN))
    assert ((shaded[12:16, 10:20] - base).abs().amax(dim=(0, 1)) < 0.05).all()
    assert ((shaded[12:16, 44:] - 0.7 * base).abs().amax(dim=(0, 1)) < 0.05).all()


def test_ten_thousand_regions():
    labels = torch.arange(1, 10001).view(100, 100).repeat_interleave(3, 0).repeat_interleave(3, 1)
    wanted = torch.arange(10000) * 1677
    found = snap.dominant(decode(wanted)[labels - 1], labels, torch.ones(300, 300))
    assert torch.equal(encode(found), wanted)


def test_a_picture_that_is_all_ink(regions):
    labels, ink = regions
    assert exact(torch.zeros(40, 48, 3), labels, torch.ones_like(ink))[0].tolist() == [0] * 4


@pytest.fixture
def drawing(regions):
    """The line art of the regions, (1, 40, 48, 3), and what `Regions` says of it."""
    labels, ink = regions
    return (1 - ink)[None, ..., None].expand(-1, -1, -1, 3), Regions(labels[None], ink[None], 4.0)


def test_pictures_of_a_batch_share_their_colours(drawing, picture):
    line, regions = drawing
    seen = torch.stack([picture, (picture * 0.99).roll(20, 0)])
    done = snap.snap(seen, line, regions, register=False, merge=8.0)
    assert done.flats.shape == (2, 40, 48, 3) and len(encode(done.flats).unique()) == 3
    assert torch.equal(done.shaded, done.flats) and not done.unsure.any()
    assert done.report.splitlines()[1].startswith("frame 2: 4 regions, 3 colours; picture laid over")


def test_a_region_that_two_colours_share_is_told(drawing, picture):
    line, regions = drawing
    picture[10:18, 28:] = decode(torch.tensor(SKY))
    done = snap.snap(picture[None], line, regions, PALETTE, register=False)
    assert done.unsure[0, 10:20].all() and done.unsure.sum() == 480
    assert "480 px: 47% of it is another colour" in done.report
    assert not snap.mixed(picture[:, :9], torch.zeros(4, 3), regions.labels[0, :, :9], torch.ones(40, 9)).any()


def test_any_size_of_picture_comes_out_at_the_drawings(drawing, picture):
    line, regions = drawing
    seen = resize(picture[None], 93, 61)
    done = snap.snap(seen, line, regions, PALETTE[:2], softness=3)
    assert done.flats.shape == done.shaded.shape == (1, 40, 48, 3)
    assert done.unsure[0, 22:28].all() and not done.unsure[0, :18].any()
    assert "region at 23, 24, 480 px: #" in done.report and "far from the palette" in done.report
    assert not torch.equal(done.shaded, done.flats)


def test_regions_of_another_drawing_are_told(drawing, picture):
    _, regions = drawing
    with pytest.raises(ValueError, match="regions are of a drawing of 48 x 40 px, but the drawing here has 20 x 30"):
        snap.snap(picture[None], torch.ones(1, 30, 20, 3), regions)


def test_the_middle_of_a_region_is_in_it():
    labels = torch.ones(20, 20, dtype=torch.int32)
    labels[5:15, 5:15] = 2
    labels[2, 3] = 3
    (x, y), second, third = frames.middles(labels)
    assert labels[y, x] == 1 and third.tolist() == [3, 2] and second.tolist() in ([9, 9], [10, 10], [9, 10], [10, 9])


def test_colours_count_for_the_heaviest_near_them():
    codes = torch.tensor([0xFFFFFF, 0xFEFEFE, 0x000000, 0x010101])
    assert counted_for(codes, torch.tensor([1, 9, 5, 2]), 3.0).tolist() == [1, 1, 2, 2]
    assert counted_for(codes, torch.tensor([1, 9, 5, 2]), 3.0, 1).tolist() == [1, 1, -1, -1]
    assert counted_for(codes, torch.tensor([1, 9, 5, 2]), 0.0).tolist() == [0, 1, 2, 3]
    assert commonest(decode(codes[[0, 1, 1, 2, 2, 2, 2, 3]]), 3.0).tolist() == [0x000000, 0xFEFEFE]
