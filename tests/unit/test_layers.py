"""Layers for paint programs: what is written is read back by other programs' readers, pixel by pixel."""

import io
import struct
import zipfile

import numpy as np
import pytest
import torch
from lineart_colorize.models.flats import layers
from lineart_colorize.models.flats.colour import decode
from lineart_colorize.models.flats.light import light, lit, within_regions
from lineart_colorize.models.flats.palette import Paint

HAIR, SKIN, CLOTH = 0xD0A060, 0xFFE0C8, 0x3050A0
PALETTE = [Paint("髪 hair ä/1", "#d0a060"), Paint("skin", "#ffe0c8")]


@pytest.fixture
def drawing():
    """Three flats, a soft and coloured line, and a light; 30 x 44."""
    generator = torch.Generator().manual_seed(0)
    codes = torch.full((30, 44), SKIN)
    codes[:12], codes[20:, :9] = HAIR, CLOTH
    line = torch.ones(30, 44, 3)
    line[11:13] = torch.rand(2, 44, 1, generator=generator)
    line[19:21, :, 0] = 0.1  # blue pencil
    return decode(codes), line, torch.rand(30, 44, generator=generator) * 1.6 - 0.8


def reopened_psd(data):
    from psd_tools import PSDImage

    document = PSDImage.open(data)
    modes = {"multiply": True, "normal": False}
    return document.size, [
        ((one.name, one.left, one.top, modes[one.blend_mode.name.lower()]), np.asarray(one.topil())) for one in document
    ]


def reopened_ora(data):
    from pyora import Project

    project = Project.load(data)
    modes = {"svg:multiply": True, "svg:src-over": False}
    found = [
        ((one.name, *one.offsets, modes[one.composite_op]), np.asarray(one.get_image_data(raw=True)))
        for one in reversed(list(project.children))
    ]
    return project.dimensions, found


@pytest.mark.parametrize(("kind", "reopen"), [("psd", reopened_psd), ("ora", reopened_ora)])
def test_another_reader_finds_every_layer_and_pixel(drawing, kind, reopen):
    flats, line, shade = drawing
    written = layers.split(flats, line, shade, PALETTE)
    picture = (lit(flats, shade) * line * 255).round().byte().numpy()
    data = io.BytesIO()
    layers.WRITERS[kind](data, picture, written)
    data.seek(0)
    size, found = reopen(data)
    assert size == (44, 30)
    assert [facts[0] for facts, _ in found] == ["skin", "髪 hair ä/1", "#3050a0", "shadow", "highlight", "ink"]
    for layer, (facts, pixels) in zip(written, found, strict=True):
        assert (layer.name, layer.left, layer.top, layer.multiply) == facts
        assert np.array_equal(layer.pixels, pixels)


def test_photoshop_s_file_keeps_the_picture_too(drawing):
    from PIL import Image

    flats, line, shade = drawing
    picture = (lit(flats, shade) * line * 255).round().byte().numpy()
    data = io.BytesIO()
    layers.write_psd(data, picture, layers.split(flats, line, shade))
    head = struct.unpack(">4sH6xHIIHH", data.getvalue()[:26])
    assert head == (b"8BPS", 1, 4, 30, 44, 8, 3), "RGB of 8 bits and a fourth channel"
    rest = data.getvalue()[26:]
    for _ in range(2):  # colour table, resources
        rest = rest[4 + struct.unpack(">I", rest[:4])[0] :]
    length, _, count = struct.unpack(">IIh", rest[:10])
    assert count == -6, "the fourth channel is the transparency of all, not a mask of its own"
    assert rest[4 + length : 6 + length] == b"\0\1", "RLE"
    assert np.array_equal(np.asarray(Image.open(data).convert("RGB")), picture)


@pytest.mark.parametrize(("kind", "reopen"), [("psd", reopened_psd), ("ora", reopened_ora)])
@pytest.mark.parametrize(("name", "kept"), [("髪" * 300, "髪" * 255), ("a\x01b\n<&>", "ab<&>"), ("", "#d0a060")])
def test_names_that_files_hold_badly(name, kept, kind, reopen):
    flats, data = decode(torch.full((4, 4), HAIR)), io.BytesIO()
    stack = layers.split(flats, torch.ones(4, 4, 3), None, [Paint(name, "#d0a060")])
    layers.WRITERS[kind](data, (flats * 255).byte().numpy(), stack)
    data.seek(0)
    assert reopen(data)[1][0][0][0][:255] == kept


def test_openraster_keeps_the_picture_too(drawing):
    from PIL import Image

    flats, line, _ = drawing
    picture = (flats * line * 255).round().byte().numpy()
    data = io.BytesIO()
    layers.write_ora(data, picture, layers.split(flats, line))
    assert data.getvalue()[30:54] == b"mimetypeimage/openraster", "first and not compressed"
    with zipfile.ZipFile(data) as archive:
        assert np.array_equal(np.asarray(Image.open(archive.open("mergedimage.png"))), picture)
        assert Image.open(archive.open("Thumbnails/thumbnail.png")).size == (44, 30)


def laid_over(stack, size):
    picture = np.zeros((*size, 3))
    for layer in stack:
        colour, opacity = layer.colour / 255, layer.opacity[..., None] / 255
        place = picture[layer.top : layer.top + len(opacity), layer.left : layer.left + opacity.shape[1]]
        place += ((place * colour if layer.multiply else colour) - place) * opacity
    return picture


def test_layers_laid_over_each_other_are_the_picture(drawing):
    flats, line, shade = drawing
    stack = layers.split(flats, line, shade)
    wanted = (lit(flats, shade) * line).numpy()
    assert np.abs(laid_over(stack, (30, 44)) - wanted).max() < 2.5 / 255
    assert np.abs(laid_over(layers.split(flats, line), (30, 44)) - (flats * line).numpy()).max() < 1.5 / 255


def test_without_ink_and_shadow_there_are_empty_layers():
    flats = decode(torch.full((4, 4), HAIR))
    found = layers.split(flats, torch.ones(4, 4, 3), torch.zeros(4, 4))
    assert [layer.opacity.shape for layer in found] == [(4, 4), (1, 1), (1, 1), (1, 1)]


def test_a_picture_that_is_not_flat():
    with pytest.raises(ValueError, match=r"\d{4} colours .* up to 1000: connect flats"):
        layers.split(torch.rand(40, 40, 3, generator=torch.Generator().manual_seed(0)), torch.ones(40, 40, 3))


def test_light_gives_flats_the_brightness_of_a_picture():
    generator = torch.Generator().manual_seed(1)
    picture, flats = (torch.rand(1, 20, 20, 3, generator=generator) * 0.9 + 0.05 for _ in range(2))
    from lineart_colorize.models.image import luma

    torch.testing.assert_close(luma(lit(flats, light(picture, flats))), luma(picture), atol=1e-4, rtol=0)
    assert not light(flats, flats).any()
    assert light(torch.zeros(1, 2, 2, 3), torch.zeros(1, 2, 2, 3)).isfinite().all()


def test_smoothing_stays_within_a_region():
    labels = torch.ones(12, 20, dtype=torch.int32)
    labels[:, 10:] = 2
    values = (labels == 2).float() * 5 + 1
    assert torch.allclose(within_regions(values, torch.ones(12, 20), labels, 4), values)
    noisy = torch.rand(12, 20, generator=torch.Generator().manual_seed(0))
    smooth = within_regions(noisy, torch.ones(12, 20), labels, 100)
    assert torch.allclose(smooth[labels == 1], noisy[labels == 1].mean(), atol=1e-5)
    weights = torch.zeros(12, 20)
    weights[3, 3] = 1
    weighted = within_regions(noisy, weights, labels, 3)
    assert torch.allclose(weighted[2:5, 2:5], noisy[3, 3]) and not weighted[:, 10:].any()
