"""ColorizeDiffusion XL, the parts that need no host: sketch encoder, tagger, projection, vectors."""

import json
import math
from pathlib import Path

import pytest
import torch
from lineart_colorize.models import registry
from lineart_colorize.models.colorizediffusion_xl import sketch, tagger, tokens, vectors
from lineart_colorize.models.colorizediffusion_xl.projection import ReferenceProjection
from lineart_colorize.models.colorizediffusion_xl.sketch import SketchEncoder
from lineart_colorize.models.colorizediffusion_xl.tagger import Tagger
from lineart_colorize.models.layers import Layers

DATA = Path(__file__).parent.parent / "data"
TINY_TAGGER = {"patch": 2, "width": 8, "depths": (1, 2), "heads": (1, 2), "classes": 5}


def published(prefix):
    contents = json.loads((DATA / "colorizediffusion_xl_encoder_keys.json").read_text())
    contents |= json.loads((DATA / "colorizediffusion_xl_keys.json").read_text())
    return {key.removeprefix(prefix): shape for key, shape in contents.items() if key.startswith(prefix)}


@pytest.mark.parametrize(
    "build, prefix, parameters",
    [
        (SketchEncoder, "control_encoder.", 25_985_000),
        (ReferenceProjection, "proj.", 15_479_000),
        (Tagger, "img_embedder.model.", 96_200_000),
    ],
)
def test_the_published_layout_at_full_size(build, prefix, parameters):
    ours = build(device="meta")
    assert {key: list(tensor.shape) for key, tensor in ours.state_dict().items()} == published(prefix)
    assert sum(tensor.numel() for tensor in ours.parameters()) == pytest.approx(parameters, rel=1e-3)


def encoder():
    torch.manual_seed(0)
    return SketchEncoder((32, 32, 32, 64), 32).requires_grad_(False)


@pytest.mark.parametrize("size", [(8, 8), (64, 32), (88, 136)])
def test_the_hints_have_the_sizes_of_the_unets_maps(size):
    hints = encoder()(torch.rand(2, 3, *size))
    sides = [tuple(-(-n // ratio) for n in size) for ratio in (8, 16, 32, 32)]
    assert [tuple(hint.shape) for hint in hints] == [
        (2, width, *side) for width, side in zip((32, 32, 32, 64), sides, strict=True)
    ]


@pytest.mark.parametrize("changed", range(3))
def test_a_map_sees_itself_and_coarser_ones(changed):
    layer = sketch.CoarseToFineAttention(Layers(), 64, 32, torch.nn.functional.scaled_dot_product_attention)
    whole, maps = torch.rand(1, 64, 1, 1), [torch.rand(1, 64, side, side) for side in (2, 4, 8)]
    before = layer(whole, maps, True)
    maps[changed][..., 0, 0] += 1
    after = layer(whole, maps, True)
    elsewhere = [not torch.equal(a[..., 1, 1], b[..., 1, 1]) for a, b in zip(before, after, strict=True)]
    assert elsewhere == [i >= changed for i in range(3)]


def test_the_picture_as_a_whole_is_seen_by_every_map():
    layer = sketch.CoarseToFineAttention(Layers(), 64, 32, torch.nn.functional.scaled_dot_product_attention)
    maps = [torch.rand(1, 64, side, side) for side in (2, 4)]
    before, after = (layer(torch.full((1, 64, 1, 1), value), maps, True) for value in (0.0, 1.0))
    assert not any(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_the_true_rotation_turns_and_the_published_one_shrinks():
    x = torch.randn(1, 2, 1 + 6 * 5, 32)
    true, published = (sketch.turn(x, sketch.turns(6, 5, 32, rotate)) for rotate in (True, False))
    pairs = x.unflatten(-1, (-1, 2)).norm(dim=-1)
    assert torch.allclose(true.unflatten(-1, (-1, 2)).norm(dim=-1), pairs, atol=1e-5)
    assert torch.equal(true[:, :, :2], x[:, :, :2]) and torch.equal(published[:, :, :2], x[:, :, :2])
    row, column = torch.tensor(3.0).cos().half(), torch.tensor(2.0).cos().half()
    at = 1 + 3 * 5 + 2
    assert torch.equal(published[0, 0, at, [0, 1]], x[0, 0, at, [0, 1]] * row)
    assert torch.equal(published[0, 0, at, [16, 17]], x[0, 0, at, [16, 17]] * column)


def test_relative_places_alone_matter_to_the_true_rotation():
    q, k = torch.randn(2, 1, 1, 1, 32).expand(2, 1, 1, 1 + 49, 32)
    tables = sketch.turns(7, 7, 32, True)
    scores = sketch.turn(q, tables)[0, 0, 1:] @ sketch.turn(k, tables)[0, 0, 1:].T
    scores = scores.view(7, 7, 7, 7)
    assert torch.allclose(scores[1, 2, 3, 3], scores[4, 5, 6, 6], atol=1e-4)
    assert not torch.allclose(scores[1, 2, 3, 3], scores[1, 2, 3, 4], atol=1e-3)


def test_the_tagger_is_found_by_its_tensors():
    weights = Tagger(**TINY_TAGGER).state_dict()
    found = registry.identify(weights, "line art network")
    assert (found.system, found.config) == ("tagger", TINY_TAGGER)
    assert Tagger(**TINY_TAGGER, side=16, window=4)(torch.rand(2, 3, 16, 16)).shape == (2, 16, 16)


def test_the_tagger_equals_the_library_that_it_was_trained_with():
    swin = pytest.importorskip("timm.models.swin_transformer_v2")
    torch.manual_seed(0)
    sizes = {"img_size": 64, "patch_size": 2, "window_size": 8, "embed_dim": 16, "num_classes": 5}
    theirs = swin.SwinTransformerV2(**sizes, depths=(2, 2, 3), num_heads=(1, 2, 4)).eval().requires_grad_(False)
    for parameter in theirs.parameters():
        parameter.normal_(std=0.3)
    ours = Tagger(**tagger.config(theirs.state_dict()), side=64, window=8)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(2, 3, 64, 64)
    assert torch.allclose(ours(x), theirs.forward_features(x).flatten(1, 2), atol=1e-4)


def test_windows_part_what_came_in_from_opposite_borders():
    apart = tagger.strangers(4, 4, 2, 1)
    assert apart.shape == (4, 4, 4)
    assert not apart[0].any(), "nothing wraps around in the first window"
    assert torch.equal(apart[3], ~torch.eye(4, dtype=torch.bool)), "each place of the last one has its own corner"


def test_tokens_of_the_tagger_decide_the_number():
    projection = ReferenceProjection(24, 32, 48, 8).requires_grad_(False)
    clip, tags = torch.rand(1, 17, 24), torch.rand(1, 12, 32)
    before = projection(clip, tags)
    clip[:, -1] += 1  # beyond the tagger's number, and yet looked at
    assert before.shape == (1, 12, 48) and not torch.equal(before, projection(clip, tags))


def test_tokens_keep_their_weight():
    clip, tags = torch.rand(2, 7, 24), torch.rand(2, 4, 32)
    rows = tokens.join(clip, tags)
    assert rows.shape == (2, 7, 57)
    for weight in (1.0, 0.25):
        found, seen, weights = tokens.part(rows * weight, 24, 4)
        assert torch.allclose(found, clip) and torch.allclose(seen, tags)
        assert weights.shape == (2, 4, 1) and weights.unique().tolist() == [weight]
    mixed = tokens.part(0.25 * rows[:1] + 0.75 * rows[1:], 24, 4)
    assert torch.allclose(mixed[0], 0.25 * clip[:1] + 0.75 * clip[1:]) and torch.allclose(mixed[2], torch.ones(4, 1))
    assert not any(part.any() for part in tokens.part(0 * rows, 24, 4))


def test_the_vectors_of_a_size_and_of_a_crop():
    y = vectors.size_vector(512, 512)
    assert y.shape == (1, 512)
    assert y[0, [0, 128]].tolist() == pytest.approx([math.cos(512), math.sin(512)], abs=1e-4)
    wide = vectors.crop_vector((512, 1024), (300, 300))
    assert wide.shape == (1, 1024)
    assert wide[0, [0, 256]].tolist() == [1, 1], "a crop begins at the corner"
    half, whole = math.cos(0.5), math.cos(1)
    assert wide[0, [512, 768]].tolist() == pytest.approx([half, whole]), "of its height"
    tall = vectors.crop_vector((1024, 512), (300, 300))
    assert tall[0, [512, 768]].tolist() == pytest.approx([whole, half])
