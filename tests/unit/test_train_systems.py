"""Training of AnimeDiffusion, SCFT and Diffusart: pictures, cases, smoke runs that are stopped, several processes."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from lineart_colorize.models import registry, tps
from lineart_colorize.models.animediffusion.network import AnimeDiffusion
from lineart_colorize.models.diffusart.network import Diffusart
from lineart_colorize.training import ablation, objectives
from lineart_colorize.training import train as training
from lineart_colorize.training.dataset import ReferenceCases, ScribbleCases
from lineart_colorize.training.machine import Alone
from lineart_colorize.training.sources import Characters, Drawing, Folder, Scenes
from lineart_colorize.training.trainer import Part, Run, adamw
from PIL import Image
from safetensors.torch import load_file, save_file

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("animediffusion", "scft", "diffusart")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A folder that holds procedural pictures for smoke runs: its files are copied where they are needed."""
    folder = tmp_path_factory.mktemp("drawn")
    Characters(folder, 8, 32), Scenes(folder, 8, 32)
    return folder


def smoke(name, out, drawn, *more):
    out.mkdir(exist_ok=True)
    for file in drawn.glob("*.u8"):
        if not (out / file.name).exists():
            (out / file.name).hardlink_to(file)
    assert training.train([name, "--smoke", "--out", str(out), *more]) == 0
    return load_file(out / f"{name}.safetensors")


@pytest.mark.parametrize("name", NAMES)
def test_a_smoke_run_stopped_in_each_phase_ends_in_the_same_weights(name, tmp_path, drawn, monkeypatch):
    more = ("--dropout", "0.5") if name == "animediffusion" else ()
    whole = smoke(name, tmp_path / "whole", drawn, *more)
    kind = "line art network" if name == "scft" else "colorizer"
    assert registry.identify(whole, kind).system == name
    assert all(tensor.isfinite().all() for tensor in whole.values())
    assert list((tmp_path / "whole").rglob("samples/*.png")) and list((tmp_path / "whole").rglob("tensorboard/*"))

    save = Run.save

    def save_and_stop(run):
        save(run)
        if run.step < run.steps:
            raise KeyboardInterrupt

    monkeypatch.setattr(Run, "save", save_and_stop)
    stops = 0
    while True:
        try:
            stopped = smoke(name, tmp_path / "stopped", drawn, *more)
            break
        except KeyboardInterrupt:
            stops += 1
    assert stops == (2 if name == "animediffusion" else 1)
    assert whole.keys() == stopped.keys() and all(torch.equal(whole[key], stopped[key]) for key in whole)


def test_two_processes_train_as_one_that_accumulates(tmp_path, drawn):
    one = smoke("diffusart", tmp_path / "one", drawn, "--accumulate", "2", "--lr", "1e-3")
    alone = smoke("diffusart", tmp_path / "alone", drawn, "--lr", "1e-3")
    (tmp_path / "two").mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "ACCELERATE_USE_CPU": "true"}
    shared |= {"LINEART_COLORIZE_READY": "1", "OMP_NUM_THREADS": "1"}
    out = tmp_path / "two"
    command = [sys.executable, "run.py", "train", "diffusart", "--smoke", "--out", str(out), "--lr", "1e-3"]
    processes = [
        subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(2)
    ]
    told = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], told
    assert "2 x cpu" in told[0] and "step" not in told[1]
    two = load_file(out / "diffusart.safetensors")

    def distance(a, b):
        return sum(float((a[key] - b[key]).abs().sum()) for key in a)

    assert distance(two, one) < 0.05 * distance(alone, one)


def pictures_of(folder, colours, size=(40, 48)):
    folder.mkdir(parents=True, exist_ok=True)
    for index, colour in enumerate(colours):
        Image.new("RGB", size, colour).save(folder / f"{index}.png")


def test_broken_and_tiny_pictures_are_skipped_and_counted(tmp_path, capsys):
    folder, cache = tmp_path / "pictures", tmp_path / "cache"
    pictures_of(folder, ["red", "blue"])
    whole = (folder / "0.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "words.jpg").write_text("no picture")
    (folder / "empty.webp").write_bytes(b"")
    Image.new("RGB", (15, 200)).save(folder / "tiny.png")
    Image.new("RGBA", (32, 32), (0, 255, 0, 0)).save(folder / "clear.png")
    Image.new("P", (64, 32)).save(folder / "palette.png")
    Image.new("L", (32, 64), 128).save(folder / "grey.png")
    source = Folder(folder, cache, 32)
    told = capsys.readouterr().out
    assert "5 pictures" in told and "3 broken" in told and "1 smaller than 16 px" in told
    colours = {tuple(pixels[16, 16]) for pixels in source.pixels}
    assert colours == {(255, 0, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (128, 128, 128)}
    drawing = source(np.random.default_rng(0))
    assert drawing.colour.shape == (32, 32, 3) and drawing.colour.max() <= 1 and drawing.other is None


def test_a_folder_is_read_once_and_again_when_it_changes(tmp_path, monkeypatch):
    folder, cache = tmp_path / "pictures", tmp_path / "cache"
    pictures_of(folder, ["red"])
    Folder(folder, cache, 32)
    monkeypatch.setattr("lineart_colorize.training.sources.decode", lambda *a: pytest.fail("read again"))
    Folder(folder, cache, 32)
    monkeypatch.undo()
    pictures_of(folder, ["red", "blue"])
    assert len(Folder(folder, cache, 32).pixels) == 2


@pytest.mark.parametrize(
    ("files", "words"),
    [(None, "there is no folder"), ({}, "No pictures in"), ({"a.png": b"x"}, "None of the 1 pictures.*1 broken")],
)
def test_folders_without_pictures_are_told_at_once(tmp_path, files, words):
    folder = tmp_path / "pictures"
    if files is not None:
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_bytes(content)
    with pytest.raises(SystemExit, match=words):
        training.train(["scft", "--smoke", "--pictures", str(folder), "--out", str(tmp_path / "out")])


def test_pictures_of_a_sub_folder_are_each_others_reference(tmp_path):
    folder = tmp_path / "pictures"
    pictures_of(folder / "anna", ["#ff0000", "#fe0000"])
    pictures_of(folder / "bert", ["#0000ff"])
    source = Folder(folder, tmp_path / "cache", 32)
    pairs = {
        (tuple(drawing.colour[0, 0]), None if drawing.other is None else tuple(drawing.other[0, 0]))
        for drawing in map(source, [np.random.default_rng(i) for i in range(30)])
    }
    red, nearly, blue = (1, 0, 0), (np.float32(254 / 255), 0, 0), (0, 0, 1)
    assert pairs == {(red, nearly), (nearly, red), (blue, None)}
    (folder / "anna" / "1.png").unlink()
    (folder / "anna" / "0.png").rename(folder / "loose.png")
    (folder / "bert" / "0.png").rename(folder / "other.png")
    arguments = ["scft", "--smoke", "--cross", "0.5", "--pictures", str(folder), "--out", str(tmp_path / "out")]
    with pytest.raises(SystemExit, match="sub-folders"):
        training.train(arguments)


def pose(rng):
    """A source of red pictures with a green other."""
    red, green = np.zeros((2, 32, 32, 3), np.float32)
    red[4:28, 4:28, 0] = 1
    green[..., 1] = 1
    return Drawing(red, other=green)


def test_reference_cases_are_the_picture_bent_or_another_or_none():
    line, reference, picture = ReferenceCases(pose, 3, 0, tps.moved_grid)(5)
    assert line.shape == (3, 1, 32, 32) and reference.shape == picture.shape == (3, 3, 32, 32)
    assert set(line.unique().tolist()) <= {-1.0, 1.0}
    assert not torch.equal(reference, picture) and (reference[:, 1:] == -1).all() and reference[:, 0].max() > 0.9
    again = ReferenceCases(pose, 3, 0, tps.moved_grid)(5)
    assert all(torch.equal(a, b) for a, b in zip((line, reference, picture), again, strict=True))
    assert not torch.equal(reference, ReferenceCases(pose, 3, 1, tps.moved_grid)(5)[1])
    _, other, _ = ReferenceCases(pose, 3, 0, tps.moved_grid, cross=1)(5)
    assert (other[:, 1] == 1).all()
    _, none, _ = ReferenceCases(pose, 3, 0, tps.moved_grid, cross=1, dropout=1)(5)
    assert (none == 1).all()


def test_jitter_moves_picture_and_reference_alike_and_leaves_the_line():
    plain = ReferenceCases(pose, 8, 0, tps.moved_grid, cross=1)(0)
    line, reference, picture = ReferenceCases(pose, 8, 0, tps.moved_grid, jitter=50, cross=1)(0)
    assert torch.equal(line, plain[0])
    shifts = picture[:, 2, 0, 0] - plain[2][:, 2, 0, 0]  # of blue, 0 in both
    assert shifts.max() > 0.05 and torch.equal(shifts, reference[:, 2, 0, 0] - plain[1][:, 2, 0, 0])


def test_line_styles_give_more_than_black_and_white(drawn):
    source = Characters(drawn, 8, 32)
    plain, styled = (ReferenceCases(source, 8, 0, tps.moved_grid, styles=styles)(0)[0] for styles in (False, True))
    assert len(plain.unique()) == 2 and len(styled.unique()) > 20


def test_characters_share_colours_with_their_other_picture(drawn):
    drawing = Characters(drawn, 8, 32)(np.random.default_rng(0))
    assert drawing.colour.shape == drawing.other.shape == (32, 32, 3) and not (drawing.colour == drawing.other).all()


def test_scribble_cases_have_hints_of_the_pictures_colours(drawn):
    line, scribble, mask, picture = ScribbleCases(Scenes(drawn, 8, 32), 6, 0)(0)
    assert line.shape == mask.shape == (6, 1, 32, 32) and scribble.shape == picture.shape == (6, 3, 32, 32)
    assert 0 < mask.mean() < 0.6 and (scribble * (1 - mask) == 0).all()
    truth = (picture + 1) / 2
    assert ((scribble - truth).abs() * mask).sum() / (3 * mask.sum()) < 0.1


def vgg_file(path):
    generator = torch.Generator().manual_seed(0)
    convolutions = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34)
    state, before = {}, 3
    for index in convolutions:
        state[f"features.{index}.weight"] = torch.randn(4, before, 3, 3, generator=generator)
        state[f"features.{index}.bias"] = torch.zeros(4)
        before = 4
    state["classifier.0.weight"] = torch.zeros(2, 2)
    save_file(state, path)


def test_scft_trains_with_all_its_losses_and_says_which_it_lacks(tmp_path, drawn, capsys):
    vgg_file(tmp_path / "vgg.safetensors")
    options = ("--vgg", str(tmp_path / "vgg.safetensors"), "--cycle", "1", "--cross", "0.5", "--published-tokens")
    weights = smoke("scft", tmp_path / "all", drawn, *options)
    told = capsys.readouterr().out
    for name in ("discriminator", "triplet", "reconstruction", "adversarial", "perceptual", "style", "cycle"):
        assert re.search(rf" {name} \d", told)
    assert "generator_state_dict.scft.places_mark" not in weights
    smoke("scft", tmp_path / "few", drawn)
    told = capsys.readouterr().out
    assert "no perceptual and no style loss" in told and " style 0" not in told
    (tmp_path / "wrong.safetensors").write_bytes(b"no weights")
    with pytest.raises(SystemExit, match="--vgg: expected torchvision's VGG19"):
        smoke("scft", tmp_path / "wrong", drawn, "--vgg", str(tmp_path / "wrong.safetensors"))


def test_phase_two_has_the_same_gradients_with_less_memory():
    torch.manual_seed(0)
    network = AnimeDiffusion(widths=(32,), blocks=1)
    case = torch.ones(1, 1, 8, 8), torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8)
    gradients = []
    for frugal in (False, True):
        network.zero_grad()
        losses = objectives.Reconstruction(network, frugal)(case, torch.Generator().manual_seed(0))
        losses["reconstruction"].backward()
        gradients.append([parameter.grad.clone() for parameter in network.parameters()])
    assert sum(float(gradient.abs().sum()) for gradient in gradients[0]) > 0
    for plain, frugal in zip(*gradients, strict=True):
        torch.testing.assert_close(frugal, plain)


def test_training_lowers_the_error(tmp_path, drawn):
    torch.manual_seed(0)
    network = Diffusart(32, (8, 32, 32, 32, 32), (8, 16, 16, 16, 32))
    part = Part(objectives.Scribbled(network), adamw(network, 2e-3))
    run = Run([part], tmp_path, 60, Alone("cpu"), warmup=1, precision="fp32")
    case = ScribbleCases(Scenes(drawn, 8, 32), 2, 0)(0)
    losses = []
    for number in range(40):
        losses.append(run.update([(number, case)])["noise"])
        run.step += 1
    assert np.mean(losses[-10:]) < 0.75 * np.mean(losses[:10])


def test_ablation_scores_every_variant(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(ablation, "BATCHES", 1)
    monkeypatch.setattr(ablation, "VARIANTS", dict(list(ablation.VARIANTS.items())[-2:]))
    assert training.train(["ablation", "--smoke", "--out", str(tmp_path)]) == 0
    rows = (tmp_path / "ablation.md").read_text("utf-8").splitlines()
    assert rows[2].startswith("| cycle |") and rows[3].startswith("| all three |") and rows[3].count("dB") == 3
    assert rows[2] in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["scft", "--size", "100"], "multiple of 16"),
        (["scft", "--cross", "2"], "share from 0 to 1"),
        (["animediffusion", "--steps", "0"], "1 or more"),
        (["unheard"], "invalid choice"),
    ],
)
def test_numbers_out_of_range_are_told(arguments, words, capsys):
    with pytest.raises(SystemExit):
        training.train(arguments)
    assert words in capsys.readouterr().err
