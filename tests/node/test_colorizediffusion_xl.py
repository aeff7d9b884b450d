"""ColorizeDiffusion XL in the host: its files, its tokens by two networks, what xlv2 reads of a background."""

import json
import re
from pathlib import Path

import pytest
import torch

pytest.importorskip("comfy.sample", reason="needs ComfyUI: set COMFYUI_PATH")
import comfy.clip_vision
import comfy.sd
from lineart_colorize.models import keys, registry
from lineart_colorize.models.colorizediffusion import checkpoint
from lineart_colorize.models.colorizediffusion_xl import native
from lineart_colorize.models.colorizediffusion_xl import tokens as rows
from lineart_colorize.models.colorizediffusion_xl.tagger import Tagger, pixels
from lineart_colorize.models.conditioning import with_options, with_values
from lineart_colorize.models.host import clip as towers
from lineart_colorize.models.host.loading import load_colorizer
from lineart_colorize.models.host.networks import load_network
from lineart_colorize.models.reading import blend
from lineart_colorize.nodes.colorize_sampler import ColorizeSampler
from lineart_colorize.nodes.reference_tokens import ReferenceTokens
from safetensors.torch import save_file

from .colorizediffusion import start, tiny_vae
from .colorizediffusion_xl import XL, arguments
from .test_sampling import sample

DATA = Path(__file__).parents[1] / "data"
PUBLISHED = {"sdxl": ("xl", 2605.98), "xlv2": ("xlv2", 4621.03)}  # key list, million parameters but for the VAE
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


def published(version):
    named = json.loads((DATA / f"colorizediffusion_{PUBLISHED[version][0]}_keys.json").read_text())
    return {key: torch.empty(shape, device="meta") for key, shape in named.items()}


@pytest.mark.parametrize("version", XL)
def test_the_published_layout_at_full_size(version):
    found = registry.identify(published(version))
    assert found.system == "colorizediffusion_xl" and (found.config["background"] is not None) == (version == "xlv2")
    total = sum(tensor.numel() for tensor in found.state_dict.values())
    assert total / 1e6 == pytest.approx(PUBLISHED[version][1], abs=0.06) and len(found.vae) == 248
    assert found.config["transformer_depth_output"] == [0] * 3 + [2] * 3 + [10] * 3


@pytest.mark.parametrize(
    "part", ["proj.transformer.embedding", "proj.mlp.0.weight", "control_encoder.zero_blocks.0.0.bias"]
)
def test_networks_that_were_never_published_are_told(part):
    with pytest.raises(ValueError, match="never published: take an sdxl or an xlv2 file"):
        registry.identify({**published("sdxl"), part: torch.empty(1, device="meta")})


@pytest.mark.parametrize(
    ("lost", "told"),
    [
        ("^bg_encoder", "mixture of the two kinds .* it has only the layers"),
        ("lora", "mixture of the two kinds .* it has only the encoder"),
        ("^proj", r"not a whole one: it lacks proj\.proj\.0\.weight and proj\.norm\.weight"),
        ("proj_outs", r"not a whole one \(8 missing: control_encoder\.proj_outs"),
    ],
)
def test_half_a_file_is_told(lost, told):
    half = {key: value for key, value in published("xlv2").items() if not re.search(lost, key)}
    with pytest.raises(ValueError, match=told):
        registry.identify(half)


def test_a_plain_xl_checkpoint_is_told():
    plain = {
        key: value for key, value in published("sdxl").items() if not key.startswith(("control_encoder.", "proj."))
    }
    with pytest.raises(ValueError, match=r"no colorizer .* looks like a Stable Diffusion checkpoint"):
        registry.identify(plain)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder, vae = tmp_path_factory.mktemp("models"), {f"first_stage_model.{k}": v for k, v in tiny_vae().items()}
    for version in XL:
        torch.manual_seed(0)
        layout = native.layout(**arguments(version, clip=CLIP, tagger=TAGS))
        weights = {key: start(key, tensor.shape) for key, tensor in layout.items()}
        save_file({**checkpoint.pack(weights), **vae}, folder / f"{version}.safetensors")
    return folder


@pytest.fixture(scope="module")
def loaded(files):
    """Version -> (MODEL, VAE)."""
    return {version: load_colorizer(str(files / f"{version}.safetensors")) for version in XL}


@pytest.fixture(params=XL)
def model(request, loaded):
    return loaded[request.param][0]


@pytest.fixture
def conds(reference, clip_vision, tagger, picture):
    return ReferenceTokens.execute(reference, clip_vision=clip_vision, tagger=tagger, line=picture[0]).result


def run(model, conds, shape=(1, 4, 8, 8), cfg=4.0, **options):
    return sample(model, *conds, shape, cfg=cfg, **{"steps": 2, **options})


def test_the_reference_decides(model, conds, picture, clip_vision, tagger, reference):
    other = ReferenceTokens.execute(1 - reference, clip_vision=clip_vision, tagger=tagger, line=picture[0]).result
    one, two = (run(model, sides, cfg=1.0) for sides in (conds, other))
    assert one.isfinite().all() and not torch.allclose(one, two, atol=1e-3)


def test_a_reference_of_weight_0_is_none(model, conds):
    nothing = [[[0 * tokens, {**entry, keys.WHOLE: 0 * entry[keys.WHOLE]}] for tokens, entry in conds[0]]] * 2
    assert torch.equal(run(model, nothing, cfg=1.0), run(model, [conds[1]] * 2, cfg=1.0))
    network = model.model.diffusion_model
    tokens, whole = (part.to(torch.float32) for part in (conds[0][0][0], conds[0][0][1][keys.WHOLE]))
    context = network.project(tokens, whole)
    assert context.shape == (1, 196, 40)
    assert torch.allclose(network.project(tokens / 2, whole / 2), context / 2, atol=1e-4)
    assert not network.project(0 * tokens, 0 * whole).any()


def test_several_references_are_projected_each_by_itself(loaded, conds):
    network = loaded["sdxl"][0].model.diffusion_model
    tokens, whole = conds[0][0][0], conds[0][0][1][keys.WHOLE]
    both = network.project(torch.cat([tokens, tokens.flip(2)], 1), torch.cat([whole, whole.flip(2)], 1))
    assert both.shape == (1, 392, 40) and torch.allclose(both[:, :196], network.project(tokens, whole), atol=1e-5)


def test_tokens_of_another_network_are_told(model, conds):
    other = [[[tokens[..., :CLIP], entry] for tokens, entry in side] for side in conds]
    with pytest.raises(ValueError, match=rf"tokens {CLIP} numbers wide, .* both CLIP ViT-bigG .* and wd-v1-4"):
        run(model, other)


def test_rotation_and_levels_of_the_sketch(model, conds):
    plain = run(model, conds)
    for option in ({"true_rotation": True}, {"sketch_levels": (1, 1, 0.5)}):
        assert not torch.allclose(plain, run(model, [with_options(side, **option) for side in conds]))
    for option in ({"sketch_levels": (1, 1)}, {"true_rotation": False}):
        assert torch.equal(plain, run(model, [with_options(side, **option) for side in conds]))


def test_the_size_of_the_picture_is_told_to_the_network(model, conds, monkeypatch):
    seen, network = [], model.model.diffusion_model
    inner = network.label_emb.forward
    monkeypatch.setattr(network.label_emb, "forward", lambda y: seen.append(y) or inner(y))
    run(model, conds, (1, 4, 8, 12), steps=1)
    assert torch.allclose(seen[0][0], native.size_vector(64, 96)[0], atol=1e-4) and len(seen[0]) == 2


def test_levels_of_strength(loaded):
    blocks = loaded["sdxl"][0].model.strength_levels
    assert blocks == {"encoder": [0], "semantics": [1, 2, 5, 6, 7, 8]}, "3 and 4 are the middle, 9 and 10 the decoder's"


@pytest.fixture
def masked(reference, clip_vision, tagger, picture):
    """The same with figures, and a ground read of the reference without them."""
    figures = torch.zeros(1, 40, 44)
    figures[:, :, 22:] = 1
    return ReferenceTokens.execute(
        reference,
        clip_vision=clip_vision,
        tagger=tagger,
        line=picture[0],
        foreground=figures,
        reference_foreground=torch.ones(1, 20, 25).tril(),
        vae=comfy.sd.VAE(sd=dict(tiny_vae())),
    ).result


def changed(conds, **options):
    return [with_options(side, **options) for side in conds]


def test_figures_and_ground_read_tokens_of_their_own(model, conds, masked):
    plain, split = run(model, conds), run(model, masked)
    assert split.isfinite().all() and not torch.allclose(plain, split, atol=1e-3)
    assert torch.equal(plain, run(model, changed(masked, split="off")))
    for option in ({"merge": 0.5}, {"foreground_strength": 0.2}, {"background_strength": 0.2}):
        assert not torch.allclose(split, run(model, changed(masked, **option)), atol=1e-4), option
    soft = torch.equal(split, run(model, changed(masked, sketch_threshold=0.9)))
    assert soft == model.model.diffusion_model.reads_background, "xlv2 blends by the mask instead"


def test_xlv2_reads_a_background_once_for_all_steps(loaded, masked, monkeypatch):
    model = loaded["xlv2"][0]
    seen, encoder = [], model.model.encoders["bg_encoder"].model
    read = encoder.forward
    monkeypatch.setattr(encoder, "forward", lambda *inputs: seen.append(inputs) or read(*inputs))
    reference = run(model, masked, steps=3)
    [(x, y)] = seen
    assert x.shape == (1, 6, 8, 8) and torch.allclose(y, native.crop_vector((64, 64), (40, 50)), atol=1e-4)
    assert x[:, 4, :, 0].max() == 0 and x[:, 4, 4, -1] == 1, "figures of the drawing"
    other = {keys.BACKGROUND: torch.rand(1, 30, 90, 3)}
    own = [with_values(side, other) for side in masked]
    assert not torch.allclose(reference, run(model, own, steps=3), atol=1e-4) and len(seen) == 2
    assert not model.model.made, "what it gave is dropped with the run"


def test_xlv2_without_a_vae_is_told(loaded, masked):
    for side in masked:
        del side[0][1][keys.VAE]
    with pytest.raises(ValueError, match="connect the VAE of ColorizeModelLoader to vae of ReferenceTokens"):
        run(loaded["xlv2"][0], masked)
    assert run(loaded["sdxl"][0], masked).isfinite().all(), "sdxl reads tokens alone"


@pytest.mark.parametrize("size", [(9, 13), (16, 4)])
def test_any_latent(loaded, masked, size):
    assert run(loaded["xlv2"][0], masked, (1, 4, *size)).isfinite().all()


def test_a_batch_with_one_reference(model, masked):
    out = run(model, masked, (3, 4, 8, 8))
    assert out.shape == (3, 4, 8, 8) and not torch.allclose(out[0], out[1])


@pytest.mark.parametrize("mode", ["exact", "fast"])
def test_injection_reads_the_reference_in_place_of_the_background(model, masked, mode):
    injected = run(model, changed(masked, injection=mode, injection_sketch=0.5))
    assert injected.isfinite().all() and not torch.allclose(injected, run(model, masked), atol=1e-4)


def test_the_convenience_node_colours_at_the_drawings_size(loaded, masked, picture):
    inputs = {"seed": 1, "steps": 1, "cfg": 0.0, "sampler": "auto", "scheduler": "auto", "denoise": 1.0}
    for model, vae in loaded.values():
        image = ColorizeSampler.execute(
            model, **inputs, resolution=64, line=picture[0], positive=masked[0], negative=masked[1], vae=vae
        ).result[1]
        assert image.shape == (1, 40, 44, 3) and image.isfinite().all()


@pytest.mark.parametrize("dtype", ["bf16", "fp8_e4m3fn"])
def test_small_storage(files, loaded, masked, dtype):
    small = load_colorizer(str(files / "xlv2.safetensors"), dtype=dtype)[0]
    out, exact = run(small, masked), run(loaded["xlv2"][0], masked)
    assert out.isfinite().all() and not torch.equal(out, exact)
    assert small.model_size() < 0.6 * loaded["xlv2"][0].model_size()


def test_a_mask_at_the_threshold_is_the_grounds_unless_the_halves_merge():
    mask, figures, ground = torch.tensor([[[0.0], [0.5]]]), torch.ones(1, 2, 3), torch.zeros(1, 2, 3)
    found = [
        blend(native.split(0.0, merge), mask, figures, ground, adapted=False)[0, :, 0].tolist() for merge in (0.0, 0.25)
    ]
    assert found == [[0.0, 1.0], [0.75, 0.75]]
