"""Files that load, and one clear sentence for those that do not."""

import os
import pickle

import pytest
import torch

pytest.importorskip("comfy.sample", reason="needs ComfyUI: set COMFYUI_PATH")
from lineart_colorize.models.diffusart.network import Diffusart
from lineart_colorize.models.host.loading import STORAGE, load_colorizer, load_patcher
from safetensors.torch import save_file

from .conftest import TINY


def weight(patcher, name="init_conv.weight"):
    return patcher.model.diffusion_model.state_dict()[name]


@pytest.mark.parametrize("dtype", STORAGE)
def test_storage(tiny_file, tiny_weights, dtype):
    stored = weight(load_patcher(tiny_file, dtype))
    assert stored.dtype == (STORAGE[dtype] or torch.float32)
    assert torch.allclose(stored.float(), tiny_weights["init_conv.weight"], atol=0.05)


def test_the_vae_passes_pixels_through(tiny_file):
    vae = load_colorizer(tiny_file)[1]
    image = torch.rand(1, 24, 32, 3)
    latent = vae.encode(image)
    assert torch.allclose(latent, image.movedim(-1, 1) * 2 - 1, atol=1e-6)
    assert torch.allclose(vae.decode(latent), image, atol=1e-6)


def test_a_resumed_training_file(tmp_path, tiny_weights):
    path = tmp_path / "resume.pth"
    module = {f"module.{key}": tensor for key, tensor in tiny_weights.items()}
    torch.save({"model_state_dict": module, "model_state_dict_ema": module, "epoch": 7, "loss": 0.1}, path)
    assert torch.equal(weight(load_patcher(str(path))), tiny_weights["init_conv.weight"])


def test_half_precision_and_the_detfill_layout(tmp_path):
    network = Diffusart(**TINY, detfill=True).half()
    save_file(network.state_dict(), tmp_path / "detfill.safetensors")
    patcher = load_patcher(str(tmp_path / "detfill.safetensors"))
    assert weight(patcher).shape[1] == 8


def test_what_the_stock_node_saves_loads_again(tmp_path, tiny_file, tiny_weights):
    import comfy.sd

    comfy.sd.save_checkpoint(str(tmp_path / "saved.safetensors"), load_patcher(tiny_file))
    again = load_patcher(str(tmp_path / "saved.safetensors"))
    assert torch.equal(weight(again), tiny_weights["init_conv.weight"])


def test_the_host_can_load_it_again(tiny_file):
    patcher = load_patcher(tiny_file, clamp=False)
    factory, arguments = patcher.cached_patcher_init
    assert torch.equal(weight(factory(*arguments, disable_dynamic=True)), weight(patcher))


def test_predictions(tiny_file):
    """The same output read as noise, as velocity and as the picture, at one noise level."""
    x, out, sigma = torch.randn(1, 3, 4, 4), torch.randn(1, 3, 4, 4), torch.tensor([2.0])
    expected = {
        "auto": x - sigma * out,
        "eps": x - sigma * out,
        "v": x / 5 - out * 2 / 5**0.5,
        "x0": out,
    }
    for prediction, picture in expected.items():
        sampling = load_patcher(tiny_file, prediction=prediction).get_model_object("model_sampling")
        assert torch.allclose(sampling.calculate_denoised(sigma, out, x), picture, atol=1e-6), prediction
        assert sampling.sigmas[-1] == pytest.approx(157.41, rel=1e-3)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.99])
def test_a_half_downloaded_file(tmp_path, tiny_weights, suffix, share):
    path = tmp_path / f"half{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(tiny_weights, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ValueError, match=r"half\.(safetensors|pth): the file is damaged or only half downloaded"):
        load_colorizer(str(path))


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_file_never_runs(tmp_path, zipped):
    path, victim = tmp_path / "evil.ckpt", tmp_path / "victim"

    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(victim),)

    torch.save({"state_dict": Evil()}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ValueError, match=r"evil\.ckpt: it contains Python objects besides tensors"):
        load_colorizer(str(path))
    assert not victim.exists()


def test_a_bare_pickle_never_runs(tmp_path):
    path, victim = tmp_path / "evil.pt", tmp_path / "victim"

    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(victim),)

    path.write_bytes(pickle.dumps(Evil(), protocol=2))
    with pytest.raises(ValueError, match=r"evil\.pt: "):
        load_colorizer(str(path))
    assert not victim.exists()


def test_something_else_entirely(tmp_path):
    save_file({"decoder.conv_in.weight": torch.zeros(1)}, tmp_path / "vae.safetensors")
    with pytest.raises(ValueError, match=r"vae\.safetensors: It is no colorizer .*diffusart.* looks like a VAE"):
        load_colorizer(str(tmp_path / "vae.safetensors"))
    (tmp_path / "page.pth").write_text("<html>not found</html>")
    with pytest.raises(ValueError, match="damaged"):
        load_colorizer(str(tmp_path / "page.pth"))
    torch.save(torch.zeros(3), tmp_path / "tensor.pt")
    with pytest.raises(ValueError, match=r"tensor\.pt: "):
        load_colorizer(str(tmp_path / "tensor.pt"))


def test_a_missing_file(tmp_path):
    for name in ("gone.safetensors", "gone.pth"):
        with pytest.raises(ValueError, match="the file is not there"):
            load_colorizer(str(tmp_path / name))
