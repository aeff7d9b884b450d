"""Pictures made exact, region by region."""

import pytest
import torch
from lineart_colorize.models.flats import snap
from lineart_colorize.models.flats.colour import commonest, counted_for, decode, encode
from lineart_colorize.models.flats.light import lit
from lineart_colorize.models.flats.palette import Paint

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


def test_the_mode_is_exact_where_the_picture_is(regions):
    labels, ink = regions
    flat = decode(torch.tensor([HAIR, SKIN, SKY, HAIR]))[labels.long() - 1]
    flat[:, :9] = torch.rand(40, 9, 3, generator=torch.Generator().manual_seed(0))
    found = snap.dominant(flat, labels, snap.paper(ink))
    assert encode(found).tolist() == [HAIR, SKIN, SKY, HAIR]


def test_every_region_takes_a_colour_of_the_palette(regions, picture):
    found = snap.snap(picture, *regions, PALETTE)
    assert found.codes.tolist() == [HAIR, SKIN, SKY, HAIR] and not found.kept.any()
    codes = encode(snap.flats(found.codes, regions[0]))
    assert codes.unique().tolist() == sorted({HAIR, SKIN, SKY})


def test_without_a_palette_alike_regions_share_one_colour(regions, picture):
    found = snap.snap(picture, *regions)
    assert found.codes[0] == found.codes[3] and len(found.codes.unique()) == 3
    assert (decode(found.codes) - decode(torch.tensor([HAIR, SKIN, SKY, HAIR]))).abs().max() < 5 / 255
    assert len(snap.snap(picture, *regions, merge=0.0).codes.unique()) > 3


def test_a_colour_far_from_the_palette_is_kept_and_told(regions, picture):
    found = snap.snap(picture, *regions, PALETTE[:2])
    assert found.kept.tolist() == [False, False, True, False]
    assert (decode(found.codes[2]) - decode(torch.tensor(SKY))).abs().max() < 5 / 255
    assert not snap.snap(picture, *regions, PALETTE[:2], reject=500).kept.any()


def test_a_shadow_of_the_colour_book_is_a_colour_of_its_own(regions, picture):
    labels, _ = regions
    picture[labels == 4] = decode(torch.tensor(0x8C5A33))
    assert snap.snap(picture, *regions, PALETTE).codes[3] == 0x8A5A30


def test_shading_is_kept_over_the_exact_colour(regions, picture):
    labels, ink = regions
    found = snap.snap(picture, labels, ink, PALETTE)
    shade = snap.shade(picture, found.found, labels, ink, 2)
    assert shade[:, 4:28].abs().max() < 0.05 and (shade[:, 44:] + 0.3).abs().max() < 0.05
    shaded = lit(snap.flats(found.codes, labels)[None], shade[None])[0]
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
    found = snap.snap(torch.zeros(40, 48, 3), labels, torch.ones_like(ink))
    assert found.codes.tolist() == [0] * 4


def test_colours_count_for_the_heaviest_near_them():
    codes = torch.tensor([0xFFFFFF, 0xFEFEFE, 0x000000, 0x010101])
    assert counted_for(codes, torch.tensor([1, 9, 5, 2]), 3.0).tolist() == [1, 1, 2, 2]
    assert counted_for(codes, torch.tensor([1, 9, 5, 2]), 3.0, 1).tolist() == [1, 1, -1, -1]
    assert counted_for(codes, torch.tensor([1, 9, 5, 2]), 0.0).tolist() == [0, 1, 2, 3]
    assert commonest(decode(codes[[0, 1, 1, 2, 2, 2, 2, 3]]), 3.0).tolist() == [0x000000, 0xFEFEFE]
