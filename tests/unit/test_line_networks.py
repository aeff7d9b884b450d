"""The line networks: published layouts at full size, preparation, pictures of any size, tiles without seams."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from lineart_colorize.models import registry
from lineart_colorize.models.line import anime2sketch, blur, isnet, manga, preparation, realistic, sketchkeras, tiles
from lineart_colorize.models.line.norm import InstanceNorm, of_whole_pictures

DATA = Path(__file__).parent.parent / "data"
PUBLISHED = {  # name -> (key list, parameters)
    "sketchkeras": ("sketchkeras", 18_637_601),
    "anime2sketch": ("anime2sketch", 54_405_505),
    "manga": ("manga", 43_100_147),
    "realistic": ("sk_model", 4_290_945),
    "isnet": ("isnet", 44_046_790),
}
TINY = {
    "sketchkeras": {"widths": (4, 4, 8, 8, 8, 8)},
    "anime2sketch": {"widths": (4,) * 8},
    "manga": {"widths": (2, 4, 4, 4, 4, 4, 4, 4, 2, 2)},
    "realistic": {"widths": (4, 8, 8), "blocks": 2},
    "isnet": {"widths": {stage: 4 if stage == "conv_in" else (2, 4) for stage in isnet.PUBLISHED}},
}
CHANNELS = {"sketchkeras": 1, "anime2sketch": 3, "manga": 1, "realistic": 3, "isnet": 3}
TILED = [name for name in PUBLISHED if name != "isnet"]


def network(name):
    torch.manual_seed(0)
    return registry.NETWORKS[name][1](**TINY[name]).eval().requires_grad_(False)


def drawing(height, width, channels=3):
    """Soft shades with dark rings, (1, H, W, channels)."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    shade = 0.7 + 0.2 * torch.sin(x / 17.0 + torch.arange(channels)[:, None, None]) * torch.cos(y / 23.0)
    rings = ((((y - 50) ** 2 + (x - 60) ** 2).sqrt() % 40) < 1.5).float()
    return (shade * (1 - 0.8 * rings)).movedim(0, -1)[None].contiguous()


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_layout_at_full_size(name):
    keys, parameters = PUBLISHED[name]
    published = json.loads((DATA / f"line_{keys}_keys.json").read_text())
    config, build = registry.NETWORKS[name]
    ours = build(device="meta")
    assert {key: list(tensor.shape) for key, tensor in ours.state_dict().items()} == published
    assert sum(tensor.numel() for tensor in ours.parameters()) == parameters
    again = build(**config(ours.state_dict()), device="meta").state_dict()
    assert {key: list(tensor.shape) for key, tensor in again.items()} == published


@pytest.mark.parametrize("name", PUBLISHED)
def test_arguments_come_back_from_the_state_dict(name):
    found = registry.identify({"state_dict": network(name).state_dict()}, "line art network")
    assert (found.system, found.config) == (name, TINY[name])
    wrapped = {f"module.{key}": value for key, value in found.state_dict.items()}
    assert registry.identify(wrapped, "line art network").config == TINY[name]


def test_a_line_network_is_no_colorizer():
    with pytest.raises(ValueError, match=r"no colorizer but a line art network \(manga\): load it with Lineart"):
        registry.identify(network("manga").state_dict())


@pytest.mark.parametrize("name", TILED)
@pytest.mark.parametrize("size", [(1, 1), (1, 70), (37, 41), (64, 256)])
def test_any_size(name, size):
    out = tiles.run(network(name), torch.rand(2, CHANNELS[name], *size))
    assert out.shape == (2, 1, *size) and out.isfinite().all()


@pytest.mark.parametrize("name", ["sketchkeras", "manga"])
def test_tiles_equal_the_whole(name):
    """Networks that only look around themselves draw the same lines in tiles; the borders see less of the picture."""
    net = network(name)
    x = drawing(400, 304, 1).movedim(-1, 1) - 0.5
    whole = tiles.run(net, x)
    passes = []
    tiled = tiles.run(net, x, 400 * 160, lambda: passes.append(1))
    assert len(passes) > 2
    assert (whole - tiled).abs().max() < 0.02 * (whole.max() - whole.min())


@pytest.mark.parametrize("name", ["realistic", "anime2sketch"])
def test_tiles_of_instance_norms_have_no_seam(name):
    """Where tiles meet, rows differ no more from their neighbours than elsewhere, beside the whole picture's."""
    net = network(name)
    x = drawing(1280, 256).movedim(-1, 1) * 2 - 1
    x[..., 640:, :] *= 0.2  # own statistics would differ from tile to tile
    whole = tiles.run(net, x)
    tiled = tiles.run(net, x, 768 * 256)
    excess = tiled.diff(dim=2).abs().mean((0, 1, 3)) - whole.diff(dim=2).abs().mean((0, 1, 3))
    first, second = tiles.spans(1280, 768, net.overlap, net.multiple)
    meeting = torch.zeros(1279, dtype=torch.bool)
    meeting[second.start : first.stop] = True
    assert excess[meeting].max() < 1.2 * excess[~meeting].max() + 0.01


def test_spans_cover_and_overlap():
    for size, most in ((320, 96), (4096, 512), (112, 80), (64, 64)):
        found = tiles.spans(size, most, 32, 16)
        assert found[0].start == 0 and found[-1].stop == size
        assert all(span.stop - span.start <= most and span.start % 16 == 0 for span in found)
        assert all(before.stop - after.start >= 32 for before, after in pairwise(found))
        weights = torch.zeros(size)
        for span in found:
            weights[span] += tiles.share(span, size, 32, weights)
        assert weights.min() >= 1 - 1e-6


def test_instance_norm_of_whole_pictures():
    norm = torch.nn.Sequential(InstanceNorm())
    x = torch.randn(2, 3, 8, 8) * 3 + 1
    own = norm(x)
    torch.testing.assert_close(own, torch.nn.functional.instance_norm(x))
    with of_whole_pictures(norm, x):
        torch.testing.assert_close(norm(x[..., :4]), own[..., :4])
    torch.testing.assert_close(norm(x), own)


def test_the_8_bit_blur_keeps_flat_pictures_and_sums():
    flat = torch.full((1, 9, 30), 200.0)
    assert torch.equal(blur.gaussian_8bit_fixed(flat, 3.0), flat)
    impulse = torch.zeros(1, 41, 41)
    impulse[0, 20, 20] = 255
    centre = blur.gaussian_8bit_fixed(impulse, 3.0)[0, 20, 11:30]
    expected = torch.tensor([0, 1, 3, 4, 9, 14, 20, 28, 32, 34, 32, 28, 20, 14, 9, 4, 3, 1, 0]) * 34 * 255
    assert torch.equal(centre, ((expected + 32768) // 65536).float())


def test_a_grey_picture_costs_one_plane_and_looks_the_same():
    net = network("sketchkeras")
    seen = []

    def counted(x):
        seen.append(len(x))
        return net(x)

    grey = drawing(64, 64, 1).expand(-1, -1, -1, 3)
    colour = drawing(64, 64)
    both = sketchkeras.extract(counted, torch.cat([grey, colour]))
    assert seen == [4]
    torch.testing.assert_close(both[:1], sketchkeras.extract(net, grey), atol=1e-6, rtol=0)
    planes = sketchkeras.highpass(grey)
    three = net(planes[0][:, None]).amax(0)
    torch.testing.assert_close(sketchkeras.extract(net, grey, "plain"), (1 - three).clamp(0, 1), atol=1e-5, rtol=0)


def test_outputs_of_sketchkeras():
    """Faint ink goes step by step; a coloured picture stays coloured."""
    ink = torch.tensor([0.05, 0.15, 0.5, 2.0]).expand(3, 1, 1, 4)
    image = drawing(1, 4)
    found = {name: sketchkeras.extract(lambda x: ink, image, name) for name in sketchkeras.OUTPUTS}
    assert [round(float(v), 2) for v in found["plain"].flatten()] == [0.95, 0.85, 0.5, 0]
    assert [round(float(v), 2) for v in found["enhanced"].flatten()] == [1, 0.85, 0.5, 0]
    assert [round(float(v), 2) for v in found["pured"].flatten()] == [1, 1, 0.5, 0]
    assert found["colored"].shape == (1, 1, 4, 3)


def test_a_picture_of_one_colour_is_paper_not_nan():
    assert sketchkeras.highpass(torch.full((1, 20, 20, 3), 0.4)).abs().max() == 0


def test_masks_of_isnet():
    net = network("isnet")
    for make in (isnet.subject, isnet.figures):
        mask = make(net, drawing(50, 98), side=64)
        assert mask.shape == (1, 50, 98) and mask.min() >= 0 and mask.max() <= 1
        assert (make(net, drawing(50, 98), side=64, reach=3) >= mask).all()


@pytest.mark.parametrize("name", ["anime2sketch", "manga", "realistic"])
def test_polarity_of_what_comes_out(name):
    """0 = ink whatever the network's own range is."""
    extract = {"anime2sketch": anime2sketch, "manga": manga, "realistic": realistic}[name].extract
    low, high = {"anime2sketch": (-1, 1), "manga": (-20, 270), "realistic": (0, 1)}[name]
    answer = torch.tensor([low, high]).float().view(1, 1, 1, 2)
    assert extract(lambda x: answer, drawing(1, 2)).tolist() == [[[0, 1]]]


@pytest.mark.parametrize("application", ["sd", "xl"])
def test_the_sketch_of_a_white_picture_is_paper(application):
    white = torch.ones(1, 20, 40, 3)
    sketch, box = preparation.prepare(white, 64, 64, "invert", application)
    assert sketch.shape == (1, 3, 64, 64) and box == (0, 16, 64, 32)
    assert (sketch + 1).abs().max() < 1e-6
    none = preparation.prepare(white, 64, 64, "none", application)[0]
    assert float(none[0, 0, 0, 0]) == (-1 if application == "sd" else 1)
    with pytest.raises(ValueError, match="no sketch option 'lines'"):
        preparation.prepare(white, 64, 64, "lines")
