"""The nodes as a user drags them: frozen names, help everywhere, pictures of every kind through them."""

import asyncio
from pathlib import Path

import pytest
import torch

pytest.importorskip("comfy_api.latest", reason="needs ComfyUI: set COMFYUI_PATH")
import lineart_colorize
from lineart_colorize.models import keys
from lineart_colorize.models.host import folders

DOCS = Path(__file__).parents[2] / "web" / "docs"
FROZEN = {  # saved workflows name nodes and inputs, and keep widget values by their order: only ever append
    "ColorizeModelLoader": (["file", "dtype", "prediction", "clamp"], ["MODEL", "VAE"]),
    "ScribbleEncoder": (
        ["scribble", "mask", "strength", "mask_is", "line", "positive", "negative"],
        ["positive", "negative"],
    ),
    "ColorizeSampler": (
        [
            *("model", "seed", "steps", "cfg", "sampler", "scheduler", "denoise", "resolution"),
            *("line", "positive", "negative", "vae", "latent"),
            *("sketch_cfg",),
        ],
        ["LATENT", "IMAGE"],
    ),
    "LineartReferenceOptions": (
        [
            *("positive", "sketch_strength", "split", "style", "injection"),
            *("encoder_strength", "color_strength", "semantics_strength", "block_strengths"),
            *("sketch_threshold", "merge", "foreground_strength", "background_strength", "background_factor"),
            *("start", "end", "pause_start", "pause_end"),
            *("injection_start", "injection_fidelity", "injection_sketch", "negative"),
            *("sketch_levels", "true_rotation"),
        ],
        ["positive", "negative"],
    ),
    "LineartGuider": (
        ["model", "positive", "reference_guidance", "sketch_guidance", "start", "end", "negative"],
        ["GUIDER"],
    ),
    "ReferenceTokens": (
        [
            *("reference", "strength", "mask", "line", "positive", "negative"),
            *("clip_vision", "padding", "several", "weights"),
            *("foreground", "reference_foreground", "background", "vae", "reference_threshold"),
            *("tagger", "background_foreground"),
        ],
        ["positive", "negative"],
    ),
    "LineartDDIM": (["model", "steps", "eta"], ["SAMPLER", "SIGMAS"]),
    "LineartNetworkLoader": (["file", "dtype"], ["network"]),
    "LineartCorrespondence": (
        ["network", "line", "reference", "x", "y", "resolution", "mask"],
        ["IMAGE", "heat map", "heat"],
    ),
    "LineartAugmentedReference": (["image", "seed", "strength", "jitter", "points"], ["IMAGE"]),
    "LineartTextManipulation": (
        [
            *("positive", "clip", "target", "anchor", "control", "scale", "reach", "enhance"),
            *(f"threshold_{number}" for number in (1, 2, 3, 4)),
            "negative",
        ],
        ["positive", "negative"],
    ),
    "LineartTextHeatMap": (
        ["positive", "clip", "prompt", "threshold_1", "threshold_2", "threshold_3", "threshold_4"],
        ["heat map", "similarity"],
    ),
    "LineartFinish": (["image", "line"], ["IMAGE"]),
    "LineExtract": (["image", "method", "invert", "network", "lengths_for"], ["lines", "ink"]),
    "LineartSketch": (["image", "option", "application", "width", "height", "network"], ["sketch", "lines"]),
    "LineartSubjectMask": (["image", "network", "image_is", "grow"], ["mask"]),
    "LineartCleanUp": (
        [
            *("image", "even_paper", "split_pencils", "screentone", "sure", "faint", "despeckle", "width"),
            *("line_width", "gaps", "lengths_for"),
        ],
        ["lines", "ink", "blue", "red"],
    ),
    "LineartSnapToFlats": (
        ["image", "line", "regions", "palette", "register", "reject", "merge", "shading"],
        ["IMAGE", "flats", "shaded", "unsure", "palette", "report"],
    ),
    "LineartPalette": (["source", "image", "mask"], ["palette", "swatches"]),
    "LineartPaletteEdit": (
        ["palette", "changes", "hue", "chroma", "lightness", "light", "flats"],
        ["palette", "swatches", "flats"],
    ),
    "LineartSheet": (
        ["line", "sheet", "sheet_line", "regions", "sheet_regions", "palette", "sure"],
        ["IMAGE", "flats", "unsure", "report"],
    ),
    "LineartAnchor": (["model", "flats", "regions", "strength", "resolution", "vae", "line"], ["MODEL", "LATENT"]),
    "LineartInspector": (
        ["image", "line", "regions", "mask", "palette", "tiny"],
        ["IMAGE", "mended", "mask", "unpainted", "leaks", "gaps", "report"],
    ),
    "LineartSaveLayers": (["flats", "line", "filename_prefix", "format", "shaded", "palette"], ["files"]),
    "LineartRegions": (["line", "gap", "area", "masks"], ["regions", "labels", "masks"]),
    "LineartFlatColor": (["line", "scribble", "strokes", "mask_is", "mask", "regions"], ["IMAGE", "flats"]),
}


@pytest.fixture(scope="module")
def nodes():
    async def load():
        extension = await lineart_colorize.comfy_entrypoint()
        await extension.on_load()
        return {node.GET_SCHEMA().node_id: node for node in await extension.get_node_list()}

    return asyncio.run(load())


def result(node, **inputs):
    return node.execute(**inputs).result


@pytest.fixture
def colorize(nodes, model):
    """ColorizeSampler in two steps at a small size, with its widgets' defaults."""

    def run(**inputs):
        chosen = {"seed": 1, "steps": 2, "cfg": 0.0, "sampler": "auto", "scheduler": "auto", "denoise": 1.0}
        return result(nodes["ColorizeSampler"], **{"model": model, "resolution": 32, **chosen, **inputs})

    return run


@pytest.mark.parametrize("name", FROZEN)
def test_names_are_frozen(nodes, name):
    schema = nodes[name].GET_SCHEMA()
    inputs, outputs = FROZEN[name]
    assert [entry.id for entry in schema.inputs] == inputs
    assert [entry.display_name for entry in schema.outputs] == outputs


def test_everything_is_explained(nodes):
    assert set(FROZEN) == set(nodes)
    for name, node in nodes.items():
        schema = node.GET_SCHEMA()
        assert schema.description and schema.search_aliases, name
        assert schema.category.startswith("lineart colorize/"), name
        for entry in (*schema.inputs, *schema.outputs):
            assert entry.tooltip, f"{name}.{entry.id}"
        assert (DOCS / f"{name}.md").is_file(), name


def test_files_are_found_in_three_folders(nodes, tiny_file, monkeypatch, tmp_path):
    import folder_paths

    assert folders.SHIPPED.is_dir()
    assert str(folders.SHIPPED) in folder_paths.get_folder_paths(folders.OURS)
    monkeypatch.setitem(
        folder_paths.folder_names_and_paths,
        folders.OURS,
        ([str(Path(tiny_file).parent)], {".safetensors"}),
    )
    (Path(tiny_file).parent / "README.md").touch()
    listed = nodes["ColorizeModelLoader"].define_schema().inputs[0].options
    assert [name for name in listed if name.startswith(folders.OURS)] == ["lineart_colorize/tiny.safetensors"]
    model, vae = result(nodes["ColorizeModelLoader"], file="lineart_colorize/tiny.safetensors")
    assert model.model.diffusion_model and vae.latent_channels == 3


@pytest.mark.parametrize("file", ["lineart_colorize/gone.safetensors", "../secret", "vae/other.safetensors"])
def test_a_file_that_is_not_there(nodes, file):
    with pytest.raises(ValueError, match="Files belong in one of models/lineart_colorize"):
        result(nodes["ColorizeModelLoader"], file=file)


def test_from_file_to_picture(nodes, colorize, picture):
    line, colours, mask = picture
    positive, negative = result(nodes["ScribbleEncoder"], scribble=colours, mask=mask, line=line)
    latent, image = colorize(positive=positive, negative=negative)
    assert latent["samples"].shape == (1, 3, 29, 32)
    assert image.shape == (1, 40, 44, 3)
    assert image.min() >= 0 and image.max() <= 1


def test_the_seed_decides(colorize, picture):
    same = [colorize(line=picture[0], seed=seed)[1] for seed in (1, 1, 2)]
    assert torch.equal(same[0], same[1]) and not torch.equal(same[0], same[2])


def test_the_connected_line_wins(nodes, colorize, picture):
    positive, _ = result(nodes["ScribbleEncoder"], line=torch.ones(1, 20, 20, 3))
    assert colorize(positive=positive, line=picture[0])[1].shape == (1, 40, 44, 3)
    assert colorize(positive=positive)[1].shape == (1, 20, 20, 3)


def test_frames_and_variations(nodes, colorize, picture):
    line, colours, mask = picture
    positive, _ = result(nodes["ScribbleEncoder"], scribble=colours, mask=mask, line=line.expand(3, -1, -1, -1))
    assert len(colorize(positive=positive)[1]) == 3
    positive, _ = result(nodes["ScribbleEncoder"], scribble=torch.rand(2, 9, 9, 3), mask=mask, line=line)
    assert len(colorize(positive=positive)[1]) == 2
    latent = {"samples": torch.zeros(4, 3, 24, 24), "batch_index": [0, 1, 2, 3]}
    assert len(colorize(line=line, latent=latent)[1]) == 4


def test_an_empty_latent_is_a_size(colorize, picture):
    empty = {"samples": torch.zeros(2, 4, 5, 6), "downscale_ratio_spacial": 8}
    latent, image = colorize(line=picture[0], latent=empty)
    assert latent["samples"].shape == (2, 3, 40, 48) and "downscale_ratio_spacial" not in latent
    assert empty["samples"].shape == (2, 4, 5, 6) and image.shape == (2, 40, 44, 3)


def test_repainting_a_part(colorize, picture):
    start, mask = torch.rand(1, 3, 40, 44) * 2 - 1, torch.zeros(1, 40, 44)
    mask[..., 22:] = 1
    latent, _ = colorize(line=picture[0], latent={"samples": start, "noise_mask": mask}, denoise=0.6)
    assert torch.allclose(latent["samples"][..., :22], start[..., :22], atol=1e-5)
    assert torch.equal(latent["noise_mask"], mask)


def test_denoise_needs_a_picture(colorize, picture):
    with pytest.raises(ValueError, match="connect one to `latent`"):
        colorize(line=picture[0], denoise=0.5)


def test_a_latent_of_another_model_is_told(colorize, picture):
    with pytest.raises(ValueError, match="4 channels and this model works on 3"):
        colorize(line=picture[0], latent={"samples": torch.ones(1, 4, 5, 5)})


def test_no_line_art_is_told(colorize):
    with pytest.raises(ValueError, match="There is no line art"):
        colorize()


def test_another_kind_of_model_is_told(colorize, picture):
    from types import SimpleNamespace

    other = SimpleNamespace(model=SimpleNamespace(model_config=SimpleNamespace()))
    with pytest.raises(ValueError, match="load one with ColorizeModelLoader"):
        colorize(model=other, line=picture[0])


@pytest.mark.parametrize("shape", [(1, 1, 1, 3), (1, 3, 4096, 3), (1, 33, 47, 1), (1, 40, 40, 4), (2, 7, 5, 3)])
@pytest.mark.parametrize("value", [None, 0.0, 1.0, float("nan")])
def test_any_drawing_gives_a_picture(nodes, colorize, shape, value):
    line = torch.rand(shape) if value is None else torch.full(shape, value)
    positive, negative = result(
        nodes["ScribbleEncoder"], scribble=torch.rand(1, 6, 9, 4), mask=torch.rand(1, 5, 5), line=line
    )
    image = colorize(positive=positive, negative=negative, steps=1)[1]
    assert image.shape[:3] == shape[:3]
    assert image.isfinite().all()


def test_scribbles_without_strokes(nodes, colorize, picture):
    line, colours, mask = picture
    encode = nodes["ScribbleEncoder"]
    without, zero, weak = (
        colorize(positive=result(encode, line=line, **inputs)[0])[1]
        for inputs in (
            {},
            {"scribble": colours, "mask": torch.zeros_like(mask), "mask_is": "strokes"},
            {"scribble": colours, "mask": mask, "strength": 0.0},
        )
    )
    assert torch.equal(without, zero) and torch.equal(without, weak)


def test_both_sides_carry_the_same_keys(nodes, picture):
    line, colours, mask = picture
    [[tokens, positive]], [[_, negative]] = result(nodes["ScribbleEncoder"], scribble=colours, mask=mask, line=line)
    assert tokens.shape == (1, 1, 1) and positive[keys.EMPTY]
    assert positive.keys() == negative.keys()
    assert all(positive[key].shape == negative[key].shape for key in (keys.LINE, keys.SCRIBBLE, keys.SCRIBBLE_MASK))
    assert torch.equal(positive[keys.LINE], negative[keys.LINE])
    assert positive[keys.SCRIBBLE_MASK].any() and not negative[keys.SCRIBBLE_MASK].any()


def test_an_incoming_conditioning_is_copied(nodes, picture):
    line, colours, mask = picture
    entry = {"strength": 0.5}
    conds = [[torch.ones(1, 77, 8), entry]]
    positive, negative = result(
        nodes["ScribbleEncoder"], scribble=colours, mask=mask, line=line, positive=conds, negative=conds
    )
    assert entry == {"strength": 0.5}
    for [[tokens, values]] in (positive, negative):
        assert tokens.shape == (1, 77, 8) and values["strength"] == 0.5 and keys.LINE in values


def test_finish_brings_colours_to_the_drawings_size(nodes, picture):
    image = result(nodes["LineartFinish"], image=torch.rand(2, 10, 11, 3), line=picture[0])[0]
    assert image.shape == (2, 40, 44, 3)
