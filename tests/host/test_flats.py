"""The templates of flats in the real ComfyUI, on the shipped drawings."""

import io
import zipfile

import numpy as np
import pytest
from lineart_colorize.cli import demo
from PIL import Image


def flats_of(host, template, drawing):
    """What a template makes of a drawing: the picture (H, W, 3) uint8 with its ink checked, and where paper is."""
    coloured = np.asarray(Image.open(io.BytesIO(demo.run(host, workflow=f"{template}.json"))).convert("RGB"))
    line = np.asarray(Image.open(demo.WORKFLOWS / drawing).convert("RGB"))
    assert coloured.shape == line.shape and not coloured[line == 0].any(), "the ink is what it was"
    return coloured, (line == 255).all(-1)


@pytest.mark.parametrize("template", ["flats_from_strokes", "snap_to_flats"])
def test_all_paper_has_exactly_the_colours_of_the_strokes(host, template):
    coloured, paper = flats_of(host, template, "demo_line.png")
    strokes = np.asarray(Image.open(demo.WORKFLOWS / "demo_scribble.png"))
    known = {tuple(colour) for colour in np.unique(strokes[strokes[..., 3] == 255][:, :3], axis=0)}
    found = {tuple(colour) for colour in np.unique(coloured[paper], axis=0)}
    assert found <= known and len(found) > 8


def test_a_sheet_colours_the_next_frame(host):
    coloured, paper = flats_of(host, "sheet_to_frame", "demo_frame.png")
    assert len(np.unique(coloured[paper], axis=0)) > 8


def test_layers_are_files_in_the_output_folder(host):
    from psd_tools import PSDImage

    coloured, _ = flats_of(host, "layers_out", "demo_line.png")
    psd, ora = (max((host.base / "output").glob(f"layers_*_.{kind}")) for kind in ("psd", "ora"))
    document = PSDImage.open(psd)
    assert [layer.name for layer in document][-3:] == ["shadow", "highlight", "ink"] and len(document) > 8
    with zipfile.ZipFile(ora) as archive:
        pictures = Image.open(psd), Image.open(io.BytesIO(archive.read("mergedimage.png")))
    for merged in pictures:
        assert np.abs(np.asarray(merged.convert("RGB")).astype(int) - coloured).max() <= 1
