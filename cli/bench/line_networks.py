"""Line networks with random weights at the published sizes, and FDoG, on one thread.

The baseline of a network is a plain fp32 call of the same network, as torch lays it out, one picture after another.
"""

import copy
import subprocess
import sys
from pathlib import Path

import torch

from ...models.line import fdog, sketchkeras, tiles, xdog
from ...models.registry import NETWORKS
from . import Row, medians
from .xdog import drawing, tensor

ROOT = Path(__file__).resolve().parents[2]
SIDES = {"manga": 512, "isnet": 1024, "realistic": 512, "anime2sketch": 512}  # px, as published
CHANNELS = {"manga": 1, "isnet": 3, "realistic": 3, "anime2sketch": 3}
LARGE = 2048  # px, of the picture that goes through sketchKeras in tiles
LIMIT = 2048  # MiB for it, weights and all, beside what Python and torch take
PROBE = """
import sys, torch
from importlib.util import module_from_spec, spec_from_file_location
spec = spec_from_file_location("pack", sys.argv[1] + "/__init__.py", submodule_search_locations=[sys.argv[1]])
sys.modules["pack"] = module_from_spec(spec)
spec.loader.exec_module(sys.modules["pack"])
from pack.cli.bench import line_networks
line_networks.report_memory()
"""


def run():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            yield flow()
            yield from (plain(name) for name in SIDES)
            yield from outputs()
            yield large_tiled()
    finally:
        torch.set_num_threads(threads)
    yield memory()


def flow():
    image = tensor([drawing(0)])
    ms, plain_ms = medians(lambda: fdog.fdog(image), lambda: xdog.xdog(image), runs=5)
    return Row("fdog", ms, "ms", "xdog of this pack, 1024 x 1024", plain_ms, plain_ms / ms, 0.1)


def networks(name):
    """A network as the host's loader lays it out, and the same as torch does."""
    torch.manual_seed(0)
    network = NETWORKS[name][1]().eval()
    return copy.deepcopy(network).to(memory_format=network.layout), network


def plain(name):
    ours, network = networks(name)
    x = torch.rand(1, CHANNELS[name], SIDES[name], SIDES[name])
    calls = (lambda: ours(x) if name == "isnet" else tiles.run(ours, x)), lambda: network(x)
    return compare(name, calls, f"plain call, {SIDES[name]} x {SIDES[name]}", 1.0, runs=3)


def outputs():
    """sketchKeras on a coloured picture, its planes put together or kept, and on a grey one, which needs one plane."""
    ours, network = networks("sketchkeras")
    image = tensor([drawing(0)[:512, :512]])
    gray = xdog.gray_8bit(image)[..., None].expand(-1, -1, -1, 3)
    for output in ("enhanced", "colored"):
        yield sketchkeras_row(f"sketchkeras, {output}", ours, network, image, output, 1.0)
    yield sketchkeras_row("sketchkeras, grey picture", ours, network, gray, "plain", 2.5)


def sketchkeras_row(name, ours, network, image, output, wanted):
    def theirs():
        ink = network(sketchkeras.highpass(image)[0][:, None])[:, 0]
        if output == "colored":
            return (1 - ink).clamp(0, 1).movedim(0, -1)
        ink = ink.amax(0)
        return (1 - torch.where(ink < sketchkeras.OUTPUTS[output], 0, ink)).clamp(0, 1)

    calls = lambda: sketchkeras.extract(ours, image, output)[0], theirs
    return compare(name, calls, "three planes, 512 x 512", wanted)


def large_tiled():
    ours, _ = networks("sketchkeras")
    x = large_plane()
    calls = lambda: tiled(ours, x), lambda: ours(x)
    return compare("sketchkeras, tiled", calls, f"in one pass, {LARGE} x {LARGE}", 1 / 1.1)


def large_plane():
    plane = sketchkeras.highpass(tensor([drawing(0)]))[:, :1]
    return plane.repeat(1, 1, LARGE // plane.shape[2], LARGE // plane.shape[3])


def tiled(network, x):
    return tiles.run(network, x, tiles.CPU_BUDGET // network.bytes_per_pixel)


def memory():
    """The most memory of a child process that runs the tiled picture, beside what it takes before that."""
    done = subprocess.run([sys.executable, "-c", PROBE, str(ROOT)], capture_output=True, text=True, check=True)
    peak = float(done.stdout.split()[-1])
    name = "sketchkeras, tiled, memory"
    return Row(name, peak, "MiB", f"limit, {LARGE} x {LARGE}, with weights", LIMIT, LIMIT / peak, 1.0)


def report_memory():
    import resource  # not on Windows

    scale = 2**20 if sys.platform == "darwin" else 2**10  # bytes there, KiB elsewhere
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale
    with torch.inference_mode():
        tiled(sketchkeras.SketchKeras().eval().to(memory_format=sketchkeras.SketchKeras.layout), large_plane())
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale - before)


def compare(name, calls, baseline, wanted, runs=1):
    ours, reference = (call() for call in calls)
    note = f"largest difference {float((ours - reference).abs().max() / reference.abs().max()):.1e}"
    ms, reference_ms = medians(*calls, runs=runs, warm=True)
    return Row(name, ms, "ms", baseline, reference_ms, reference_ms / ms, wanted, note)
