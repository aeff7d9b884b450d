"""What ColorizeDiffusion is trained on: crops, line art, references, and what of it is made once and kept."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lineart_colorize.models.reference import squash
from lineart_colorize.training import views
from lineart_colorize.training.sources import Drawn, Files
from lineart_colorize.training.views import Augmentation, Cases, KeptCases, Views
from PIL import Image
from safetensors.torch import load_file

EYE = SimpleNamespace(side=28, mean=[0.5, 0.5, 0.5], std=[0.25, 0.25, 0.25])


def ramp(width, height):
    """Red grows to the right, green downwards."""
    red, green = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([red, green, 0 * red], -1).astype(np.uint8))


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "pictures"
    place.mkdir()
    for index, size in enumerate([(80, 60), (60, 90), (70, 70)]):
        ramp(*size).save(place / f"{index}.png")
    return place


def source(folder, tmp_path):
    return Files(folder, tmp_path / "cache", 64)


def made(folder, tmp_path, size=64, **augmentation):
    return Views(source(folder, tmp_path), size, EYE, Augmentation(**augmentation))


def test_shapes_are_the_published_ones():
    shapes = dict(zip(*(lambda v: (v.shapes, v.weights.tolist()))(Views([], 768, EYE, Augmentation())), strict=True))
    assert shapes[768, 768] == pytest.approx(0.4) and shapes[576, 960] == shapes[960, 576] == pytest.approx(0.1)
    assert len(shapes) == 7 and sum(shapes.values()) == pytest.approx(1)
    assert Views([], 64, EYE, Augmentation()).shapes == [(64, 64)]
    assert {side % 64 for shape in Views([], 512, EYE, Augmentation()).shapes for side in shape} == {0}


@pytest.mark.parametrize("shape", [(64, 64), (64, 128), (128, 64)])
def test_a_crop_shows_a_part_in_its_own_proportions_and_the_reference_the_whole(folder, tmp_path, shape):
    view = made(folder, tmp_path)
    for index, (width, height) in enumerate([(80, 60), (60, 90), (70, 70)]):
        picture, line, pixels = view(index, shape, np.random.default_rng(1))
        assert picture.shape == (3, *shape) and line.shape == (1, *shape) and pixels.shape == (3, 28, 28)
        assert picture.min() >= 0 and picture.max() <= 1 and set(line.unique().tolist()) <= {0.0, 1.0}
        right = (picture[0, :, -8] - picture[0, :, 8]).mean() / (shape[1] - 16) * width
        down = (picture[1, -8] - picture[1, 8]).mean() / (shape[0] - 16) * height
        assert right == pytest.approx(float(down), rel=0.08), "both axes are scaled alike"
        whole = squash(torch.from_numpy(np.array(ramp(width, height)))[None] / 255, 28)[0]
        torch.testing.assert_close(pixels, (whole - 0.5) / 0.25, rtol=1e-4, atol=1e-4)


def test_mirrors_are_drawn_apart_for_crop_and_reference(folder, tmp_path):
    view, seen = made(folder, tmp_path, flip=0.5), set()
    for seed in range(24):
        picture, _, pixels = view(0, (64, 64), np.random.default_rng(seed))
        seen.add((bool(picture[0, 0, 0] > picture[0, 0, -1]), bool(pixels[0, 0, 2] > pixels[0, 0, -3])))
    assert len(seen) == 4


def test_only_the_reference_is_changed(folder, tmp_path):
    plain = made(folder, tmp_path)(0, (64, 64), np.random.default_rng(0))
    for change in ({"warp": 1.0}, {"rotate": 1.0}, {"jitter": 0.1}):
        picture, line, pixels = made(folder, tmp_path, **change)(0, (64, 64), np.random.default_rng(0))
        assert torch.equal(picture, plain[0]) and torch.equal(line, plain[1])
        assert 0.02 < (pixels - plain[2]).abs().mean() < 2, change


def test_turned_references_have_white_corners_and_keep_their_middle():
    black = torch.zeros(1, 3, 28, 28)
    turned = views.turned(black, 45)
    assert turned[0, :, 0, 0].tolist() == [1, 1, 1] and turned[0, :, 14, 14].tolist() == [0, 0, 0]
    torch.testing.assert_close(views.turned(turned, 0), turned, rtol=0, atol=1e-4)


def test_light():
    pictures = torch.rand(1, 3, 8, 8)
    torch.testing.assert_close(views.relit(pictures, 1, 1, 1), pictures)
    assert views.relit(pictures, 0.5, 1, 1).mean() < 0.6 * pictures.mean()
    grey = views.relit(pictures, 1, 1, 0)
    torch.testing.assert_close(grey[:, 0], grey[:, 2])
    assert views.relit(pictures, 1, 0.5, 1).std() < 0.7 * pictures.std()


def test_margins_are_white_on_one_axis_both_or_none():
    found = set()
    for seed in range(40):
        line = views.with_margins(np.random.default_rng(seed), torch.zeros(1, 50, 50), 0.5)
        across, down = bool(line[0, 25, 0]), bool(line[0, 0, 25])
        assert line[0, 13:37, 13:37].sum() == 0, "a quarter on each side at most"
        found.add((across, down))
    assert len(found) == 4
    untouched = torch.zeros(1, 50, 50)
    assert all(views.with_margins(np.random.default_rng(s), untouched, 0.0).sum() == 0 for s in range(8))


def test_batches_have_one_shape_and_depend_on_their_number(folder, tmp_path):
    cases = Cases(made(folder, tmp_path, size=192), 2, 0, 0.2)
    shapes = set()
    for number in range(8):
        pictures, sketches, pixels = cases(number)
        assert sketches.shape == pictures.shape and pixels.shape == (2, 3, 28, 28)
        assert set(sketches.unique().tolist()) <= {-1.0, 1.0}
        shapes.add(tuple(pictures.shape[2:]))
    assert len(shapes) > 1
    assert all(torch.equal(*pair) for pair in zip(cases(3), cases(3), strict=True))
    assert not torch.equal(cases(3)[0].mean(), cases(4)[0].mean())


def pair(folder, names, sketches):
    for part in ("color", "sketch"):
        (folder / part / "deep").mkdir(parents=True)
    for name in names:
        ramp(80, 60).save(folder / "color" / name)
    for name in sketches:
        lines = Image.new("L", (160, 120), 255)
        lines.paste(0, (0, 0, 80, 120))
        lines.save(folder / "sketch" / name)


def test_own_sketches_are_cropped_with_their_pictures(tmp_path, capsys):
    folder = tmp_path / "set"
    pair(folder, ["a.png", "deep/b.png", "c.png"], ["a.png", "deep/b.png"])
    view = made(folder, tmp_path)
    assert "2 pictures" in (told := capsys.readouterr().out) and "1 without a sketch" in told
    picture, line, _ = view(0, (64, 64), np.random.default_rng(0))
    edge = (line[0, 32] < 0.5).sum()
    assert 0 < edge < 64 and picture[0, 32, edge] == pytest.approx(0.5, abs=0.03), "the ink ends in the middle"
    (folder / "sketch" / "a.png").write_bytes(b"broken")
    assert len(source(folder, tmp_path)) == 1
    with pytest.raises(SystemExit, match="was whole when training began, and now is broken"):
        view.source[0]


def test_procedural_scenes_serve_as_pictures(tmp_path):
    scenes = Drawn(tmp_path, 3, 32)
    (picture, sketch), again = scenes[1], scenes[1][0]
    assert len(scenes) == len(set(scenes.keys)) == 3 and picture.size == (32, 32) and sketch is None
    assert np.array_equal(np.asarray(picture), np.asarray(again))


class Encoders:
    def __init__(self):
        self.calls = 0

    def latent(self, picture):
        self.calls += 1
        return torch.nn.functional.avg_pool2d(picture, 8)[:, [0, 1, 2, 0]]

    def tokens(self, pixels):
        return pixels.flatten(2)[:, :, :8]


def keep(folder, tmp_path, count=2, models="m", **augmentation):
    encoders = Encoders()
    place, view = tmp_path / "latents", made(folder, tmp_path, **augmentation)
    return encoders, KeptCases(view, 2, 0, 0.0, place, encoders, models, count, "cpu"), place


def test_latents_are_made_once(folder, tmp_path):
    encoders, cases, place = keep(folder, tmp_path)
    assert encoders.calls == 6 == len(list(place.iterdir()))
    latents, sketches, tokens = cases(0)
    assert latents.shape == (2, 4, 8, 8) and sketches.shape == (2, 3, 64, 64) and tokens.shape == (2, 3, 8)
    assert {part.dtype for part in (latents, sketches, tokens)} == {torch.float32}
    again, same, _ = keep(folder, tmp_path)
    assert again.calls == 0 and all(torch.equal(*parts) for parts in zip(cases(5), same(5), strict=True))
    assert len({float(cases(number)[0].sum()) for number in range(6)}) > 2


def test_latents_are_made_again_where_something_changed(folder, tmp_path):
    _, _, place = keep(folder, tmp_path)
    before = set(place.iterdir())
    ramp(90, 90).save(folder / "3.png")
    encoders, _, _ = keep(folder, tmp_path)
    assert encoders.calls == 2 and before < set(place.iterdir())
    (folder / "0.png").unlink()
    encoders, _, _ = keep(folder, tmp_path)
    assert encoders.calls == 0 and len(list(place.iterdir())) == 6, "what is not wanted any more is deleted"
    for change in ({"models": "other"}, {"flip": 0.5}, {"count": 3, "flip": 0.5}):
        encoders, _, _ = keep(folder, tmp_path, **change)
        assert encoders.calls == (3 if "count" in change else 6)


def test_a_stopped_or_damaged_store_is_completed(folder, tmp_path):
    *_, place = keep(folder, tmp_path)
    first, second, third = sorted(place.iterdir())[:3]
    whole = {name: part.clone() for name, part in load_file(second).items()}  # not mapped onto the file any more
    first.unlink()
    second.write_bytes(second.read_bytes()[:-10])
    third.rename(third.with_suffix(".new"))
    encoders, _, _ = keep(folder, tmp_path)
    assert encoders.calls == 3 and not list(place.glob("*.new"))
    assert all(torch.equal(whole[name], part) for name, part in load_file(second).items())
