"""The training of the shipped weights: data, metrics, resume, the commands."""

import json
from functools import partial

import numpy as np
import pytest
import torch
from lineart_colorize.models.geodesic.network import GeodesicUNet
from lineart_colorize.training import commands, evaluation
from lineart_colorize.training import train as training
from lineart_colorize.training.baselines import geodesic, nearest
from lineart_colorize.training.dataset import ahead, case, scribble_batch
from lineart_colorize.training.losses import draw_sigma, edm_loss, ssim
from lineart_colorize.training.machine import Alone
from lineart_colorize.training.metrics import psnr, stroke_error
from lineart_colorize.training.objectives import Geodesic
from lineart_colorize.training.pictures import picture, pictures
from lineart_colorize.training.trainer import Part, Run, adamw


def test_pictures_are_kept_and_the_same_each_time(tmp_path):
    first = np.array(pictures(tmp_path, 3, 32))
    more = np.array(pictures(tmp_path, 5, 32))
    assert first.shape == (3, 5, 32, 32) and more.shape == (5, 5, 32, 32)
    assert (more[:3] == first).all() and (more[4] == picture(4, 32)).all()
    assert first[:, :3].std() > 20 and len(np.unique(first[:, 4])) > 3


def test_case_is_a_drawing_with_strokes_of_its_colours():
    line, scribble, mask, truth = case(np.random.default_rng(2), picture(7, 64), vary=False)
    assert line.shape == mask.shape == (1, 64, 64) and scribble.shape == truth.shape == (3, 64, 64)
    assert 0 < mask.mean() < 0.6 and (scribble[:, mask[0] == 0] == 0).all()
    assert (scribble - truth).abs()[:, mask[0] == 1].mean() < 0.1


def test_batch_number_decides_its_content():
    scenes = np.stack([picture(i, 32) for i in range(4)])
    first, second = (scribble_batch(scenes, 2, 0, number) for number in (1, 1))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not torch.equal(first[1], scribble_batch(scenes, 2, 0, 2)[1])


def test_batches_made_ahead_come_in_order():
    assert list(ahead(lambda n: n * n, range(17), threads=3)) == [n * n for n in range(17)]
    with pytest.raises(ZeroDivisionError):
        list(ahead(lambda n: 1 / n, range(3)))


def test_metrics_are_those_of_scikit_image():
    metrics = pytest.importorskip("skimage.metrics")
    a, b = torch.rand(2, 3, 40, 33), torch.rand(2, 3, 40, 33)
    b = (a + 0.2 * b).clamp(0, 1)
    for i in range(2):
        x, y = (t[i].movedim(0, -1).numpy() for t in (a, b))
        expected = metrics.structural_similarity(x, y, channel_axis=-1, data_range=1)
        assert ssim(a, b)[i].item() == pytest.approx(expected, abs=1e-4)
        assert psnr(a, b)[i].item() == pytest.approx(metrics.peak_signal_noise_ratio(x, y, data_range=1), abs=1e-3)


def test_loss_is_least_for_the_truth():
    """A network that returns the F which leads to the picture has no loss."""
    truth, noise = 2 * torch.rand(3, 3, 16, 16) - 1, torch.randn(3, 3, 16, 16)
    sigma = draw_sigma(3, torch.Generator().manual_seed(0))
    s = sigma.view(-1, 1, 1, 1)

    def perfect(x, t):
        noisy = x * (s**2 + 0.25).sqrt()
        return (truth - 0.25 / (s**2 + 0.25) * noisy) / (s * 0.5 / (s**2 + 0.25).sqrt())

    assert edm_loss(perfect, truth, [], sigma, noise) < 1e-4
    assert edm_loss(lambda *a: perfect(*a) + 0.5, truth, [], sigma, noise) > 0.2


def test_stroke_error_counts_grey_levels_under_strokes():
    scribble, mask = torch.zeros(1, 3, 8, 8), torch.zeros(1, 1, 8, 8)
    mask[..., 2:4, 2:4] = 1
    assert stroke_error(torch.full((1, 3, 8, 8), 10 / 255), scribble, mask).item() == pytest.approx(10, abs=1e-3)


def test_geodesic_baseline_respects_lines_and_nearest_does_not():
    line = torch.ones(1, 1, 32, 32)
    line[..., 16] = 0
    scribble, mask = torch.zeros(1, 3, 32, 32), torch.zeros(1, 1, 32, 32)
    mask[..., 16, 14] = mask[..., 2, 30] = 1
    scribble[:, 0, 16, 14] = 1
    assert geodesic(line, scribble, mask)[0, 0, 16, 18] == 0
    assert nearest(line, scribble, mask)[0, 0, 16, 18] == 1


def geodesic_run(folder, **options):
    torch.manual_seed(0)
    network = GeodesicUNet((8, 16), 4)
    run = Run([Part(Geodesic(network), adamw(network, 1e-3))], folder, 100, Alone("cpu"), **options)
    run.resume()
    return run


def train_steps(folder, scenes, steps, **options):
    run = geodesic_run(folder, **options)
    run.train(partial(scribble_batch, scenes, 2, 0), save_every=1, until=steps)
    return run.weights()


def test_a_stopped_run_continues_to_the_same_weights(tmp_path):
    scenes = np.stack([picture(i, 32) for i in range(4)])
    whole = train_steps(tmp_path / "whole", scenes, 4)
    train_steps(tmp_path / "stopped", scenes, 2)
    (tmp_path / "stopped" / "state.previous.pt").unlink()
    stopped = train_steps(tmp_path / "stopped", scenes, 4)
    for name, tensor in whole.items():
        torch.testing.assert_close(stopped[name], tensor, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "other"])
def test_a_damaged_checkpoint_gives_way_to_the_one_before_which_is_kept(tmp_path, capsys, damage):
    scenes = np.stack([picture(i, 32) for i in range(2)])
    train_steps(tmp_path, scenes, 3)
    checkpoint, before = tmp_path / "state.pt", (tmp_path / "state.previous.pt").read_bytes()
    whole = checkpoint.read_bytes()
    middle = len(whole) // 2
    damaged = {
        "cut": whole[:1000],
        "flipped": whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :],
        "empty": b"",
        "other": b"no checkpoint",
    }
    checkpoint.write_bytes(damaged[damage])
    run = geodesic_run(tmp_path)
    assert run.step == 2 and "damaged" in capsys.readouterr().out
    assert (tmp_path / "state.previous.pt").read_bytes() == before
    run.step += 1
    run.save()
    assert (tmp_path / "state.previous.pt").read_bytes() == before, "a damaged one must not take its place"
    assert geodesic_run(tmp_path).step == 3


def test_a_checkpoint_of_another_network_is_told(tmp_path):
    train_steps(tmp_path, np.stack([picture(0, 32)]), 1)
    other = GeodesicUNet((8, 24), 4)
    run = Run([Part(Geodesic(other), adamw(other, 1e-3))], tmp_path, 4, Alone("cpu"))
    with pytest.raises(SystemExit, match="another network"):
        run.resume()


def test_accumulated_batches_are_one_large_one(tmp_path):
    scenes = np.stack([picture(i, 32) for i in range(4)])
    cases = partial(scribble_batch, scenes, 2, 0)
    single, double = geodesic_run(tmp_path / "1"), geodesic_run(tmp_path / "2", accumulate=2)
    single.update([(0, cases(0))])
    double.update([(0, cases(0)), (0, cases(0))])
    for name, tensor in single.weights().items():
        torch.testing.assert_close(double.weights()[name], tensor, rtol=1e-4, atol=1e-5)
    assert double.numbers(3) == [0, 1, 2, 3, 4, 5]


def test_gradients_that_are_not_finite_are_left_out_until_it_is_hopeless(tmp_path):
    run = geodesic_run(tmp_path)
    before = {name: tensor.clone() for name, tensor in run.weights().items()}
    broken = [torch.full((1, 9, 16, 16), float("nan")), torch.zeros(1, 3, 16, 16)]
    run.update([(0, broken)])
    assert all(torch.equal(before[name], tensor) for name, tensor in run.weights().items())
    with pytest.raises(SystemExit, match="diverged"):
        for _ in range(60):
            run.update([(0, broken)])


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_every_precision_trains_fp32_weights(tmp_path, precision):
    scenes = np.stack([picture(i, 32) for i in range(2)])
    run = geodesic_run(tmp_path, precision=precision)
    before = {name: tensor.clone() for name, tensor in run.weights().items()}
    run.train(partial(scribble_batch, scenes, 2, 0), until=2)
    weights = run.weights()
    assert {tensor.dtype for tensor in weights.values()} == {torch.float32}
    assert any(not torch.equal(before[name], tensor) for name, tensor in weights.items())


def test_smoke_run_writes_weights_that_evaluate_takes(tmp_path):
    assert training.train(["geodesic", "--smoke", "--out", str(tmp_path)]) == 0
    weights = tmp_path / "geodesic_scribble.safetensors"
    out = tmp_path / "scores"
    arguments = [
        "scribble",
        "--weights",
        str(weights),
        "--count",
        "2",
        "--size",
        "64",
        "--steps",
        "2",
        "--out",
        str(out),
    ]
    assert commands.evaluate(arguments) == 0
    scores = json.loads((out / "held-out-scenes.json").read_text())["scores"]
    assert set(scores) == {"white × line", "nearest × line", "geodesic × line", "ours"}
    assert len(scores["ours"]["PSNR"]) == 2 and np.isfinite(scores["ours"]["PSNR"]).all()


def test_cases_from_a_folder(tmp_path):
    image = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(0)
    for part in ("line", "scribble", "truth"):
        (tmp_path / part).mkdir()
    for name in ("a", "b"):
        for part, channels in (("line", 3), ("scribble", 4), ("truth", 3)):
            pixels = rng.integers(0, 256, (70, 50, channels), np.uint8)
            image.fromarray(pixels).save(tmp_path / part / f"{name}.png")
    whole = list(evaluation.real(tmp_path, 32))
    assert [name for name, _ in whole] == ["a", "b"]
    assert [tuple(plane.shape) for plane in whole[0][1]] == [(1, 32, 32), (3, 32, 32), (1, 32, 32), (3, 32, 32)]
    assert set(whole[0][1][2].unique().tolist()) == {0.0, 1.0}
    alone = list(evaluation.real(tmp_path / "truth", 32))
    assert len(alone) == 2 and alone[0][1][2].sum() > 0
    (tmp_path / "none").mkdir()
    with pytest.raises(SystemExit, match="No pictures"):
        list(evaluation.real(tmp_path / "none", 32))
