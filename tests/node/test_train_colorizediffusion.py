"""Training of ColorizeDiffusion inside the host: smoke runs that are stopped, files that load, LoRA, bad input."""

import os

import numpy as np
import pytest
import torch

pytest.importorskip("comfy.sample", reason="needs ComfyUI: set COMFYUI_PATH")
from lineart_colorize.models.colorizediffusion import checkpoint
from lineart_colorize.models.host import trainable
from lineart_colorize.models.host.loading import load_colorizer
from lineart_colorize.models.registry import VAE
from lineart_colorize.training import latent_diffusion, lora, objectives
from lineart_colorize.training import train as training
from lineart_colorize.training.trainer import Run
from PIL import Image
from safetensors.torch import load_file, save_file

from .colorizediffusion import VERSIONS, arguments, run, weights

NAME = "colorizediffusion"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Colourful pictures of several proportions."""
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for index, size in enumerate([(6, 8), (8, 6), (9, 5)]):
        pixels = rng.integers(0, 256, (*size[::-1], 3), np.uint8)
        Image.fromarray(pixels).resize([12 * side for side in size], Image.Resampling.NEAREST).save(
            folder / f"{index}.png"
        )
    return folder


@pytest.fixture(autouse=True)
def inside(monkeypatch):
    monkeypatch.setenv("COMFYUI_PATH", os.environ["COMFYUI_PATH"])


def smoke(out, pictures, *more):
    """Weights that a smoke run ends with."""
    assert training.train([NAME, "--smoke", "--pictures", str(pictures), "--out", str(out), *map(str, more)]) == 0
    (result,) = out.glob(f"{NAME}*.safetensors")
    return load_file(result)


ALIVE = ("--lora", "2", "--views", "0", "--warp", "1", "--frugal", "--precision", "bf16")


@pytest.mark.parametrize("more", [(), ALIVE], ids=["kept", "alive"])
def test_a_stopped_smoke_run_ends_in_the_same_weights(tmp_path, pictures, monkeypatch, more):
    whole = smoke(tmp_path / "whole", pictures, *more)
    assert all(tensor.isfinite().all() for tensor in whole.values())
    assert list((tmp_path / "whole").rglob("samples/*.png")) and list((tmp_path / "whole").rglob("tensorboard/*"))
    assert (tmp_path / "whole" / "latents").exists() == ("0" not in more)
    save = Run.save

    def save_and_stop(run):
        save(run)
        if run.step < run.steps:
            raise KeyboardInterrupt

    monkeypatch.setattr(Run, "save", save_and_stop)
    with pytest.raises(KeyboardInterrupt):
        smoke(tmp_path / "stopped", pictures, *more)
    stopped = smoke(tmp_path / "stopped", pictures, *more)
    assert whole.keys() == stopped.keys() and all(torch.equal(whole[key], stopped[key]) for key in whole)


def test_the_result_is_a_published_file_whose_unet_and_sketch_encoder_learned(tmp_path, pictures, colorizer_files):
    begun = colorizer_files / "v1.safetensors"
    result = smoke(tmp_path, pictures, "--model", begun, "--lr", "1e-3")
    before = load_file(begun)
    assert result.keys() == before.keys() == load_file(tmp_path / "average.safetensors").keys()
    moved = {key for key in result if not torch.equal(result[key], before[key])}
    assert not any(key.startswith(VAE) for key in moved)
    assert any(key.startswith("control_encoder.") for key in moved) and any(key.startswith("model.") for key in moved)
    model, vae = load_colorizer(str(tmp_path / f"{NAME}.safetensors"))
    assert vae is not None and run(model, steps=2).isfinite().all()
    assert not torch.equal(run(model, steps=2), run(load_colorizer(str(begun))[0], steps=2))


@pytest.mark.parametrize("version", VERSIONS)
def test_stock_lora_loader_takes_the_lora(tmp_path, pictures, colorizer_files, version, monkeypatch):
    import folder_paths

    from nodes import LoraLoaderModelOnly

    begun = colorizer_files / f"{version}.safetensors"
    adapted = smoke(tmp_path, pictures, "--model", begun, "--lora", "2", "--lr", "1e-2")
    monkeypatch.setitem(folder_paths.folder_names_and_paths, "loras", ([str(tmp_path)], {".safetensors"}))
    model, _ = load_colorizer(str(begun))
    (worn,) = LoraLoaderModelOnly().load_lora_model_only(model, f"{NAME}_lora.safetensors", 1.0)
    assert len(worn.patches) * 3 == len(adapted) and not any("_lora_" in key for key in worn.patches)

    by_hand, _ = load_colorizer(str(begun))
    for layer in {key.rpartition(".lora_")[0] for key in adapted if ".lora_" in key}:
        up, down, alpha = (adapted[f"{layer}.{part}"] for part in ("lora_up.weight", "lora_down.weight", "alpha"))
        by_hand.model.get_submodule(layer).weight.data += alpha / len(down) * up @ down
    plain, ours, expected = (run(each, steps=3) for each in (model, worn, by_hand))
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-4)
    assert (ours - plain).abs().max() > 100 * (ours - expected).abs().max() and (ours - plain).abs().max() > 1e-3


def test_what_is_trained_is_what_the_loader_adds(colorizer_files):
    """The hooks of training and the merged weights of use give the same output."""
    base = trainable.Trainable.of_file(str(colorizer_files / "v1.5.safetensors"))
    torch.manual_seed(3)
    call = call_of(base.unet)
    plain = call()
    network = lora.Lora(base.unet, 3)
    adapted = lora.Adapted(base.unet, network)
    assert torch.equal(call(), plain), "a LoRA begins as nothing"
    for branch in lora_branches(network):
        torch.nn.init.normal_(branch.lora_up.weight, std=0.1)
    hooked = call()
    with adapted.wearing(lora.Lora(base.unet, 3)):
        assert torch.equal(call(), plain)
    for name, layer in lora.targets(base.unet):
        branch = network.get_submodule(name)
        layer.weight.data += branch.lora_up.weight.data @ branch.lora_down.weight.data
        branch.lora_up.weight.data.zero_()
    torch.testing.assert_close(call(), hooked, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(hooked, plain, atol=1e-2)


def lora_branches(network):
    return [module for module in network.modules() if isinstance(module, lora.Branch)]


def call_of(unet):
    width = arguments("v1")["context_dim"]
    x, tokens, sketch = torch.randn(2, 4, 8, 8), torch.randn(2, 5, width), torch.randn(2, 3, 64, 64)
    t = torch.tensor([999, 3])
    return lambda: latent_diffusion.call(unet, x, t, tokens, unet.control_encoder(sketch))


def test_the_call_is_that_of_the_host(colorizer_files, monkeypatch):
    """Our differentiable attention gives what the host's own gives."""
    unet = trainable.Trainable.of_file(str(colorizer_files / "v1.safetensors")).unet
    torch.manual_seed(0)
    call = call_of(unet)
    ours = call()
    monkeypatch.setattr(latent_diffusion, "attend", lambda original, *args, **named: original(*args, **named))
    torch.testing.assert_close(ours, call(), rtol=1e-4, atol=1e-4)


def case_of(unet, count=2):
    width = unet.context_dim
    return torch.randn(count, 4, 8, 8), torch.rand(count, 3, 64, 64), torch.randn(count, 5, width)


def test_less_memory_gives_the_same_gradients(colorizer_files):
    torch.manual_seed(0)
    gradients, kept, case = [], [], None
    for frugal in (False, True):
        unet = trainable.Trainable.of_file(str(colorizer_files / "v1.safetensors")).unet
        case = case or case_of(unet)
        if frugal:
            trainable.recompute(unet)
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t, s=sizes: s.append(t.nbytes) or t, lambda t: t):
            loss = objectives.LatentPrediction(unet, "eps")(case, torch.Generator().manual_seed(0))["loss"]
        loss.backward()
        gradients.append({name: parameter.grad for name, parameter in unet.named_parameters()})
        kept.append(sum(sizes))
    plain, frugal = gradients
    assert all(gradient is not None for gradient in plain.values()), "several GPUs need a gradient of every weight"
    for name in plain:
        torch.testing.assert_close(frugal[name], plain[name])
    assert kept[1] < 0.8 * kept[0]


class Told(torch.nn.Module):
    """In place of a UNet: gives what it is told to, and keeps what it was asked."""

    transformer_blocks = 16

    def __init__(self, answer=None):
        super().__init__()
        self.answer, self.asked = answer, None

    def control_encoder(self, sketch):
        self.sketch = sketch
        return []

    def forward(self, x, t, tokens, **_):
        self.asked = x, t, tokens
        return torch.zeros_like(x) if self.answer is None else self.answer(x, t)


def test_perfect_answers_have_no_loss():
    torch.manual_seed(0)
    latent = torch.randn(3, 4, 8, 8)
    alphas = latent_diffusion.alphas()
    assert [float(alphas[0]), float(alphas[-1])] == pytest.approx([0.99915, 0.0046601], rel=1e-4)

    def noise_in(x, t):
        alpha = alphas[t.long()].view(-1, 1, 1, 1)
        return (x - alpha.sqrt() * latent) / (1 - alpha).sqrt()

    def velocity(x, t):
        alpha = alphas[t.long()].view(-1, 1, 1, 1)
        return alpha.sqrt() * noise_in(x, t) - (1 - alpha).sqrt() * latent

    case = latent, torch.zeros(3, 3, 64, 64), torch.ones(3, 5, 8)
    for prediction, answer in (("eps", noise_in), ("v", velocity)):
        losses = [
            float(objectives.LatentPrediction(Told(right), prediction, snr=5.0)(case, torch.Generator())["loss"])
            for right in (answer, lambda x, t, answer=answer: answer(x, t) + 1)
        ]
        assert losses[0] < 1e-4 < 0.01 < losses[1]


def test_guidance_is_left_out_as_often_as_told():
    network = Told()
    case = torch.randn(400, 4, 2, 2), torch.zeros(400, 3, 16, 16), torch.ones(400, 5, 8)
    objective = objectives.LatentPrediction(network, "eps", blind=0.5, blank=0.25)
    objective(case, torch.Generator().manual_seed(0))
    tokens, sketches = network.asked[2].flatten(1), network.sketch.flatten(1)
    assert set(tokens.mean(1).tolist()) == {0.0, 1.0} and set(sketches.mean(1).tolist()) == {-1.0, 0.0}
    assert tokens.mean() == pytest.approx(0.5, abs=0.1) and sketches.mean() == pytest.approx(-0.25, abs=0.1)
    assert not objective.weights(torch.tensor([0.9])) < 1
    limited = objectives.LatentPrediction(network, "eps", snr=5.0).weights(torch.tensor([0.5, 0.99]))
    assert limited.tolist() == pytest.approx([1.0, 5 / 99])
    assert objectives.LatentPrediction(network, "v", snr=5.0).weights(torch.tensor([0.5])).item() == 0.5


def test_offset_noise_moves_whole_channels():
    network = Told()
    case = torch.zeros(200, 4, 8, 8), torch.zeros(200, 3, 64, 64), torch.zeros(200, 5, 8)
    spreads = []
    for offset in (0.0, 1.0):
        objectives.LatentPrediction(network, "eps", offset=offset)(case, torch.Generator().manual_seed(0))
        x, t, _ = network.asked
        noise = x / (1 - latent_diffusion.alphas()[t.long()].view(-1, 1, 1, 1)).sqrt()
        spreads.append(float(noise.mean((2, 3)).std()))
    assert spreads == pytest.approx([1 / 8, (1 + 1 / 64) ** 0.5], rel=0.1)


def test_training_lowers_the_error(colorizer_files):
    torch.manual_seed(0)
    unet = trainable.Trainable.of_file(str(colorizer_files / "v1.safetensors")).unet
    lora.Adapted(unet, network := lora.Lora(unet, 4))
    objective, case = objectives.LatentPrediction(network, "eps", unet, blind=0.0), case_of(unet, 1)
    optimizer = torch.optim.AdamW(network.parameters(), 1e-2)
    losses = []
    for _ in range(12):
        loss = objective(case, torch.Generator().manual_seed(1))["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.95 * losses[0]


@pytest.fixture
def told(tmp_path, pictures):
    """What a run that cannot begin says."""

    def words(*more, folder=pictures):
        with pytest.raises(SystemExit) as stopped:
            smoke(tmp_path, folder, *more)
        return str(stopped.value)

    return words


@pytest.mark.parametrize("version", ["v1.5", "v2"])
def test_whole_training_begins_with_v1(told, colorizer_files, version):
    words = told("--model", colorizer_files / f"{version}.safetensors")
    assert f"is {version}: begin with a file of v1, or train a LoRA" in words


def test_other_files_are_told(told, colorizer_files, tmp_path):
    without_vae, plain, short = (tmp_path / f"{name}.safetensors" for name in ("alone", "plain", "short"))
    ours = checkpoint.pack(weights("v1"))
    save_file(ours, without_vae)
    save_file({key: tensor for key, tensor in ours.items() if not key.startswith("control_encoder.")}, plain)
    save_file({**ours, f"{VAE}taesd_encoder.0.weight": torch.zeros(64, 3, 3, 3)}, short)
    assert "no VAE in it (first_stage_model." in told("--model", without_vae)
    assert "looks like a Stable Diffusion checkpoint" in told("--model", plain)
    assert f"cannot begin with {short}" in told("--model", short)
    assert "a colorizediffusion_xl file" in told("--model", colorizer_files / "sdxl.safetensors")
    assert "the file is not there" in told("--model", tmp_path / "missing.safetensors")
    plain.write_bytes(b"no weights")
    assert "the file is damaged" in told("--model", plain)
    assert "no CLIP vision model that ComfyUI knows" in told("--vision", without_vae)
    assert "the file is not there" in told("--vision", tmp_path / "missing.safetensors")


def test_a_clip_of_another_width_is_told():
    with pytest.raises(ValueError, match=r"reads tokens 1024 numbers wide, .* gives 768: take CLIP ViT-H/14"):
        trainable.expect_width(trainable.random_vision(768), 1024)
    trainable.expect_width(trainable.random_vision(24), 24)


def test_what_is_missing_is_asked_for(tmp_path, pictures, colorizer_files, monkeypatch):
    begin = [NAME, "--pictures", str(pictures), "--out", str(tmp_path)]
    with pytest.raises(SystemExit, match=r"--model: expected a ColorizeDiffusion file .* Only --smoke"):
        training.train(begin)
    with pytest.raises(SystemExit, match=r"--vision: expected the CLIP vision model .* Only --smoke"):
        training.train([*begin, "--model", str(colorizer_files / "v1.safetensors")])
    with pytest.raises(SystemExit, match="--size: expected a multiple of 64, found 80"):
        training.train([*begin, "--size", "80"])
    monkeypatch.delenv("COMFYUI_PATH")
    with pytest.raises(SystemExit, match="runs inside ComfyUI: name its folder with --comfyui"):
        training.train([*begin, "--smoke"])


@pytest.mark.parametrize("rank", ["0", "-4"])
def test_a_rank_is_one_or_more(rank, capsys, tmp_path):
    with pytest.raises(SystemExit):
        training.train([NAME, "--smoke", f"--lora={rank}", "--out", str(tmp_path)])
    assert f"--lora: expected 1 or more, found {rank}" in capsys.readouterr().err


def test_an_empty_folder_is_told(told, tmp_path):
    (tmp_path / "none").mkdir()
    assert "No pictures in" in told(folder=tmp_path / "none")


def test_a_lora_has_defaults_of_its_own():
    whole, alone = (training.parse([NAME, *more]) for more in ([], ["--lora", "16"]))
    assert (whole.lr, whole.batch, whole.size) == (1e-5, 64, 768) and (alone.lr, alone.batch, alone.size) == (
        1e-4,
        4,
        512,
    )
    assert training.parse([NAME, "--lora", "16", "--lr", "1e-5"]).lr == 1e-5
