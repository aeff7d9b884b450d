"""LineartAugmentedReference: a node around models/tps.py, tested there."""

import pytest
import torch

pytest.importorskip("comfy_api.latest", reason="needs ComfyUI: set COMFYUI_PATH")
from lineart_colorize.models import tps
from lineart_colorize.nodes.lineart_augmented_reference import POINTS, LineartAugmentedReference


@pytest.mark.parametrize("points", POINTS)
def test_widgets_reach_the_warp(points):
    image = torch.rand(2, 20, 30, 3)
    out = LineartAugmentedReference.execute(image, 7, strength=0.5, jitter=0.25, points=points).result[0]
    assert torch.equal(out, tps.augment(image, 7, 0.5, 0.25, POINTS[points]))
    assert not torch.equal(out, LineartAugmentedReference.execute(image, 8, points=points).result[0])


@pytest.mark.parametrize("shape", [(1, 1, 1, 3), (1, 3, 900, 4), (1, 33, 7, 1)])
@pytest.mark.parametrize("value", [0.0, 1.0, float("nan")])
def test_any_picture(shape, value):
    out = LineartAugmentedReference.execute(torch.full(shape, value), 0, jitter=1.0).result[0]
    assert out.shape == (*shape[:3], 3) and out.isfinite().all()
