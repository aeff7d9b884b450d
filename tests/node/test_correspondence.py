"""SCFT in the host: its file, its colours at the drawing's own size, its heat map."""

import pytest
import torch

pytest.importorskip("comfy_api.latest", reason="needs ComfyUI: set COMFYUI_PATH")
from lineart_colorize.models.host import networks
from lineart_colorize.models.scft import correspondence
from lineart_colorize.models.scft.network import Generator
from lineart_colorize.nodes.lineart_correspondence import LineartCorrespondence
from lineart_colorize.nodes.lineart_network_loader import LineartNetworkLoader
from safetensors.torch import save_file


@pytest.fixture(scope="module")
def scft_weights():
    torch.manual_seed(0)
    network = Generator(widths=(2, 3, 4, 5, 6))
    for name, buffer in network.named_buffers():
        if name.endswith("running_var"):
            buffer.mul_(0.5)
    return network.state_dict()


@pytest.fixture(scope="module")
def scft_file(scft_weights, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "scft.safetensors"
    save_file({f"generator_state_dict.{key}": value.contiguous() for key, value in scft_weights.items()}, path)
    return str(path)


@pytest.fixture
def network(scft_file):
    return networks.load_network(scft_file)


def run(network, line, reference, **inputs):
    return LineartCorrespondence.execute(network, line, reference, **{"resolution": 64, **inputs}).result


@torch.no_grad()
def test_it_is_the_bare_network(network, scft_weights):
    line, reference = torch.rand(1, 64, 64, 1), torch.rand(1, 64, 64, 3)
    bare = Generator(widths=(2, 3, 4, 5, 6)).eval()
    bare.load_state_dict(scft_weights)
    bare.compute_dtype = torch.float32
    region = correspondence.point(0.5, 0.5, 64, 64)
    expected = (bare(2 * reference.movedim(-1, 1) - 1, 2 * line.movedim(-1, 1) - 1) + 1) / 2
    colours, heat = correspondence.colour(network.model, line, reference, region, 64)
    assert torch.allclose(colours, expected.movedim(1, -1), atol=1e-5)
    assert torch.allclose(heat, correspondence.colour(bare, line, reference, region, 64)[1], atol=1e-5)


def test_the_loader_node(scft_file, monkeypatch):
    from lineart_colorize.models.host import folders

    monkeypatch.setattr(folders, "locate", lambda file: scft_file)
    assert LineartNetworkLoader.execute("lineart_colorize/scft.safetensors").result[0].model.system == "scft"


def test_outputs_have_the_pictures_own_sizes(network):
    image, picture, heat = run(network, torch.rand(1, 50, 70, 3), torch.rand(1, 33, 21, 3))
    assert image.shape == (1, 50, 70, 3) and picture.shape == (1, 33, 21, 3) and heat.shape == (1, 33, 21)


def test_a_mask_takes_the_place_of_the_point(network):
    line, reference, mask = torch.rand(1, 64, 64, 3), torch.rand(1, 64, 64, 3), torch.zeros(1, 64, 64)
    one, other = (run(network, line, reference, x=x)[2] for x in (0.1, 0.9))
    assert not torch.equal(one, other)
    assert torch.equal(run(network, line, reference, x=0.1, mask=mask)[2], one)
    mask[:, 20:40, 5:9] = 1
    masked = [run(network, line, reference, x=x, mask=mask)[2] for x in (0.1, 0.9)]
    assert torch.equal(*masked) and not torch.equal(masked[0], one)


@pytest.mark.parametrize(("lines", "references", "masks"), [(3, 1, 1), (1, 2, 1), (1, 1, 2), (2, 2, 1)])
def test_batches_go_frame_by_frame(network, lines, references, masks):
    line, reference = torch.rand(lines, 20, 30, 3), torch.rand(references, 16, 16, 3)
    mask = torch.rand(masks, 20, 30)
    image, _, heat = run(network, line, reference, mask=mask)
    assert len(image) == len(heat) == max(lines, references, masks)
    last = run(network, line[-1:], reference[-1:], mask=mask[-1:])
    assert torch.equal(image[-1:], last[0]) and torch.equal(heat[-1:], last[2])


@pytest.mark.parametrize("shape", [(1, 1, 1, 3), (1, 3, 500, 4), (1, 33, 7, 1)])
@pytest.mark.parametrize("value", [0.0, 1.0, float("nan")])
def test_any_picture(network, shape, value):
    picture = torch.full(shape, value)
    for out in (*run(network, picture, torch.rand(1, 9, 9, 3)), *run(network, torch.rand(1, 9, 9, 3), picture)):
        assert out.isfinite().all() and out.min() >= 0 and out.max() <= 1


@pytest.mark.parametrize("dtype", ["bf16", "fp16"])
def test_small_storage(scft_file, network, dtype):
    line, reference = torch.rand(1, 64, 64, 3), torch.rand(1, 64, 64, 3)
    small = networks.load_network(scft_file, dtype)
    full, rounded = (run(one, line, reference)[0] for one in (network, small))
    assert (full - rounded).abs().mean() < 0.05


def test_another_network_is_told(network):
    network.model.system = "isnet"
    with pytest.raises(ValueError, match="needs a scft network, but a isnet network is connected"):
        run(network, torch.rand(1, 9, 9, 3), torch.rand(1, 9, 9, 3))
    with pytest.raises(ValueError, match="connect LineartNetworkLoader"):
        run(None, torch.rand(1, 9, 9, 3), torch.rand(1, 9, 9, 3))


def test_a_file_that_lacks_keys_names_them(scft_weights, tmp_path):
    short = {key: value.contiguous() for key, value in scft_weights.items() if key != "scft.W_k.weight"}
    save_file(short, tmp_path / "short.safetensors")
    with pytest.raises(ValueError, match=r"short\.safetensors.*1 missing: scft\.W_k\.weight"):
        networks.load_network(str(tmp_path / "short.safetensors"))


def test_a_colorizer_is_told(tiny_file):
    with pytest.raises(ValueError, match=r"no line art network but a colorizer \(diffusart\): load it with Color"):
        networks.load_network(tiny_file)


def test_interrupt_stops_a_batch(network, monkeypatch):
    import comfy.model_management as mm
    import comfy.utils

    def interrupt(*args, **kwargs):
        mm.interrupt_current_processing()
        mm.throw_exception_if_processing_interrupted()

    monkeypatch.setattr(comfy.utils, "PROGRESS_BAR_HOOK", interrupt)
    with pytest.raises(mm.InterruptProcessingException):
        run(network, torch.rand(2, 9, 9, 3), torch.rand(1, 9, 9, 3))
