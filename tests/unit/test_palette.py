"""Palettes: where they come from, how they change, and files that are none."""

import struct

import pytest
import torch
from lineart_colorize.models.flats import colour, palette, palette_files
from lineart_colorize.models.flats.palette import Paint

HAIR, SKIN = Paint("hair", "#d0a060", "#8a5a30", "#f6e0b0"), Paint("skin", "#ffe0c8")


def test_lab_of_known_colours():
    """Values of the CIE formulas for sRGB white, mid grey, red and blue."""
    rgb = torch.tensor([[1.0, 1, 1], [0.5, 0.5, 0.5], [1, 0, 0], [0, 0, 1]])
    known = torch.tensor([[100, 0, 0], [53.39, 0, 0], [53.24, 80.09, 67.20], [32.30, 79.19, -107.86]])
    torch.testing.assert_close(colour.lab(rgb), known, atol=0.05, rtol=0)


def test_lab_and_back():
    rgb = torch.rand(500, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(colour.srgb(colour.lab(rgb)), rgb, atol=2e-3, rtol=0)


def test_codes_keep_every_8_bit_colour():
    codes = torch.arange(0, 1 << 24, 997)
    assert torch.equal(colour.encode(colour.decode(codes)), codes)


def test_json_there_and_back():
    assert palette.parse(palette.dump([HAIR, SKIN])) == [HAIR, SKIN]
    assert palette.parse("  ") == []


@pytest.mark.parametrize("text", ["hello", "{}", "[1]", '[{"name": "a"}]', '[{"name": "a", "normal": "red"}]', "null"])
def test_text_that_is_no_palette(text):
    with pytest.raises(ValueError, match="This is no palette"):
        palette.parse(text if text != "{}" else '{"name": "a"}')


def test_strokes_give_their_very_colours_and_no_blends():
    strokes, mask = torch.zeros(1, 40, 40, 3), torch.zeros(1, 40, 40)
    for row, code in enumerate((0xD0A060, 0xFFE0C8, 0x102030)):
        strokes[:, 10 * row : 10 * row + 8] = colour.decode(torch.tensor(code))
        mask[:, 10 * row : 10 * row + 8] = 1
    strokes[:, 0, :20] += 1 / 255  # a soft edge
    found = palette.of_strokes(strokes, mask)
    assert {paint.normal for paint in found} == {"#d0a060", "#ffe0c8", "#102030"}
    assert palette.of_strokes(strokes, torch.zeros_like(mask)) == []


def test_a_picture_gives_its_commonest_colours():
    picture = colour.decode(torch.tensor([[0xD0A060] * 6 + [0xD1A160] + [0x000000] * 2 + [0x00FF00]]))[None]
    assert [paint.normal for paint in palette.of_picture(picture, 2)] == ["#d0a060", "#000000"]


def test_rename_and_replace():
    changed = palette.change([HAIR, SKIN], "hair = fringe\n\nskin = #FFD0B0\n#8a5a30 = 112233")
    assert changed == [Paint("fringe", "#d0a060", "#112233", "#f6e0b0"), Paint("skin", "#ffd0b0")]


@pytest.mark.parametrize(("line", "words"), [("beard = #ffffff", "has no 'beard'.*hair, skin"), ("hair", "old = new")])
def test_a_change_that_cannot_be(line, words):
    with pytest.raises(ValueError, match=words):
        palette.change([HAIR, SKIN], line)


def test_a_scene_shifts_as_a_whole():
    assert palette.shift([HAIR], 0, 1, 0, "#ffffff") == [HAIR]
    grey = palette.shift([HAIR], chroma=0)[0]
    assert grey.shadow and len({grey.normal[1:3], grey.normal[3:5], grey.normal[5:]}) == 1
    assert palette.shift([SKIN], light="#8080ff")[0].normal == "#8070c8"
    assert palette.shift([Paint("a", "#808080")], lightness=100)[0].normal == "#ffffff"
    turned = palette.shift([Paint("a", "#b06060")], hue=180)[0].normal
    assert int(turned[1:3], 16) < int(turned[5:], 16)


def test_recolouring_changes_exact_colours_only():
    flats = colour.decode(torch.tensor([[0xD0A060, 0xD0A061, 0x8A5A30, 0xFFFFFF]]))[None]
    after = palette.change([HAIR], "hair = #010203")
    codes = colour.encode(palette.recolour(flats, [HAIR], after))
    assert codes.flatten().tolist() == [0x010203, 0xD0A061, 0x8A5A30, 0xFFFFFF]
    assert torch.equal(palette.recolour(flats, [], []), flats)


def test_swapping_two_colours():
    flats = colour.decode(torch.tensor([[0xD0A060, 0xFFE0C8]]))[None]
    after = [Paint("hair", "#ffe0c8"), Paint("skin", "#d0a060")]
    before = [Paint("hair", "#d0a060"), SKIN]
    assert torch.equal(palette.recolour(flats, before, after), flats.flip(2))


def ase(*colours):
    blocks = struct.pack(">HI", 0xC001, 2 + 2 * 2) + struct.pack(">H", 2) + "G\0".encode("utf-16-be")
    for name, model, values in colours:
        text = f"{name}\0".encode("utf-16-be")
        body = struct.pack(">H", len(text) // 2) + text + model + struct.pack(f">{len(values)}f", *values) + b"\0\2"
        blocks += struct.pack(">HI", 1, len(body)) + body
    return b"ASEF" + struct.pack(">HHI", 1, 0, len(colours) + 1) + blocks


def aco(*colours, named=True):
    plain = b"".join(struct.pack(">H4H", space, *values) for _, space, values in colours)
    data = struct.pack(">HH", 1, len(colours)) + plain
    if named:
        data += struct.pack(">HH", 2, len(colours))
        for name, space, values in colours:
            text = f"{name}\0".encode("utf-16-be")
            data += struct.pack(">H4H", space, *values) + struct.pack(">I", len(text) // 2) + text
    return data


FILES = {
    "a.gpl": b"GIMP Palette\nName: x\nColumns: 4\n# note\n208 160  96\thair of hers\n  0   0   0\n",
    "a.ase": ase(("hair of hers", b"RGB ", (208 / 255, 160 / 255, 96 / 255)), ("", b"Gray", (0,))),
    "a.aco": aco(("hair of hers", 0, (208 * 257, 160 * 257, 96 * 257, 0)), ("", 8, (10000, 0, 0, 0))),
    "a.csv": b"name,normal\nhair of hers,#D0A060\n,0 0 0\n",
    "b.csv": b"hair of hers,208,160,96\n#000000\n",
    "c.csv": b"Name;Colour\nhair of hers;#d0a060\n;0,0,0\n",
    "d.csv": "hair of hers\t208\t160\t96\n#000000\n".encode("utf-16"),
    "rgba.gpl": b"GIMP Palette\nChannels: RGBA\n#\n208 160 96 255 hair of hers\n0 0 0 255\n",
}


def read(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    return palette_files.read(tmp_path / name)


@pytest.mark.parametrize("name", FILES)
def test_every_kind_of_file(tmp_path, name):
    assert read(tmp_path, name, FILES[name]) == [Paint("hair of hers", "#d0a060"), Paint("colour 2", "#000000")]


@pytest.mark.parametrize(
    ("name", "data", "colour"),
    [
        ("cmyk.ase", ase(("a", b"CMYK", (0, 0.5, 1, 0))), "#ff8000"),
        ("lab.ase", ase(("a", b"LAB ", (0.5324, 80.09, 67.2))), "#ff0000"),
        ("old.aco", aco(("a", 0, (65535, 0, 0, 0)), named=False), "#ff0000"),
        ("hsb.aco", aco(("a", 1, (21845, 65535, 65535, 0))), "#00ff00"),
        ("hsb2.aco", aco(("a", 1, (49151, 32768, 65535, 0))), "#bf7fff"),
        ("cmyk.aco", aco(("a", 2, (65535, 32768, 0, 65535))), "#ff8000"),
        ("lab.aco", aco(("a", 7, (3230, 7919, 65536 - 10786, 0))), "#0000ff"),
        ("wide.aco", aco(("a", 9, (0, 5000, 10000, 0))), "#ff8000"),
    ],
)
def test_colour_spaces_of_adobe(tmp_path, name, data, colour):
    assert read(tmp_path, name, data)[0].normal == colour


def test_colour_book_rows(tmp_path):
    rows = b"part,highlight,normal,shadow\nhair,#f6e0b0,#d0a060,#8a5a30\nskin,,#ffe0c8,\n"
    assert read(tmp_path, "book.csv", rows) == [HAIR, SKIN]
    two = b"name,highlight,normal,shadow 1,shadow 2\nhair,#f6e0b0,#d0a060,#8a5a30,#603010\n"
    assert read(tmp_path, "two.csv", two) == [HAIR]
    bare = b"hair,#8a5a30,#f6e0b0,208 160 96\nskin,#ffe0c8\n"
    assert read(tmp_path, "bare.csv", bare) == [HAIR, SKIN]


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.gpl", b"\x89PNG\r\n", "expected 'GIMP Palette'"),
        ("a.gpl", b"", "expected 'GIMP Palette'"),
        ("a.gpl", b"GIMP Palette\n300 0 0 red\n", "three numbers from 0 to 255"),
        ("a.gpl", b"GIMP Palette\n", "holds no colour"),
        ("a.ase", b"GIMP Palette\n", "begins with ASEF"),
        ("a.ase", b"ASEF\0\1\0\0\0\0\0\5", "ends too early"),
        ("a.ase", FILES["a.ase"][:-1], "ends too early"),
        ("a.aco", FILES["a.aco"][:-1], "ends too early"),
        ("a.ase", ase(("a", b"XYZ ", (1.0,))), "kept as"),
        ("a.aco", b"GIMP Palette\n", "expected version 1 or 2"),
        ("a.aco", b"\0\1\0\7\0", "ends too early"),
        ("a.aco", aco(("a", 3, (1, 2, 3, 4))), "space 3"),
        ("a.csv", b"\x89PNG\r\n\1\2", "row 1 holds 0 colours"),
        ("a.csv", b"name,normal\nhair,red\n", "row 1 holds 'red'"),
        ("a.csv", b"name,shadow\nhair,#000000\n", "names no normal colour"),
        ("a.csv", b"", "holds no colour"),
        ("a.png", b"", r"expected one of \.gpl"),
    ],
)
def test_files_that_are_no_palette(tmp_path, name, data, words):
    with pytest.raises(ValueError, match=words) as caught:
        read(tmp_path, name, data)
    assert name in str(caught.value)
