"""LineartRegions and LineartFlatColor inside the host."""

import pytest
import torch

pytest.importorskip("comfy_api.latest", reason="needs ComfyUI: set COMFYUI_PATH")
import comfy.model_management as mm
import comfy.utils
from lineart_colorize.nodes.lineart_flat_color import LineartFlatColor
from lineart_colorize.nodes.lineart_regions import LineartRegionsNode


@pytest.fixture
def drawing():
    line = torch.ones(1, 60, 80, 3)
    line[:, :, 39:42] = 0
    line[:, 28:32, 39:42] = 1
    scribble, mask = torch.zeros(1, 60, 80, 3), torch.zeros(1, 60, 80)
    scribble[:, 20:40, 10:14, 0] = scribble[:, 20:40, 60:64, 1] = 1
    mask[:, 20:40, 10:14] = mask[:, 20:40, 60:64] = 1
    return line, scribble, mask


def test_regions_to_flats(drawing):
    line, scribble, mask = drawing
    regions, labels, masks = LineartRegionsNode.execute(line=line, masks=2).result
    assert labels.shape == (1, 60, 80, 3) and masks.shape == (2, 60, 80) and regions.labels.max() == 2
    image, flats = LineartFlatColor.execute(line=line, scribble=scribble, mask=mask, regions=regions).result
    again = LineartFlatColor.execute(line=line, scribble=scribble, mask=mask).result
    assert torch.equal(image, again[0]) and torch.equal(flats, again[1])
    assert (flats[..., :38, 0] == 1).all() and (flats[..., 42:, 1] == 1).all() and (flats.sum(-1) == 1).all()
    assert (image[line == 0] == 0).all() and torch.equal(image[line[..., 0] == 1], flats[line[..., 0] == 1])


def test_many_frames_by_one_picture_of_strokes(drawing):
    line, scribble, mask = drawing
    image, _ = LineartFlatColor.execute(line=line.repeat(3, 1, 1, 1), scribble=scribble, mask=mask).result
    assert len(image) == 3 and torch.equal(image[0], image[2])


def test_regions_of_another_drawing_are_told(drawing):
    line, scribble, mask = drawing
    regions = LineartRegionsNode.execute(line=line[:, :30]).result[0]
    with pytest.raises(ValueError, match="80 x 60, found regions of 80 x 30"):
        LineartFlatColor.execute(line=line, scribble=scribble, mask=mask, regions=regions)


def test_no_strokes_are_told(drawing):
    line, scribble, mask = drawing
    with pytest.raises(ValueError, match="found none: paint at least one"):
        LineartFlatColor.execute(line=line, scribble=scribble, mask=mask * 0, mask_is="strokes")


@pytest.mark.parametrize("frames", [1, 3])
def test_progress_is_shown_frame_by_frame_and_inside_a_frame(drawing, frames, monkeypatch):
    line, scribble, mask = drawing
    line, shown = line.repeat(frames, 1, 1, 1), []
    monkeypatch.setattr(comfy.utils, "PROGRESS_THROTTLE_MIN_INTERVAL", 0)
    monkeypatch.setattr(
        comfy.utils, "PROGRESS_BAR_HOOK", lambda value, total, *args, **kwargs: shown.append((value, total))
    )
    regions = LineartRegionsNode.execute(line=line).result[0]
    of_regions, shown[:] = shown[:], []
    LineartFlatColor.execute(line=line, scribble=scribble, mask=mask, regions=regions)
    for run in (of_regions, shown):
        amounts = [value for value, _ in run]
        assert {total for _, total in run} == {frames} and amounts[-1] == frames
        assert amounts == sorted(amounts) and {*range(1, frames + 1)} < {*amounts}


def test_interrupt_stops_within_a_frame(drawing, monkeypatch):
    line, scribble, mask = drawing
    regions = LineartRegionsNode.execute(line=line).result[0]
    calls = (
        lambda: LineartRegionsNode.execute(line=line),
        lambda: LineartFlatColor.execute(line=line, scribble=scribble, mask=mask, regions=regions),
    )
    shown = []

    def interrupt(value, *args, **kwargs):
        shown.append(value)
        mm.interrupt_current_processing()

    monkeypatch.setattr(comfy.utils, "PROGRESS_BAR_HOOK", interrupt)
    for call in calls:
        with pytest.raises(mm.InterruptProcessingException):
            call()
    assert len(shown) == len(calls) and max(shown) < 1
