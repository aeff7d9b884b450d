"""References through CLIP in the host, and what words do to their tokens. Tiny random towers take CLIP's place."""

import pytest
import torch
import torch.nn.functional as F

pytest.importorskip("comfy.sample", reason="needs ComfyUI: set COMFYUI_PATH")
import comfy.clip_vision
import comfy.sd
from comfy.text_encoders.sd2_clip import SD2ClipModel, SD2Tokenizer
from lineart_colorize.models import keys
from lineart_colorize.models.colorizediffusion import manipulation
from lineart_colorize.models.host import clip as towers
from lineart_colorize.models.reference import squash, widen
from lineart_colorize.nodes.lineart_text_heat_map import LineartTextHeatMap
from lineart_colorize.nodes.lineart_text_manipulation import LineartTextManipulation
from lineart_colorize.nodes.reference_tokens import ReferenceTokens

WIDTH, SIDE = 16, 28  # of the tokens; of the square that the picture becomes, 2 x 2 patches
TOWER = {"hidden_size": 32, "num_attention_heads": 2, "num_hidden_layers": 3, "intermediate_size": 64}
TOWER |= {"hidden_act": "gelu"}


def fill(module):
    torch.manual_seed(0)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.2)


def vision(projection=WIDTH):
    config = {**TOWER, "image_size": SIDE, "patch_size": 14, "num_channels": 3, "model_type": "clip_vision_model"}
    tower = comfy.clip_vision.ClipVisionModel({**config, "projection_dim": projection})
    fill(tower.model.float())
    return tower


@pytest.fixture(scope="module")
def clip_vision():
    return vision()


@pytest.fixture(scope="module")
def clip():
    class Target:
        clip, tokenizer, params = SD2ClipModel, SD2Tokenizer, {}

    options = {"clip_h_model_config": {**TOWER, "hidden_size": WIDTH}, "dtype": torch.float32}
    tower = comfy.sd.CLIP(Target, model_options=options)
    fill(tower.cond_stage_model)
    return tower


@pytest.fixture(autouse=True)
def known(monkeypatch):
    monkeypatch.setitem(towers.VISION, WIDTH, "a tiny network")


@pytest.fixture
def reference():
    return torch.rand(1, 40, 50, 3, generator=torch.Generator().manual_seed(3))


@pytest.fixture
def positive(reference, clip_vision):
    return ReferenceTokens.execute(reference, clip_vision=clip_vision).result[0]


def tokens_of(*arguments, **inputs):
    return [side[0][0] for side in ReferenceTokens.execute(*arguments, **inputs).result]


def manipulate(positive, clip, **inputs):
    return LineartTextManipulation.execute(positive, clip, **{"target": "blue hair", "control": "hair", **inputs})


def test_tokens_travel_where_stock_nodes_expect_them(reference, clip_vision, picture):
    positive, negative = ReferenceTokens.execute(
        reference, strength=0.5, line=picture[0], clip_vision=clip_vision
    ).result
    [[tokens, entry]], [[nothing, other]] = positive, negative
    assert tokens.shape == nothing.shape == (1, 4, WIDTH) and tokens.any() and not nothing.any()
    assert entry.keys() == other.keys() and keys.EMPTY not in entry
    assert torch.equal(entry[keys.TOKENS], tokens) and torch.equal(other[keys.TOKENS], tokens)
    assert torch.equal(entry[keys.REFERENCE], reference), "models of pixels read the same conditioning"
    assert entry[keys.OPTIONS] == other[keys.OPTIONS] == {"strength": 0.5}
    assert tokens_of(reference, clip_vision=clip_vision)[0].equal(tokens), "strength is not part of the tokens"


def test_tokens_are_what_the_host_knows_of_the_picture(clip_vision):
    """For a picture of CLIP's own size, in steps of 1/255, the host prepares it alike."""
    picture = torch.randint(0, 256, (2, SIDE, SIDE, 3)) / 255
    theirs = clip_vision.encode_image(picture)
    whole, local = towers.image_tokens(clip_vision, picture).split([1, 4], dim=1)
    torch.testing.assert_close(whole[:, 0], theirs.image_embeds, atol=1e-5, rtol=0)
    tower = clip_vision.model
    expected = tower.visual_projection(tower.vision_model.post_layernorm(theirs.last_hidden_state))[:, 1:]
    torch.testing.assert_close(local, expected, atol=1e-5, rtol=0)


def test_the_whole_picture_is_seen_squeezed(clip_vision, reference):
    square = squash(reference, SIDE).movedim(1, -1)
    tokens = towers.image_tokens(clip_vision, reference)
    torch.testing.assert_close(tokens, towers.image_tokens(clip_vision, square), atol=1e-5, rtol=0)


def test_a_mask_hides_the_rest_from_clip(clip_vision, reference):
    mask = torch.zeros(1, 40, 50)
    mask[:, :, :25] = 1
    white = reference.clone()
    white[:, :, 25:] = 1
    masked, cut = (
        tokens_of(*arguments, clip_vision=clip_vision)[0] for arguments in ((reference, 1.0, mask), (white,))
    )
    assert torch.equal(masked, cut)


def test_padding_widens_what_every_model_sees(clip_vision, reference):
    padded = ReferenceTokens.execute(reference, clip_vision=clip_vision, padding=1.5).result[0][0]
    assert torch.equal(padded[1][keys.REFERENCE], widen(reference, 1.5)) and padded[1][keys.REFERENCE].shape[2] == 75
    assert torch.equal(padded[0], tokens_of(widen(reference, 1.5), clip_vision=clip_vision)[0])


def test_several_references(clip_vision, reference):
    both = torch.cat([reference, 1 - reference])

    def positive(**inputs):
        return ReferenceTokens.execute(both, clip_vision=clip_vision, **inputs).result[0][0]

    (one, _), (joined, entry), (mixed, _) = (
        positive(several=several) for several in ("one for each drawing", "concatenated", "averaged")
    )
    assert one.shape == (2, 4, WIDTH) and torch.equal(joined, one.reshape(1, 8, WIDTH))
    torch.testing.assert_close(mixed, one.mean(0, keepdim=True))
    assert len(entry[keys.REFERENCE]) == 1 and entry[keys.WHOLE].shape == (1, 2, WIDTH)
    assert torch.equal(positive(several="concatenated", weights="0, 1")[0], one[1:])
    with pytest.raises(ValueError, match="2 references but 1 weights"):
        positive(weights="1")


def test_references_of_different_shapes_in_a_chain(clip_vision, reference):
    other = torch.rand(1, 9, 70, 3)
    first = ReferenceTokens.execute(reference, clip_vision=clip_vision).result
    positive, negative = ReferenceTokens.execute(
        other, positive=first[0], negative=first[1], clip_vision=clip_vision, several="concatenated"
    ).result
    assert positive[0][0].shape == negative[0][0].shape == (1, 8, WIDTH)
    assert torch.equal(positive[0][0][:, 4:], first[0][0][0]) and not negative[0][0].any()
    alone = tokens_of(other, positive=first[0], negative=first[1], clip_vision=clip_vision)
    assert alone[0].shape == alone[1].shape == (1, 4, WIDTH), "otherwise the last reference replaces the others"


def test_words_go_to_controlnets(clip_vision, reference):
    prompt = [[torch.ones(1, 77, 8), {"strength": 0.5}]]
    sides = ReferenceTokens.execute(reference, positive=prompt, negative=prompt, clip_vision=clip_vision).result
    for [[tokens, entry]] in sides:
        assert tokens.shape == (1, 4, WIDTH) and entry["strength"] == 0.5
        assert torch.equal(entry["cross_attn_controlnet"], prompt[0][0])
    again = ReferenceTokens.execute(reference, positive=sides[0], clip_vision=clip_vision).result[0]
    assert torch.equal(again[0][1]["cross_attn_controlnet"], prompt[0][0])


@pytest.mark.parametrize(("width", "found"), [(768, r"a ViT-L \(width 768\)"), (24, r"clip_vision_model .*width 24")])
def test_another_clip_vision_is_told(reference, width, found):
    with pytest.raises(ValueError, match=rf"needs CLIP ViT-H/14 .* connected is .*{found}.* from models/clip_vision"):
        ReferenceTokens.execute(reference, clip_vision=vision(width))


@pytest.mark.parametrize("shape", [(1, 1, 1, 3), (1, 3, 900, 4), (2, 33, 47, 1)])
@pytest.mark.parametrize("value", [0.0, 1.0, float("nan")])
def test_any_reference_gives_tokens(clip_vision, clip, shape, value):
    positive = ReferenceTokens.execute(torch.full(shape, value), clip_vision=clip_vision).result[0]
    assert positive[0][0].shape == (shape[0], 4, WIDTH) and positive[0][0].isfinite().all()
    heat, values = LineartTextHeatMap.execute(manipulate(positive, clip).result[0], clip, "hair").result
    assert heat.shape == (*shape[:3], 3) and heat.isfinite().all() and values.isfinite().all()


def test_interrupt_stops_a_batch(clip_vision, monkeypatch):
    import comfy.model_management as mm
    import comfy.utils

    def interrupt(*args, **kwargs):
        mm.interrupt_current_processing()
        mm.throw_exception_if_processing_interrupted()

    monkeypatch.setattr(comfy.utils, "PROGRESS_BAR_HOOK", interrupt)
    with pytest.raises(mm.InterruptProcessingException):
        ReferenceTokens.execute(torch.rand(2, 9, 9, 3), clip_vision=clip_vision)


def test_a_text_feature_leaves_out_the_last_block(clip):
    """The host's own penultimate output for Stable Diffusion 2, at the end of the text."""
    feature = towers.text_feature(clip, "a Red dress", WIDTH)
    hidden = clip.encode("a red dress")[0, 4]  # start, three words, end
    projection = clip.cond_stage_model.clip_h.transformer.text_projection
    torch.testing.assert_close(feature, F.normalize(projection(hidden[None]), dim=-1), atol=1e-5, rtol=0)


def test_words_are_read_as_open_clip_reads_them(clip, monkeypatch):
    """Numbers by open_clip's own tokenizer: weights in brackets and embeddings mean nothing, long texts are cut."""
    seen = []

    def text_features(network, ids):
        seen.append(ids[0].tolist())
        return torch.ones(1, WIDTH)

    monkeypatch.setattr(towers, "text_features", text_features)
    for prompt in ("A RED (dress:1.2),  white   hair", "embedding:foo x", "a " * 200):
        towers.text_feature(clip, prompt, WIDTH)
    assert {len(ids) for ids in seen} == {77}
    seen = [ids[: ids.index(49407) + 1] for ids in seen]
    assert seen[0] == [49406, 320, 736, 263, 2595, 281, 272, 269, 273, 2361, 1579, 2225, 49407]
    assert seen[1] == [49406, 19703, 796, 281, 23435, 343, 49407]
    assert seen[2] == [49406, *[320] * 75, 49407]


def test_a_change_of_a_part(positive, clip):
    words = [towers.text_feature(clip, words, WIDTH) for words in ("blue hair", "red hair", "hair")]
    moved = manipulate(positive, clip, anchor="red hair", scale=4.0, enhance=True, threshold_1=0.2).result[0]
    whole = positive[0][1][keys.WHOLE]
    expected = manipulation.move_part(positive[0][0], whole, *words, 4.0, True, (0.2, 0.55, 0.65, 0.95))
    torch.testing.assert_close(moved[0][0], expected)
    assert torch.equal(moved[0][1][keys.WHOLE], whole)


def test_a_change_of_everything(positive, clip):
    target = towers.text_feature(clip, "blue hair", WIDTH)
    moved = manipulate(positive, clip, control="", reach="global", scale=4.0).result[0][0]
    for tokens in (moved[0], moved[1][keys.WHOLE]):
        torch.testing.assert_close(tokens @ target[0], torch.full(tokens.shape[:2], 4.0))


def test_models_that_read_the_reference_on_both_sides_find_it_changed(reference, clip_vision, clip):
    sides = ReferenceTokens.execute(reference, clip_vision=clip_vision).result
    positive, negative = manipulate(sides[0], clip, negative=sides[1]).result
    assert torch.equal(positive[0][1][keys.TOKENS], positive[0][0]) and not negative[0][0].any()
    assert torch.equal(negative[0][1][keys.TOKENS], positive[0][0])
    made = manipulate(sides[0], clip).result[1]
    assert torch.equal(made[0][1][keys.TOKENS], positive[0][0]) and not made[0][0].any()


def test_changes_make_a_chain(positive, clip):
    one = manipulate(positive, clip).result[0]
    two = manipulate(one, clip, target="red dress").result[0]
    assert not torch.equal(one[0][0], two[0][0]) and not torch.equal(one[0][0], positive[0][0])
    other_way = manipulate(manipulate(positive, clip, target="red dress").result[0], clip).result[0]
    assert not torch.equal(two[0][0], other_way[0][0])


def test_several_references_change_each_by_itself(clip_vision, clip, reference):
    both = torch.cat([reference, 1 - reference])
    each, joined = (
        manipulate(ReferenceTokens.execute(both, clip_vision=clip_vision, several=several).result[0], clip).result[0]
        for several in ("one for each drawing", "concatenated")
    )
    torch.testing.assert_close(each[0][0].reshape(1, 8, WIDTH), joined[0][0])


def test_no_anchor_has_three_spellings(positive, clip):
    one, other, third = (manipulate(positive, clip, anchor=anchor).result[0][0][0] for anchor in ("", "none", "  "))
    assert torch.equal(one, other) and torch.equal(one, third)


def test_scale_0_changes_nothing(positive, clip):
    assert manipulate(positive, clip, scale=0.0, target="").result[0] is positive


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        ({"target": "  "}, "words for the target"),
        ({"control": ""}, "words for control.*set reach to global"),
        ({"threshold_2": 0.3}, "must rise.*but they are 0.5, 0.3, 0.65, 0.95"),
    ],
)
def test_empty_words_and_thresholds_out_of_order_are_told(positive, clip, inputs, told):
    with pytest.raises(ValueError, match=told):
        manipulate(positive, clip, **inputs)


def test_the_heat_map_tells_the_same(positive, clip):
    with pytest.raises(ValueError, match="words to look for"):
        LineartTextHeatMap.execute(positive, clip, " ")
    with pytest.raises(ValueError, match="must rise"):
        LineartTextHeatMap.execute(positive, clip, "hair", threshold_4=0.1)


def test_a_conditioning_without_tokens_is_told(reference, clip):
    plain = ReferenceTokens.execute(reference).result[0]
    for run in (lambda: manipulate(plain, clip), lambda: LineartTextHeatMap.execute(plain, clip, "hair")):
        with pytest.raises(ValueError, match=r"no tokens of a reference .* connect CLIPVisionLoader"):
            run()


def test_another_text_encoder_is_told(positive, clip):
    from types import SimpleNamespace

    other = SimpleNamespace(cond_stage_model=SimpleNamespace(clip_l=None), tokenizer=SimpleNamespace(clip_l=None))
    with pytest.raises(ValueError, match=r"need the text side of CLIP ViT-H/14: .*another CLIP is connected"):
        manipulate(positive, other)
    wide = [[torch.ones(1, 4, 8), {**positive[0][1], keys.TOKENS: torch.ones(1, 4, 8)}]]
    with pytest.raises(ValueError, match="another CLIP is connected"):
        manipulate(wide, clip)


def test_a_text_encoder_without_projection_is_told(positive, clip, monkeypatch):
    weight = clip.cond_stage_model.clip_h.transformer.text_projection.weight
    monkeypatch.setattr(weight, "data", torch.zeros_like(weight))
    with pytest.raises(ValueError, match="lacks its projection"):
        manipulate(positive, clip)


def test_the_heat_map_shows_what_the_thresholds_part(positive, clip, reference):
    out = LineartTextHeatMap.execute(positive, clip, "hair")
    picture, values = out.result
    assert picture.shape == reference.shape and values.shape == reference.shape[:3]
    assert values.min() == 0 and values.max() == 1 and out.ui.as_dict()["images"]
    moved = LineartTextHeatMap.execute(manipulate(positive, clip).result[0], clip, "hair").result[1]
    assert not torch.equal(moved, values)


def test_tokens_do_not_disturb_models_of_pixels(model, positive, picture):
    from lineart_colorize.nodes.colorize_sampler import ColorizeSampler

    inputs = {"seed": 1, "steps": 1, "cfg": 0.0, "sampler": "auto", "scheduler": "auto", "denoise": 1.0}
    image = ColorizeSampler.execute(model, **inputs, resolution=32, line=picture[0], positive=positive).result[1]
    assert image.shape == (1, 40, 44, 3)


def test_masks_and_a_background_give_tokens_of_the_ground(reference, clip_vision):
    figures = torch.zeros(1, 20, 25)
    figures[:, 5:15, 5:15] = 0.8
    hidden = F.interpolate(figures[None], (40, 50), mode="nearest")[0, ..., None]
    ground = torch.where(hidden < 0.5, reference, torch.ones_like(reference))
    inputs = {"clip_vision": clip_vision, "foreground": torch.ones(1, 8, 8)}
    positive, negative = ReferenceTokens.execute(reference, reference_foreground=figures, **inputs).result
    expected = towers.image_tokens(clip_vision, ground)[:, 1:]
    for [[_, entry]] in (positive, negative):
        assert (entry[keys.BACKGROUND_TOKENS] - expected).abs().mean() < 0.2 * expected.std(), "but for its edge"
        assert entry[keys.FOREGROUND].shape == (1, 8, 8) and entry[keys.OPTIONS]["reference_threshold"] == 0.5
    other = torch.rand(1, 30, 20, 4)
    entry = ReferenceTokens.execute(reference, background=other, **inputs).result[0][0][1]
    assert torch.equal(entry[keys.BACKGROUND_TOKENS], towers.image_tokens(clip_vision, entry[keys.BACKGROUND])[:, 1:])
    assert entry[keys.BACKGROUND].shape == (1, 30, 20, 3)


@pytest.mark.parametrize("padding", [1.0, 1.5])
def test_figures_of_the_background_are_left_out_of_it(reference, clip_vision, padding):
    other, figures = torch.rand(1, 30, 20, 3), torch.zeros(1, 6, 4)
    figures[:, :, 2:] = 1
    cut = other.clone()
    cut[:, :, 10:] = 1
    ours, expected = (
        ReferenceTokens.execute(reference, clip_vision=clip_vision, padding=padding, **inputs).result[0][0][1]
        for inputs in (
            {"background": other, "background_foreground": figures, "reference_threshold": 0.4},
            {"background": cut},
        )
    )
    same = (ours[keys.BACKGROUND] == expected[keys.BACKGROUND]).all(-1)
    assert same.float().mean() > 0.95, "but for the edge of a small mask"
    assert torch.equal(ours[keys.BACKGROUND_TOKENS], towers.image_tokens(clip_vision, ours[keys.BACKGROUND])[:, 1:])
    assert ours[keys.REFERENCE_FOREGROUND].shape == (1, 30, 20 * padding), "xlv2 looks at it beside the picture"


@pytest.mark.parametrize("value", [0.0, float("nan")])
def test_empty_masks_count_as_none(reference, clip_vision, value):
    nothing = torch.full((1, 64, 64), value)
    entry = ReferenceTokens.execute(
        reference, clip_vision=clip_vision, foreground=nothing, reference_foreground=nothing
    ).result[0][0][1]
    assert not {keys.FOREGROUND, keys.REFERENCE_FOREGROUND, keys.BACKGROUND_TOKENS} & entry.keys()


def test_margins_are_no_figures(reference, clip_vision):
    entry = ReferenceTokens.execute(
        reference, clip_vision=clip_vision, padding=2.0, reference_foreground=torch.ones(1, 40, 50)
    ).result[0][0][1]
    shown = entry[keys.REFERENCE_FOREGROUND]
    assert shown.shape == (1, 40, 100) and shown.sum() == 40 * 50 and shown[:, :, 25:75].all()
