"""XDoG: golden data, the two forms, borders and sizes, polarity, and the parity command."""

from pathlib import Path

import pytest
import torch
from lineart_colorize.cli import parity
from lineart_colorize.models.image import rgb
from lineart_colorize.models.line import blur, threshold, xdog
from lineart_colorize.models.line.polarity import black_on_white, dark_ground

GOLDEN = Path(__file__).parent.parent / "data" / "line_xdog_tiny.safetensors"
EXTRACTORS = [
    xdog.xdog,
    lambda image: xdog.xdog(image, eps=0.003, phi=120.0, tau=0.984),
    lambda image: xdog.xdog(image, sigma=4.0, k=5.0, multiply=True),
    xdog.animediffusion,
    xdog.controlnet_aux,
    lambda image: xdog.controlnet_aux(image, overflow=True),
    xdog.xdog_python,
    lambda image: xdog.xdog_python(image, truncate=True),
    xdog.standard,
    threshold.binary,
    threshold.darkest,
]


def noise(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def drawing(height=60, width=80):
    """A dark ring and a bar on a soft shade, (1, H, W, 3)."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    shade = 0.75 + 0.2 * x / width
    radius = ((y - height / 2) ** 2 + (x - width / 2) ** 2).sqrt()
    ink = ((radius - 20).abs() < 1.2) | ((y - 8).abs() < 2)
    return torch.where(ink, torch.tensor(0.1), shade)[None, ..., None].expand(1, -1, -1, 3).contiguous()


def test_golden_data():
    verdicts = list(parity.compare(GOLDEN))
    assert [row for row in verdicts if row[0] != "ok"] == []
    assert len(verdicts) == 29


@pytest.mark.parametrize("extract", EXTRACTORS)
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 1), (2, 3), (33, 57)])
def test_any_size_gives_finite_lines(extract, size):
    lines = extract(noise(2, *size, 3))
    assert lines.shape == (2, *size)
    assert lines.dtype == torch.float32
    assert lines.min() >= 0 and lines.max() <= 1  # fails on NaN too


@pytest.mark.parametrize("extract", EXTRACTORS)
def test_batch_equals_singles(extract, monkeypatch):
    image = torch.cat([noise(1, 40, 31, 3), drawing(40, 31), noise(1, 40, 31, 3, seed=1) * 0.3])
    singles = torch.cat([extract(picture[None]) for picture in image])
    torch.testing.assert_close(extract(image), singles, atol=1e-5, rtol=0)
    monkeypatch.setattr(blur, "TILE", 31 * 40 // 3)  # several bands to a picture
    torch.testing.assert_close(extract(image), singles, atol=1e-5, rtol=0)


@pytest.mark.parametrize("extract", EXTRACTORS)
def test_input_is_left_alone(extract):
    image = drawing()
    before = image.clone()
    extract(image)
    assert torch.equal(image, before)


def test_s_form_equals_d_form():
    tau, eps, phi = 0.95, 0.6, 10.0
    image = drawing().double()
    sharpened = xdog.xdog(image, 1.0, 1.6, tau / (1 - tau), eps, phi)
    difference = xdog.xdog(image, 1.0, 1.6, eps=eps * (1 - tau), phi=phi / (1 - tau), tau=tau)
    torch.testing.assert_close(sharpened, difference, atol=1e-12, rtol=0)
    assert 0.02 < xdog.ink(sharpened).mean() < 0.5


def test_flat_areas_keep_their_tone():
    flat = torch.full((1, 20, 20), 0.37)
    torch.testing.assert_close(xdog.response(flat, 1.0, 1.6, p=60.0), flat, atol=1e-4, rtol=0)


def test_every_parameter_has_an_effect():
    base = {"sigma": 0.8, "k": 1.6, "p": 20.0, "eps": 0.6, "phi": 3.0, "multiply": False}
    plain = xdog.xdog(drawing(), **base)
    for name, value in {"sigma": 1.5, "k": 3.0, "p": 5.0, "eps": 0.9, "phi": 1e9, "multiply": True}.items():
        assert not torch.equal(plain, xdog.xdog(drawing(), **(base | {name: value}))), name
    grain = noise(1, 60, 80, 3)
    assert not torch.equal(xdog.controlnet_aux(grain, 8), xdog.controlnet_aux(grain, 64))
    assert not torch.equal(xdog.standard(drawing(), 6.0), xdog.standard(drawing(), 2.0))


@pytest.mark.parametrize("extract", EXTRACTORS[:5] + EXTRACTORS[6:7] + EXTRACTORS[8:9])
def test_lines_are_found_and_paper_is_not(extract):
    lines = extract(drawing())[0]
    assert lines[8, 40] < 0.6  # on the bar
    assert lines[50, 4] > 0.9  # on the paper


@pytest.mark.parametrize("extract", EXTRACTORS)
def test_white_paper_has_no_ink(extract):
    assert extract(torch.ones(1, 24, 24, 3)).min() > 0.99


def test_overflow_mode_loses_deep_lines_and_the_fixed_rule_keeps_them():
    bar = torch.ones(1, 63, 63, 3)
    bar[:, 30:33] = 1 - 180 / 255
    assert xdog.controlnet_aux(bar, overflow=True)[0, 31, 31] == 1
    assert xdog.controlnet_aux(bar)[0, 31, 31] == 0


@pytest.mark.parametrize("rule", [blur.OPENCV, blur.SCIPY], ids=lambda rule: rule.name)
@pytest.mark.parametrize("size", [(1, 1), (1, 6), (40, 70)])
def test_wide_blur_equals_narrow_blur(rule, size, monkeypatch):
    planes = noise(2, *size).double()
    monkeypatch.setattr(blur, "WIDE", 1e9)
    slices = blur.gaussian(planes, 12.0, rule)
    monkeypatch.setattr(blur, "WIDE", 0.0)
    torch.testing.assert_close(blur.gaussian(planes, 12.0, rule), slices, atol=3e-5, rtol=0)


@pytest.mark.parametrize("rule", [blur.OPENCV, blur.SCIPY], ids=lambda rule: rule.name)
def test_blur_against_its_library(rule):
    plane = noise(1, 19, 23).double()
    if rule is blur.OPENCV:
        cv2 = pytest.importorskip("cv2")
        expected = cv2.GaussianBlur(plane[0].numpy(), (0, 0), 1.75)
    else:
        ndimage = pytest.importorskip("scipy.ndimage")
        expected = ndimage.gaussian_filter(plane[0].numpy(), 1.75)
    ours = blur.gaussian(plane, 1.75, rule)[0]
    torch.testing.assert_close(ours, torch.from_numpy(expected), atol=1e-12, rtol=0)


def test_a_mirror_narrower_than_the_kernel():
    assert blur.mirror(3, 5, blur.OPENCV).tolist() == [1, 0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1]
    assert blur.mirror(2, 3, blur.SCIPY).tolist() == [1, 1, 0, 0, 1, 1, 0, 0]
    assert blur.mirror(1, 2, blur.OPENCV).tolist() == [0] * 5


def test_auto_inversion_decides_for_each_picture():
    line_art = (drawing().mean(-1, keepdim=True) > 0.5).float().expand(-1, -1, -1, 3)
    night = (noise(1, 60, 80, 1) * 0.4).expand(-1, -1, -1, 3)
    batch = torch.cat([line_art, 1 - line_art, night])
    assert dark_ground(batch).tolist() == [False, True, False]
    out = black_on_white(batch)
    assert torch.equal(out[0], out[1]) and torch.equal(out[2], night[0])
    assert torch.equal(black_on_white(line_art, "yes"), 1 - line_art)
    assert torch.equal(black_on_white(1 - line_art, "no"), 1 - line_art)


def test_nan_and_transparency_are_paper():
    image = torch.zeros(1, 8, 8, 4)
    image[..., :3] = float("nan")
    assert torch.equal(rgb(image), torch.ones(1, 8, 8, 3))
    assert xdog.xdog(black_on_white(image)).min() == 1


def test_otsu_separates_two_tones():
    levels = torch.cat([torch.full((50,), 40.0), torch.full((70,), 180.0)])[None]
    assert 40 <= threshold.otsu(levels) < 180


def test_parity_counts_what_nothing_produces_and_bad_files(tmp_path, capsys):
    from safetensors.torch import save_file

    odd = tmp_path / "line_xdog_odd.safetensors"
    save_file({"canon/a/unknown": torch.zeros(2), "in/a": torch.zeros(4, 4, 3, dtype=torch.uint8)}, odd)
    cut = tmp_path / "line_xdog_cut.safetensors"
    cut.write_bytes(GOLDEN.read_bytes()[:1000])
    missing, unknown = tmp_path / "line_xdog_none.safetensors", tmp_path / "other"
    assert parity.main([str(path) for path in (odd, cut, missing, unknown)]) == 1
    assert capsys.readouterr().out.strip().endswith("0 passed, 4 failed, 0 skipped")


def test_parity_judges():
    golden = torch.tensor([0.0, 2.0])
    assert parity.judge("x", torch.tensor([0.0, 2.0001]), golden, [])[0] == "ok"
    assert parity.judge("x", torch.tensor([0.0, 2.001]), golden, [])[0] == "FAIL"
    assert parity.judge("x", torch.tensor([0.0, float("nan")]), golden, [("*", 9)])[0] == "FAIL"
    assert parity.judge("x", torch.zeros(3), golden, [("*", 9)])[0] == "FAIL"
    masked = parity.Masked(torch.tensor([5.0, 2.0]), torch.tensor([True, False]))
    assert parity.judge("x", masked, golden, [])[0] == "ok"
    assert parity.judge("x", parity.Skip("because"), golden, []) == ("skip", "x", "because")
