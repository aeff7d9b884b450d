"""ColorizeDiffusion XL in the host: its tokens by two networks."""

import pytest
import torch

pytest.importorskip("comfy.sample", reason="needs ComfyUI: set COMFYUI_PATH")
import comfy.clip_vision
from lineart_colorize.models import keys
from lineart_colorize.models.colorizediffusion_xl import tokens as rows
from lineart_colorize.models.colorizediffusion_xl.tagger import Tagger, pixels
from lineart_colorize.models.host import clip as towers
from lineart_colorize.models.host.networks import load_network
from lineart_colorize.nodes.reference_tokens import ReferenceTokens
from safetensors.torch import save_file

CLIP, TAGS = 24, 64  # widths of the tiny networks' tokens
TOWER = {"hidden_size": 32, "num_attention_heads": 2, "num_hidden_layers": 1, "intermediate_size": 32}
TOWER |= {"hidden_act": "gelu", "num_channels": 3, "image_size": 224, "patch_size": 14}


@pytest.fixture(scope="module")
def clip_vision():
    torch.manual_seed(0)
    tower = comfy.clip_vision.ClipVisionModel({**TOWER, "projection_dim": CLIP, "model_type": "clip_vision_model"})
    for parameter in tower.model.float().parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return tower


@pytest.fixture(scope="module")
def tagger(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("models") / "tagger.safetensors"
    save_file(Tagger(width=8, depths=(1, 1, 1, 1), heads=(1, 1, 2, 2), classes=3).state_dict(), path)
    return load_network(str(path))


@pytest.fixture(autouse=True)
def known(monkeypatch):
    monkeypatch.setitem(towers.VISION, CLIP, "a tiny network")
    monkeypatch.setattr(towers, "TAGGED", {CLIP})


@pytest.fixture
def reference():
    return torch.rand(1, 40, 50, 3, generator=torch.Generator().manual_seed(3))


@torch.inference_mode()
def test_both_networks_see_the_reference(reference, clip_vision, tagger):
    positive, negative = ReferenceTokens.execute(reference, clip_vision=clip_vision, tagger=tagger).result
    [[tokens, entry]] = positive
    whole = torch.cat([entry[keys.WHOLE], tokens], 1)
    seen, tags, weights = rows.part(whole, CLIP)
    assert torch.allclose(seen, towers.image_tokens(clip_vision, reference), atol=1e-5)
    assert torch.allclose(tags, tagger.model(pixels(reference, 448)), atol=1e-4) and tags.shape == (1, 196, TAGS)
    assert weights.unique().tolist() == [1] and not negative[0][0].any()


def test_references_keep_their_weights(reference, clip_vision, tagger):
    both = torch.cat([reference, 1 - reference])
    positive = ReferenceTokens.execute(
        both, clip_vision=clip_vision, tagger=tagger, several="concatenated", weights="1, 0.5"
    ).result[0]
    weights = positive[0][0].unflatten(1, (2, -1))[..., -1]
    assert weights[0, 0].unique().tolist() == [1] and weights[0, 1].unique().tolist() == [0.5]


def test_one_network_without_the_other_is_told(reference, clip_vision, tagger, monkeypatch):
    with pytest.raises(ValueError, match=r"XL.* needs a network: connect LineartNetworkLoader .* to the input tagger"):
        ReferenceTokens.execute(reference, clip_vision=clip_vision)
    monkeypatch.setattr(towers, "TAGGED", set())
    with pytest.raises(ValueError, match=r"goes with ColorizeDiffusion XL .* load CLIP-ViT-bigG"):
        ReferenceTokens.execute(reference, clip_vision=clip_vision, tagger=tagger)


def test_another_network_is_no_tagger(reference, clip_vision, tagger, monkeypatch):
    monkeypatch.setattr(tagger.model, "system", "isnet")
    with pytest.raises(ValueError, match="needs a tagger network, but a isnet network is connected"):
        ReferenceTokens.execute(reference, clip_vision=clip_vision, tagger=tagger)
