"""Line networks with random weights at the published sizes, and FDoG, on one thread."""

import copy

import torch

from ...models.line import fdog, sketchkeras, tiles, xdog
from ...models.registry import NETWORKS
from . import Row, medians
from .xdog import drawing, tensor

SIDE = 512  # px, the port's own size


def run():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            yield flow()
            yield from sketchkeras_rows()
            yield layout("manga", 1)
            yield layout("isnet", 3)
    finally:
        torch.set_num_threads(threads)


def flow():
    image = tensor([drawing(0)])
    ms, plain_ms = medians(lambda: fdog.fdog(image), lambda: xdog.xdog(image), runs=5)
    return Row("fdog", ms, "ms", "xdog of this pack, 1024 x 1024", plain_ms, plain_ms / ms, 0.1)


def sketchkeras_rows():
    torch.manual_seed(0)
    network = sketchkeras.SketchKeras().eval()
    ours = copy.deepcopy(network).to(memory_format=network.layout)
    gray = xdog.gray_8bit(tensor([drawing(0)[:SIDE, :SIDE]]))[..., None].expand(-1, -1, -1, 3)
    planes = sketchkeras.highpass(gray)[0][:, None]
    calls = lambda: sketchkeras.extract(ours, gray, "plain"), lambda: (1 - network(planes).amax(0)).clamp(0, 1)
    yield compare("sketchkeras, grey picture", calls, "three planes, 512 x 512", 2.5)

    plane = sketchkeras.highpass(tensor([drawing(0)]))[:, :1]
    calls = lambda: tiles.run(ours, plane, plane.numel() // 2), lambda: ours(plane)
    yield compare("sketchkeras, tiled", calls, "in one pass, 1024 x 1024", 1 / 1.1)


def layout(name, channels):
    """The layout that the host's loader gives a network against torch's own."""
    torch.manual_seed(0)
    network = NETWORKS[name][1]().eval()
    ours = copy.deepcopy(network).to(memory_format=network.layout)
    x = torch.rand(1, channels, SIDE, SIDE)
    return compare(name, (lambda: ours(x), lambda: network(x)), f"as torch lays it out, {SIDE} x {SIDE}", 1.0)


def compare(name, calls, baseline, wanted):
    ms, reference_ms = medians(*calls, runs=3)
    ours, reference = (call() for call in calls)
    note = f"largest difference {float((ours - reference).abs().max() / reference.abs().max()):.1e}"
    return Row(name, ms, "ms", baseline, reference_ms, reference_ms / ms, wanted, note)
