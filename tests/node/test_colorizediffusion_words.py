"""ColorizeDiffusion after references through CLIP, and after words."""

import pytest
import torch
import torch.nn.functional as F

pytest.importorskip("comfy.sample", reason="needs ComfyUI: set COMFYUI_PATH")
from lineart_colorize.models.colorizediffusion.checkpoint import pack
from lineart_colorize.models.host import clip
from lineart_colorize.models.host.loading import load_colorizer
from lineart_colorize.nodes.lineart_text_manipulation import LineartTextManipulation
from lineart_colorize.nodes.reference_tokens import ReferenceTokens
from safetensors.torch import save_file

from . import colorizediffusion as tiny
from .test_reference_tokens import vision
from .test_sampling import sample

SIZE = (1, 4, 8, 8)


@pytest.fixture(scope="module", params=tiny.VERSIONS)
def model(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "tiny.safetensors"
    save_file({key: tensor.contiguous() for key, tensor in pack(tiny.weights(request.param)).items()}, path)
    return load_colorizer(str(path))[0]


@pytest.fixture
def guide(picture, monkeypatch):
    monkeypatch.setitem(clip.VISION, tiny.CONTEXT, "a tiny network")
    tower = vision(tiny.CONTEXT)
    return lambda reference, **inputs: (
        ReferenceTokens.execute(reference, line=picture[0], clip_vision=tower, **inputs).result
    )


def test_words_and_further_references_change_the_picture(model, guide, picture, monkeypatch):
    monkeypatch.setattr(
        clip, "text_feature", lambda clip, words, width: F.one_hot(torch.tensor([len(words)]), width).float()
    )
    plain = guide(picture[1])
    both = guide(torch.cat([picture[1], 1 - picture[1]]), several="concatenated")
    moved = LineartTextManipulation.execute(plain[0], None, "blue hair", control="hair", negative=plain[1]).result
    one, two, three = (sample(model, *sides, SIZE, steps=2, cfg=3.0) for sides in (plain, both, moved))
    assert one.isfinite().all() and two.isfinite().all() and three.isfinite().all()
    assert not torch.equal(one, two) and not torch.equal(one, three)


def test_strength_0_is_the_negative(model, guide, picture):
    positive, negative = guide(picture[1], strength=0.0)
    weak, none = (sample(model, side, negative, SIZE, steps=2, cfg=1.0) for side in (positive, negative))
    torch.testing.assert_close(weak, none, atol=1e-4, rtol=0)
