"""The evaluation of reference colorizers: its measures on constructed pictures, its tasks, its command."""

import json

import numpy as np
import pytest
import torch
from lineart_colorize.models.animediffusion import diffusion
from lineart_colorize.models.animediffusion.network import AnimeDiffusion
from lineart_colorize.models.likeness.network import Likeness
from lineart_colorize.models.scft.network import Generator
from lineart_colorize.training import (
    colorizers,
    metrics,
    perceptual,
    reference_baselines,
    reference_command,
    reference_evaluation,
    sampling,
)
from safetensors.torch import save_file

image = pytest.importorskip("PIL.Image")
LIKENESS = {"widths": (8, 16), "detail": 8}
RED, BLUE = torch.tensor([0.9, 0.1, 0.1]), torch.tensor([0.1, 0.2, 0.9])


@pytest.fixture
def box():
    """A closed square with red in it and blue around it: line (1, 1, 40, 40), picture (1, 3, 40, 40)."""
    line, picture = torch.ones(1, 1, 40, 40), BLUE.view(1, 3, 1, 1).repeat(1, 1, 40, 40)
    line[..., 10:30, [10, 29]] = line[..., [10, 29], 10:30] = 0
    picture[..., 11:29, 11:29] = RED.view(3, 1, 1)
    return line, picture * line


def test_ink_kept_counts_ink_that_is_still_black(box):
    line, picture = box
    assert metrics.ink_kept(picture, line).item() == 1
    picture[..., 10, 10:30] = 0.5  # one of the four sides
    assert metrics.ink_kept(picture, line).item() == pytest.approx(1 - 20 / 76)
    assert metrics.ink_kept(picture, torch.ones_like(line)).isnan().all()


def test_unpainted_counts_white_paper_that_should_not_be_white(box):
    line, picture = box
    white = picture.clone()
    white[..., 11:29, 11:29] = 1
    paper = 1600 - 76
    assert metrics.unpainted(white, line).item() == pytest.approx(18**2 / paper)
    assert metrics.unpainted(white, line, truth=picture).item() == pytest.approx(18**2 / paper)
    assert metrics.unpainted(white, line, truth=white).item() == 0
    assert metrics.unpainted(picture, line).item() == 0


def test_leak_counts_pixels_in_the_colour_of_the_other_side(box):
    line, picture = box
    assert metrics.leak(picture, line, reach=3).item() == 0
    picture[..., 11:29, 11] = BLUE.view(3, 1)  # the square's first column
    beside = 4 * 18 * 2 - 4 * 4  # inside, two px from each side see over the line, the corners from two sides
    outside = 4 * 18 * 2
    assert metrics.leak(picture, line, reach=3).item() == pytest.approx(18 / (beside + outside), abs=1e-4)
    line[..., 20, 29] = 1  # open: one region
    assert metrics.leak(picture, line, reach=3).isnan().all()


def test_a_diagonal_line_of_one_pixel_is_closed():
    line = torch.ones(1, 1, 20, 20)
    line[0, 0].fill_diagonal_(0)
    picture = torch.where(torch.ones(20, 20).triu().bool(), RED.view(1, 3, 1, 1), BLUE.view(1, 3, 1, 1))
    assert metrics.leak(picture, line).item() == 0
    assert metrics.leak(RED.view(1, 3, 1, 1).expand(1, 3, 20, 20), line).isnan().all()


def test_palette_hits_count_colours_of_the_reference(box):
    line, picture = box
    reference = RED.view(1, 3, 1, 1).repeat(1, 1, 16, 16)
    reference[..., 0, 0] = BLUE.view(3)  # one pixel of 256 is no main colour
    assert metrics.palette(reference[0]).tolist() == [pytest.approx(RED.tolist(), abs=1e-5)]
    assert metrics.palette_hits(picture, line, reference).item() == pytest.approx(18**2 / (1600 - 76))
    reference[..., :8, :] = BLUE.view(3, 1, 1)
    assert metrics.palette_hits(picture, line, reference).item() == 1


def test_palette_of_noise_has_a_colour():
    assert len(metrics.palette(torch.rand(3, 16, 16))) >= 1


def test_baselines_are_under_the_ink_and_of_the_references_colours(box):
    line, picture = box
    rows, notes = reference_baselines.baselines()
    for name in ("mean colour × line", "reference × line", "histogram transfer × line"):
        result = rows[name](line, picture)
        assert result.shape == picture.shape and (result[:, :, 10, 10:30] == 0).all()
    assert rows["mean colour × line"](line, picture)[0, :, 0, 0].tolist() == pytest.approx(
        picture.mean((2, 3))[0].tolist()
    )
    assert not notes


def test_histogram_transfer_gives_every_shade_the_colour_of_its_rank():
    pytest.importorskip("skimage")
    line = torch.linspace(0.9, 1, 32).expand(1, 1, 32, 32)
    reference = torch.stack([torch.linspace(0, 1, 32), torch.linspace(1, 0, 32), torch.full((32,), 0.3)])
    matched = reference_baselines.histogram_transfer(line, reference[:, None].expand(1, 3, 32, 32)) / line
    for channel, given in zip(matched[0], reference, strict=True):
        assert (channel.mean(0) - given.sort().values).abs().max() < 0.1


def test_untrained_scft_is_the_same_each_time_and_leaves_the_generator_alone():
    line, reference = torch.rand(1, 1, 32, 32), torch.rand(1, 3, 32, 32)
    reference_baselines._random_scft.cache_clear()
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    first = reference_baselines.scft_untrained(line, reference)
    assert torch.equal(torch.rand(1), expected)
    reference_baselines._random_scft.cache_clear()
    assert torch.equal(reference_baselines.scft_untrained(line, reference), first)


def test_characters_keep_their_colours_in_the_reference():
    first, again = (list(reference_evaluation.held_out(2, 32)) for _ in range(2))
    assert [case.name for case in first] == ["pair-000", "pair-001"]
    for a, b in zip(first, again, strict=True):
        assert a.line.shape == (1, 32, 32) and a.truth.shape == a.reference.shape == (3, 32, 32)
        assert torch.equal(a.line, b.line) and torch.equal(a.reference, b.reference)
        assert not torch.equal(a.truth, a.reference)


def test_tasks_are_those_that_the_cases_allow():
    line, truth = torch.rand(3, 1, 16, 16), torch.rand(3, 3, 16, 16)
    cases = [reference_evaluation.Case(str(i), line[i], truth[i]) for i in range(3)]
    tasks = reference_evaluation.tasks(cases)
    assert list(tasks) == [reference_evaluation.SELF, reference_evaluation.RANDOM]
    shuffled = tasks[reference_evaluation.RANDOM].reference
    assert not (shuffled == truth).flatten(1).all(1).any()
    bent = tasks[reference_evaluation.SELF].reference
    assert torch.equal(bent, reference_evaluation.tasks(cases)[reference_evaluation.SELF].reference)
    assert bent.shape == truth.shape and not torch.equal(bent, truth)
    without_truth = [case._replace(truth=None, reference=truth[0]) for case in cases]
    (task,) = reference_evaluation.tasks(without_truth).values()
    assert task.truth is None and task.reference.shape == (3, 3, 16, 16)
    assert list(reference_evaluation.tasks(cases[:1])) == [reference_evaluation.SELF]
    assert not reference_evaluation.tasks([cases[0]._replace(truth=None)])


def test_scores_without_a_truth_need_none(box):
    line, picture = box
    task = reference_evaluation.Task(["a"], line, picture, None)
    scores, names, shown = reference_evaluation.evaluate(task, {"same": lambda line, reference: reference}, {})
    assert names == ["a"] and list(shown) == ["line", "reference", "same"]
    assert set(scores["same"]) == {"ink kept", "unpainted", "leak", "palette hits"}
    with_truth = reference_evaluation.evaluate(task._replace(truth=picture), {}, {})[0]
    assert with_truth["truth"]["SSIM"] == [pytest.approx(1)] and with_truth["truth"]["palette hits"] == [1]


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_plain_drawings_and_references_of_one_colour_are_scored(value, monkeypatch):
    network = Generator(widths=(2, 3, 4, 5, 6), places=True).eval()
    monkeypatch.setattr(reference_baselines, "_random_scft", lambda: network)
    line, plain = torch.full((1, 1, 32, 32), value), torch.full((1, 3, 32, 32), 0.4)
    task = reference_evaluation.Task(["a"], line, plain, plain)
    scores, _, shown = reference_evaluation.evaluate(task, reference_baselines.baselines()[0], {})
    assert all(pictures.isfinite().all() for pictures in shown.values())
    assert all(np.isfinite(values["PSNR"]).all() for values in scores.values())
    assert np.isnan(scores["truth"]["leak"]).all(), "nothing is closed off"


def save(path, size=(70, 50), channels=3, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, channels), np.uint8).squeeze()
    image.fromarray(pixels).save(path)


def test_a_folder_gives_what_is_in_it(tmp_path):
    for seed, name in enumerate(("a", "b")):
        save(tmp_path / "truth" / f"{name}.png", seed=seed)
    save(tmp_path / "line" / "a.png", channels=1)
    save(tmp_path / "reference" / "b.png", channels=4)
    a, b = reference_evaluation.real(tmp_path, 32)
    assert (a.name, b.name) == ("a", "b") and a.reference is None and b.reference.shape == (3, 32, 32)
    assert a.line.shape == b.line.shape == (1, 32, 32)
    drawings = tmp_path / "drawings"
    save(drawings / "line" / "a.png", channels=1)
    save(drawings / "reference" / "a.png")
    (only,) = reference_evaluation.real(drawings, 32)
    assert only.truth is None and only.reference is not None
    with pytest.raises(SystemExit, match="No such folder"):
        list(reference_evaluation.real(tmp_path / "nowhere", 32))


def test_crops_of_colour_pictures(tmp_path):
    save(tmp_path / "a.png", (90, 60))
    save(tmp_path / "small.png", (20, 10))
    cases = list(reference_evaluation.real(tmp_path, 32, crops=3))
    assert [case.name for case in cases] == ["a-0", "a-1", "a-2", "small-0", "small-1", "small-2"]
    assert all(case.truth.shape == (3, 32, 32) for case in cases)
    assert not torch.equal(cases[0].truth, cases[1].truth) and not torch.equal(cases[1].truth, cases[2].truth)


def test_transparent_references_lie_on_white(tmp_path):
    path = tmp_path / "truth" / "a.png"
    path.parent.mkdir()
    image.new("RGBA", (8, 8), (255, 0, 0, 0)).save(path)
    assert next(iter(reference_evaluation.real(tmp_path, 8))).truth.eq(1).all()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("models")
    save_file(AnimeDiffusion(widths=(32, 32), blocks=1).state_dict(), folder / "anime.safetensors")
    generator = {f"generator_state_dict.{k}": v for k, v in Generator(widths=(2, 3, 4, 5, 6)).state_dict().items()}
    torch.save({"state_dict": generator, "epoch": 3}, folder / "scft.pth")
    save_file({"some.weight": torch.ones(2)}, folder / "other.safetensors")
    save_file(Likeness(**LIKENESS).state_dict(), folder / "likeness.safetensors")
    (folder / "half.safetensors").write_bytes(b"\x10\0\0\0half")
    return folder


@torch.no_grad()
def test_animediffusion_is_sampled_as_published(files):
    line, reference = torch.rand(2, 1, 16, 16), torch.rand(2, 3, 16, 16)
    network = AnimeDiffusion(widths=(32, 32), blocks=1).eval()
    network.load_state_dict(colorizers.read(files / "anime.safetensors"))
    noise, *noises = torch.randn(11, 2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    *_, x = diffusion.ddim(network, noise, 2 * line - 1, 2 * reference - 1, network.gammas, noises)
    expected = ((x + 1) / 2).clamp(0, 1)
    assert torch.allclose(colorizers.load(files / "anime.safetensors")(line, reference), expected, atol=1e-5)


def test_likeness_is_sampled_in_one_step(files):
    line, reference = torch.rand(2, 1, 32, 32), torch.rand(2, 3, 32, 32)
    network = Likeness(**LIKENESS).eval()
    network.load_state_dict(colorizers.read(files / "likeness.safetensors"))
    expected = sampling.colorize_after(network, line, reference, steps=1)
    assert torch.equal(colorizers.load(files / "likeness.safetensors")(line, reference), expected)


def test_scft_colours_at_the_size_its_weights_know(files, monkeypatch):
    sizes = []
    forward = Generator.forward
    monkeypatch.setattr(Generator, "forward", lambda self, r, s: sizes.append(s.shape[-2:]) or forward(self, r, s))
    colours = colorizers.load(files / "scft.pth")(torch.rand(2, 1, 24, 40), torch.rand(2, 3, 24, 40))
    assert colours.shape == (2, 3, 24, 40) and sizes == [(256, 256)]
    assert colours.min() >= 0 and colours.max() <= 1


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("other.safetensors", "no colorizer that this pack knows"),
        ("half.safetensors", "damaged"),
        ("gone.safetensors", "not there"),
        ("geodesic_scribble.safetensors", "geodesic file, which follows no reference"),
    ],
)
def test_what_is_no_reference_colorizer_is_told(files, name, words):
    folder = reference_command.ROOT / "weights" if name.startswith("geodesic") else files
    with pytest.raises(SystemExit, match=words):
        reference_command.chosen([folder / name])


def test_a_file_that_lacks_keys_names_them(files, tmp_path):
    weights = colorizers.read(files / "anime.safetensors")
    del weights["denoise_fn.output.2.weight"]
    save_file(weights, tmp_path / "short.safetensors")
    with pytest.raises(SystemExit, match=r"1 missing: denoise_fn\.output\.2\.weight"):
        reference_command.chosen([tmp_path / "short.safetensors"])


def test_the_command_writes_tables_scores_and_sheets(files, tmp_path, capsys, monkeypatch):
    network = Generator(widths=(2, 3, 4, 5, 6), places=True).eval()
    monkeypatch.setattr(reference_baselines, "_random_scft", lambda: network)
    for seed, name in enumerate(("a", "b")):
        save(tmp_path / "colour" / f"{name}.png", seed=seed)
    order = [str(tmp_path / "colour"), "--model", str(files / "anime.safetensors"), "--count", "2", "--size", "32"]
    assert reference_command.evaluate([*order, "--warp", "grid", "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr().out
    assert "LPIPS (AlexNet) is not measured: it needs feature weights" in told and "176 px and more" in told
    stems = {file.stem for file in (tmp_path / "out").iterdir()}
    assert stems == {
        *(f"held-out-characters-{task}-reference" for task in ("given", "self", "random")),
        *(f"real-pictures-{task}-reference" for task in ("self", "random")),
    }
    kept = json.loads((tmp_path / "out" / "real-pictures-self-reference.json").read_text("utf-8"))
    assert kept["names"] == ["a-0", "b-0"] and len(kept["scores"]["anime"]["PSNR"]) == 2
    assert {"mean colour × line", "reference × line", "SCFT, untrained", "truth"} < set(kept["scores"])


def test_without_a_model_the_baselines_alone_are_scored(tmp_path, monkeypatch):
    monkeypatch.setattr(reference_command, "SHIPPED", tmp_path / "weights" / "gone.safetensors")
    models, notes = reference_command.chosen(None)
    assert models == {} and "gone.safetensors is not in weights/" in notes[0]


def test_ms_ssim_and_its_size():
    pytest.importorskip("torchmetrics")
    measures, _ = perceptual.measures(176)
    a = torch.rand(2, 3, 176, 176)
    assert measures["MS-SSIM"](a, a).tolist() == pytest.approx([1, 1]) and measures["MS-SSIM"](a, 1 - a).max() < 0.5
    assert "MS-SSIM" not in perceptual.measures(175)[0]


def test_lpips_takes_its_features_from_a_file(tmp_path):
    pytest.importorskip("lpips")
    torchvision = pytest.importorskip("torchvision")
    torch.manual_seed(0)
    network = torchvision.models.alexnet(weights=None)
    torch.save({k: v for k, v in network.state_dict().items() if k.startswith("features")}, tmp_path / "alexnet.pth")
    distance = perceptual.measures(64, alexnet=tmp_path / "alexnet.pth")[0][perceptual.LPIPS]
    a, b = torch.rand(2, 3, 64, 64), torch.rand(2, 3, 64, 64)
    assert distance(a, a).tolist() == [0, 0] and (distance(a, b) > 0).all()
    assert torch.equal(distance(a, b), perceptual.lpips(tmp_path / "alexnet.pth")(a, b)), (
        "the file's weights, no others"
    )
    torch.save({"features.0.weight": torch.ones(1)}, tmp_path / "other.pth")
    with pytest.raises(SystemExit, match="does not hold torchvision's AlexNet"):
        perceptual.measures(64, alexnet=tmp_path / "other.pth")
