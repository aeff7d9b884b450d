"""What is done with flats, node by node, inside the host."""

import pytest
import torch

pytest.importorskip("comfy_api.latest", reason="needs ComfyUI: set COMFYUI_PATH")
import folder_paths
from lineart_colorize.models.flats.colour import decode, encode
from lineart_colorize.models.flats.palette import Paint, dump, parse
from lineart_colorize.models.host import folders
from lineart_colorize.nodes.lineart_flat_color import LineartFlatColor
from lineart_colorize.nodes.lineart_inspector import LineartInspector
from lineart_colorize.nodes.lineart_palette import LineartPalette
from lineart_colorize.nodes.lineart_palette_edit import LineartPaletteEdit
from lineart_colorize.nodes.lineart_save_layers import LineartSaveLayers
from lineart_colorize.nodes.lineart_sheet import LineartSheet
from lineart_colorize.nodes.lineart_snap_to_flats import LineartSnapToFlats

folders.register()  # as the host has it: the network of the sheet lies in weights/
HAIR, SKIN = 0xD0A060, 0xFFE0C8
PALETTE = dump([Paint("hair", "#d0a060"), Paint("skin", "#ffe0c8")])


@pytest.fixture
def drawing():
    """A square of skin in hair, 80 x 96, and its drawing."""
    line = torch.ones(1, 80, 96, 3)
    line[:, 20:60, 30:70] = 0
    line[:, 22:58, 32:68] = 1
    colours = decode(torch.full((1, 80, 96), HAIR))
    colours[:, 21:59, 31:69] = decode(torch.tensor(SKIN))
    return colours, line


def run(node, **inputs):
    return node.execute(**inputs).result


def test_a_picture_snaps_to_the_palette_under_unchanged_ink(drawing):
    colours, line = drawing
    seen = (colours * line + 0.02 * torch.randn(colours.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    image, flats, shaded, unsure, text, report = run(LineartSnapToFlats, image=seen, line=line, palette=PALETTE)
    assert set(encode(flats).unique().tolist()) == {HAIR, SKIN} and torch.equal(shaded, flats)
    assert torch.equal(image[line == 0], line[line == 0]) and torch.equal(image[line == 1], flats[line == 1])
    assert text == PALETTE and not unsure.any() and report.startswith("frame 1: 2 regions, 2 colours; picture in place")
    kept = run(LineartSnapToFlats, image=seen, line=line, shading={"shading": "keep", "softness": 3})
    assert len(parse(kept[4])) == 2 and not torch.equal(kept[2], kept[1])


@pytest.mark.parametrize("line", [torch.ones(1, 40, 50, 1), torch.zeros(2, 40, 50, 3), torch.rand(1, 40, 50, 4)])
def test_drawings_of_every_kind_snap(line):
    image, flats, *_ = run(LineartSnapToFlats, image=torch.rand(1, 33, 60, 3), line=line)
    assert image.shape == flats.shape == (len(line), 40, 50, 3) and image.isfinite().all()


def test_palettes_from_everywhere(drawing, monkeypatch, tmp_path):
    monkeypatch.setattr(folder_paths, "get_input_directory", lambda: str(tmp_path))
    (tmp_path / "hers.gpl").write_text("GIMP Palette\n208 160 96 hair\n255 224 200 skin\n")
    (tmp_path / "photo.png").touch()
    options = LineartPalette.define_schema().inputs[0].options
    assert options[1].inputs[0].options == ["hers.gpl"]
    sources = [
        ({"source": "text", "colours": "hair, #d0a060\nskin, #ffe0c8"}, None),
        ({"source": "text", "colours": PALETTE}, None),
        ({"source": "file", "file": "hers.gpl"}, None),
        ({"source": "picture", "count": 2, "distinct": 8.0}, drawing[0]),
        ({"source": "strokes"}, torch.cat([drawing[0], torch.ones(1, 80, 96, 1)], dim=-1)),
    ]
    for source, image in sources:
        text, swatches = run(LineartPalette, source=source, image=image)
        found = {paint.normal for paint in parse(text)}
        assert found <= {"#d0a060", "#ffe0c8"} and found, source
        assert swatches.shape == (1, 64 * len(found), 192, 3)


def test_a_palette_file_is_read_again_when_it_changes(monkeypatch, tmp_path):
    monkeypatch.setattr(folder_paths, "get_input_directory", lambda: str(tmp_path))
    with pytest.raises(ValueError, match="belong in ComfyUI's input folder"):
        run(LineartPalette, source={"source": "file", "file": "gone.ase"})
    (tmp_path / "a.csv").write_text("hair, #d0a060")
    source = {"source": "file", "file": "a.csv"}
    assert LineartPalette.fingerprint_inputs(source) > 0 == LineartPalette.fingerprint_inputs({"source": "text"})


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"source": "text", "colours": "hair, brown"}, "Write a paint a line"),
        ({"source": "text", "colours": "[1]"}, "This is no palette"),
        ({"source": "picture", "count": 2, "distinct": 8.0}, "needs an image"),
    ],
)
def test_a_palette_that_cannot_be_made(source, words):
    with pytest.raises(ValueError, match=words):
        run(LineartPalette, source=source)


def test_the_palette_of_strokes_holds_every_colour_of_their_flats(drawing):
    generator = torch.Generator().manual_seed(0)
    strokes, mask = torch.zeros(1, 80, 96, 3), torch.zeros(1, 80, 96)
    for row in range(2, 78, 4):
        strokes[:, row : row + 2, 4:92] = torch.randint(0, 256, (3,), generator=generator) / 255
        mask[:, row : row + 2, 4:92] = 1
    strokes[:, 2, 4] = torch.tensor([1.0, 0, 0])  # an edge between two, not a stroke
    inputs = {"line": drawing[1], "scribble": strokes, "mask": mask, "mask_is": "strokes"}
    flats = run(LineartFlatColor, **inputs, strokes="hard")[1]
    palette = parse(run(LineartPalette, source={"source": "strokes"}, image=strokes, mask=1 - mask)[0])
    known = {int(paint.normal[1:], 16) for paint in palette}
    assert set(encode(flats).unique().tolist()) == known and len(known) == 19
    changed = run(LineartPaletteEdit, palette=dump(palette), light="#8090ff", flats=flats)[2]
    assert (changed[..., 0] < flats[..., 0])[flats[..., 0] > 0.01].all()


def test_a_palette_of_no_strokes_is_told():
    with pytest.raises(ValueError, match="strokes of colour in the image, found none"):
        run(LineartPalette, source={"source": "strokes"}, image=torch.ones(1, 40, 50, 4), mask=torch.zeros(1, 40, 50))


def test_editing_recolours_the_flats(drawing):
    text, _, flats = run(LineartPaletteEdit, palette=PALETTE, changes="hair = #102030", flats=drawing[0])
    assert parse(text)[0].normal == "#102030" and set(encode(flats).unique().tolist()) == {0x102030, SKIN}
    assert torch.equal(run(LineartPaletteEdit, palette=PALETTE)[2], run(LineartPaletteEdit, palette=PALETTE)[1])
    with pytest.raises(ValueError, match="light of the scene"):
        run(LineartPaletteEdit, palette=PALETTE, light="blue")


def test_layers_are_numbered_files_in_the_output_folder(drawing, monkeypatch, tmp_path):
    from psd_tools import PSDImage

    monkeypatch.setattr(folder_paths, "get_output_directory", lambda: str(tmp_path))
    colours, line = drawing
    inputs = {"flats": colours, "line": line, "shaded": colours * 0.9, "palette": PALETTE, "format": "both"}
    files = [run(LineartSaveLayers, **inputs, filename_prefix="scene/cut")[0].splitlines() for _ in range(2)]
    assert [name for one in files for name in one] == [
        str(tmp_path / "scene" / f"cut_0000{number}_.{kind}") for number in (1, 2) for kind in ("psd", "ora")
    ]
    assert [layer.name for layer in PSDImage.open(files[0][0])] == ["hair", "skin", "shadow", "highlight", "ink"]


def test_layers_of_several_sizes_are_told(drawing):
    with pytest.raises(ValueError, match="several sizes: 50 x 40, 96 x 80"):
        run(LineartSaveLayers, flats=drawing[0], line=torch.ones(1, 40, 50, 3))


def test_the_inspector_counts_shows_and_mends(drawing):
    colours, line = drawing
    blank = torch.zeros(1, 80, 96)
    nothing = run(LineartInspector, image=colours, line=line, mask=blank)
    assert nothing[3:6] == (0, 0, 0) and not nothing[2].any()
    blank[:, 2:6, 2:6] = 1
    colours[:, 40:50, 40:50] = decode(torch.tensor(HAIR))
    shown, mended, mask, unpainted, leaks, gaps, report = run(
        LineartInspector, image=colours, line=line, mask=blank, palette=PALETTE
    )
    assert (unpainted, leaks, gaps) == (1, 1, 0) and mask.sum() == 116
    assert "leak at" in report and "should be skin" in report and shown.shape == mended.shape
    assert run(LineartInspector, image=mended, line=line)[3:6] == (0, 0, 0)
    see_through = torch.cat([colours, 1 - blank[..., None]], dim=-1)
    assert run(LineartInspector, image=see_through, line=line)[3] == 1


def test_flats_from_strokes_leave_nothing_to_the_inspector(drawing):
    colours, line = drawing
    mask = torch.zeros(1, 80, 96)
    mask[:, 30:34, 40:60] = mask[:, 4:8, 10:60] = 1
    image, flats = run(LineartFlatColor, line=line, scribble=colours, mask=mask, mask_is="strokes")
    assert set(encode(flats).unique().tolist()) == {HAIR, SKIN}
    for picture in (image, flats):
        assert run(LineartInspector, image=picture, line=line)[3:6] == (0, 0, 0)


def test_the_inspector_needs_one_size(drawing):
    with pytest.raises(ValueError, match="96 x 80 px, the drawing 50 x 40"):
        run(LineartInspector, image=drawing[0], line=torch.ones(1, 40, 50, 3))


def test_masks_of_other_batches_and_sizes_fit_the_inspector(drawing):
    colours, line = drawing
    mask = torch.zeros(3, 40, 48)
    mask[1] = 1
    shown, _, found, unpainted, *_ = run(LineartInspector, image=colours.expand(2, -1, -1, -1), line=line, mask=mask)
    assert shown.shape == (3, 80, 96, 3) and unpainted == 1 and found[1].all() and not found[[0, 2]].any()


def test_the_inspector_on_paper_and_on_ink_alone(drawing):
    for line in (torch.zeros_like(drawing[1]), torch.ones_like(drawing[1])):
        assert run(LineartInspector, image=torch.full_like(line, 0.5), line=line)[3:6] == (0, 0, 0)


def test_layers_of_paper_and_of_ink_alone(drawing, monkeypatch, tmp_path):
    from psd_tools import PSDImage

    monkeypatch.setattr(folder_paths, "get_output_directory", lambda: str(tmp_path))
    for ink in (0.0, 1.0):
        see_through = torch.cat([torch.zeros_like(drawing[1]), torch.full((1, 80, 96, 1), ink)], dim=-1)
        file = run(LineartSaveLayers, flats=drawing[0], line=see_through, format="psd")[0]
        found = {layer.name: layer.size for layer in PSDImage.open(file)}
        assert found == {"#d0a060": (96, 80), "#ffe0c8": (38, 38), "ink": (96, 80) if ink else (1, 1)}


def test_a_sheet_colours_the_next_drawing(drawing):
    colours, line = drawing
    new = line.roll((5, -8), (1, 2))
    image, flats, unsure, report = run(LineartSheet, line=new, sheet=colours, sheet_line=line, sure=0.0)
    assert encode(flats[0, 45, 42]) == SKIN and encode(flats[0, 2, 2]) == HAIR
    assert torch.equal(image[new == 0], new[new == 0]) and not unsure.any() and "2 regions" in report


def test_frames_after_a_soft_sheet_of_another_size(drawing):
    """Two frames of a sheet, twice as large and blurred, for three drawings; every frame counts in the progress."""
    colours, line = drawing
    new = torch.cat([line, line.roll(6, 2), line.flip(2)])
    sheet, sheet_line = (
        torch.nn.functional.interpolate(part.movedim(-1, 1), scale_factor=2, mode="bilinear").movedim(1, -1)
        for part in (torch.cat([colours, colours.roll(4, 1)]), torch.cat([line, line.roll(4, 1)]))
    )
    image, flats, unsure, report = run(LineartSheet, line=new, sheet=sheet, sheet_line=sheet_line, sure=0.0)
    assert image.shape == new.shape and unsure.shape == new.shape[:3] and "frame 3: 2 regions" in report
    assert set(encode(flats).unique().tolist()) == {HAIR, SKIN} and encode(flats[2, 40, 45]) == SKIN


def test_a_sheet_stops_between_frames(drawing, monkeypatch):
    from lineart_colorize.nodes import lineart_sheet

    class Stop:
        def update(self, _):
            raise InterruptedError

    monkeypatch.setattr(lineart_sheet, "progress_bar", lambda total: Stop())
    with pytest.raises(InterruptedError):
        run(LineartSheet, line=drawing[1].repeat(9, 1, 1, 1), sheet=drawing[0], sheet_line=drawing[1])


def test_blank_paper_and_a_blank_sheet(drawing):
    blank = torch.ones(1, 40, 50, 3)
    for new, sheet, line in ((blank, *drawing), (drawing[1], blank, blank), (blank, blank, blank)):
        image, flats, *_ = run(LineartSheet, line=new, sheet=sheet, sheet_line=line, sure=0.0)
        assert image.shape == flats.shape == new.shape and image.isfinite().all()
