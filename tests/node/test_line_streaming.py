"""Long batches: frames go through one by one or in parts, and nothing but the results piles up."""

import gc
from types import SimpleNamespace

import pytest
import torch

pytest.importorskip("comfy_api.latest", reason="needs ComfyUI: set COMFYUI_PATH")
from lineart_colorize.nodes import line_extract, lineart_clean_up, lineart_sketch, lineart_subject_mask

FRAMES, SIDE = 40, 48
FRAME = SIDE * SIDE * 3 * 4  # bytes


def extract(image, monkeypatch):
    monkeypatch.setattr(line_extract, "PIXELS", 4 * SIDE * SIDE)
    method = {item.id: item.default for item in line_extract.METHODS["xdog"].inputs}
    line_extract.LineExtract.execute(image, {"method": "xdog"} | method)


def clean_up(image, monkeypatch):
    off = {"even_paper": True, "split_pencils": True, "screentone": 0, "sure": 0.0, "faint": 0.2, "despeckle": 4}
    lineart_clean_up.LineartCleanUp.execute(image, **off, width=0)


def sketch(image, monkeypatch):
    lineart_sketch.LineartSketch.execute(image, "invert", "sd", SIDE, SIDE)


def subject_mask(image, monkeypatch):
    def finder(run, picture, reach):
        return picture.amin(-1)

    monkeypatch.setattr(lineart_subject_mask, "FINDERS", {"picture": finder})
    network = SimpleNamespace(expect=lambda *_: None, loaded_whole=lambda _: None)
    monkeypatch.setattr(lineart_subject_mask, "networks", network)
    lineart_subject_mask.LineartSubjectMask.execute(image, None)


def held():
    """Bytes of all tensors that Python holds."""
    gc.collect()
    storages = {}
    for thing in gc.get_objects():
        if type(thing) is torch.Tensor and thing.device.type == "cpu":
            storage = thing.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
    return sum(storages.values())


@pytest.mark.parametrize("node", [extract, clean_up, sketch, subject_mask])
def test_memory_does_not_grow_with_the_batch_and_the_bar_tells_every_frame(node, monkeypatch):
    module = {
        extract: line_extract,
        clean_up: lineart_clean_up,
        sketch: lineart_sketch,
        subject_mask: lineart_subject_mask,
    }[node]
    done, sizes = [0], {}

    def update(frames):
        done[0] += frames
        if done[0] in (4, FRAMES - 4):
            sizes[done[0]] = held()

    monkeypatch.setattr(module.device, "progress_bar", lambda total: SimpleNamespace(update=update))
    node(torch.rand(FRAMES, SIDE, SIDE, 3), monkeypatch)
    assert done == [FRAMES]
    assert sizes[FRAMES - 4] - sizes[4] < 4 * FRAME


def test_a_large_picture_is_a_part_of_its_own(monkeypatch):
    sizes = []
    method = line_extract.METHODS["none"]

    def watched(image):
        sizes.append(len(image))
        return method.extract(image)

    monkeypatch.setitem(line_extract.METHODS, "none", method._replace(extract=watched))
    monkeypatch.setattr(line_extract, "PIXELS", 100)
    line_extract.LineExtract.execute(torch.rand(3, 20, 20, 3), {"method": "none"})
    line_extract.LineExtract.execute(torch.rand(5, 7, 7, 3), {"method": "none"})
    assert sizes == [1, 1, 1, 2, 2, 1]
