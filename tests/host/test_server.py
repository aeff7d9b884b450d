"""The pack in the real ComfyUI, over HTTP and websocket, as a browser meets it."""

import io
import json
from contextlib import nullcontext
from urllib.error import HTTPError

import pytest
from lineart_colorize.cli import colorize, demo, graphs, lines, server
from PIL import Image

NODES = (
    *("ColorizeModelLoader", "LineExtract", "ScribbleEncoder", "ColorizeSampler", "LineartFinish"),
    *("LineartRegions", "LineartFlatColor"),
    *("LineartSnapToFlats", "LineartPalette", "LineartPaletteEdit", "LineartSheet", "LineartAnchor"),
    *("LineartInspector", "LineartSaveLayers"),
    *("ReferenceTokens", "LineartDDIM", "LineartAugmentedReference", "LineartNetworkLoader", "LineartCorrespondence"),
    *("LineartCleanUp", "LineartSketch", "LineartSubjectMask"),
)


@pytest.fixture
def commands(host, monkeypatch):
    """The commands use the host of the tests in place of one of their own."""
    monkeypatch.setattr(colorize, "Host", lambda: nullcontext(host))
    monkeypatch.setattr(lines, "Host", lambda: nullcontext(host))


@pytest.fixture
def graph(host, info, model, drawings):
    """Makes the graph of `run.py colorize` on the first drawing."""
    line = host.upload(drawings / "line" / "one.png")
    strokes = host.upload(drawings / "scribble" / "one.png", "one_strokes.png")

    def make(model=model, **options):
        return graphs.colorize(info, line, model, strokes, resolution=64, **options)

    return make


def picture(host, outputs, node="result"):
    return Image.open(io.BytesIO(host.view(outputs[node]["images"][0])))


def test_every_node_loads_under_a_hyphenated_folder_name(host, info):
    assert not [node for node in NODES if node not in info]
    assert info["LineExtract"]["python_module"] == f"custom_nodes.{server.NAME}"
    assert "IMPORT FAILED" not in host.log.read_text("utf-8")


def test_the_shipped_weights_are_found_by_either_name(host, info):
    name = colorize.SCRIBBLE_MODEL
    assert colorize.choose_model(host, info, name) == name
    assert colorize.choose_model(host, info, name.split("/")[1]) == name
    with pytest.raises(server.HostError, match=f"'no-such-model' is no file.*{name}"):
        colorize.choose_model(host, info, "no-such-model")


@pytest.mark.parametrize("node", NODES)
def test_help_pages_are_served(host, node):
    assert host.get(f"/extensions/{server.NAME}/docs/{node}.md").strip()


def test_templates_are_served_with_their_pictures(host):
    names = json.loads(host.get("/workflow_templates"))[server.NAME]
    assert demo.WORKFLOW.removesuffix(".json") in names
    for name in names:
        address = f"/api/workflow_templates/{server.NAME}/{name}"
        assert json.loads(host.get(f"{address}.json"))["nodes"]
        assert Image.open(io.BytesIO(host.get(f"{address}.jpg"))).format == "JPEG"


def self_contained(workflow):
    """Whether every file that its loaders name comes with the pack."""
    parts = json.loads(workflow.read_text("utf-8"))["nodes"]
    named = [part["widgets_values"][0] for part in parts if part["type"].endswith("Loader")]
    return all((server.PACK / "weights" / name.rpartition("/")[2]).is_file() for name in named)


COLORIZING = [file.name for file in demo.WORKFLOWS.glob("*_colorize*.json") if self_contained(file)]


@pytest.mark.parametrize("workflow", COLORIZING)
def test_the_shipped_workflows_colour_the_shipped_drawing(host, workflow):
    result = demo.run(host, workflow=workflow)
    line = Image.open(demo.WORKFLOWS / demo.LINE)
    coloured = Image.open(io.BytesIO(result)).convert("HSV")
    assert coloured.size == line.size
    assert coloured.getchannel("S").getextrema()[1] > 100
    row = demo.panels(result)["demo"]
    assert row.size == (3 * line.width, line.height)


def test_the_shipped_workflow_draws_lines_by_every_method(host, info):
    source = demo.WORKFLOWS / "demo_color.png"
    host.upload(source)
    workflow = json.loads((demo.WORKFLOWS / "line_extraction.json").read_text("utf-8"))
    titles = {str(part["id"]): part.get("title") for part in workflow["nodes"]}
    outputs = host.prompt(graphs.from_workflow(workflow, info))
    drawn = {titles[number]: picture(host, outputs, number).convert("L") for number in outputs}
    assert len(drawn) == 10 and {one.size for one in drawn.values()} == {Image.open(source).size}
    shares = {title: sum(one.histogram()[:128]) / (one.width * one.height) for title, one in drawn.items()}
    assert not {title: share for title, share in shares.items() if not 0.005 < share < 0.9}


def test_sampling_tells_its_progress_and_comes_out_at_the_drawings_size(host, graph, drawings):
    steps = []
    outputs = host.prompt(
        graph(steps=3), lambda kind, data: steps.append(data["value"]) if kind == "progress" else None
    )
    assert steps[-1] == 3
    assert picture(host, outputs).size == Image.open(drawings / "line" / "one.png").size


def test_the_same_graph_again_is_answered_from_the_cache(host, graph):
    first, again = (host.prompt(graph(steps=2, seed=5)) for _ in range(2))
    assert first == again


def test_interrupt_in_the_middle_stops_and_the_next_run_works(host, graph):
    values = []

    def stop(kind, data):
        if kind == "progress":
            values.append(data["value"])
            if len(values) == 2:
                host.interrupt()

    with pytest.raises(server.Interrupted):
        host.prompt(graph(steps=1000, seed=1), stop)
    assert max(values) < 1000
    assert host.prompt(graph(steps=1, seed=2))["result"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("broken.safetensors", b"\x10\0\0\0\0\0\0\0half a file", "damaged or only half downloaded"),
        ("gone.safetensors", None, "gone.safetensors"),
    ],
)
def test_a_bad_model_file_is_told_in_a_sentence(host, graph, tmp_path, name, content, words):
    if content:
        (tmp_path / name).write_bytes(content)
        host.add_model(tmp_path / name)
    with pytest.raises(server.HostError, match="ColorizeModelLoader") as caught:
        host.prompt(graph(f"lineart_colorize/{name}"))
    assert words in str(caught.value) and name in str(caught.value)


def test_a_sampler_without_a_drawing_says_what_to_connect(host, graph):
    bare = graph(steps=1)
    del bare["sampler"]["inputs"]["line"], bare["guidance"]["inputs"]["line"]
    with pytest.raises(server.HostError, match=r"ColorizeSampler: .*connect the drawing"):
        host.prompt(bare)


def test_colorize_writes_every_drawing_and_goes_on_where_it_was_stopped(
    commands, host, model, drawings, tmp_path, capsys
):
    out = tmp_path / "out"
    order = [str(drawings / "line"), "--scribble", str(drawings / "scribble"), "--out", str(out)]
    order += ["--model", model, "--size", "64", "--steps", "2"]
    assert colorize.main(order) == 0
    assert {file.name: Image.open(file).size for file in out.iterdir()} == {
        "one.png": (150, 101),
        "two.png": (150, 101),
    }
    assert "coloured without: two.png" in capsys.readouterr().out

    before = (out / "two.png").stat().st_mtime_ns
    (out / "one.png").unlink()
    assert colorize.main(order) == 0
    assert (out / "one.png").exists() and (out / "two.png").stat().st_mtime_ns == before


def test_colorize_flats_over_a_folder(commands, drawings, tmp_path, capsys):
    out = tmp_path / "out"
    order = [str(drawings / "line"), "--scribble", str(drawings / "scribble"), "--out", str(out), "--model", "flats"]
    assert colorize.main(order) == 1
    assert [file.name for file in out.iterdir()] == ["one.png"]
    saved = Image.open(out / "one.png").convert("RGB").getcolors()
    assert {colour for _, colour in saved} == {(0, 0, 0), (220, 30, 30)}
    assert "two.png: flats need strokes of the same name" in capsys.readouterr().err


def test_a_file_that_is_no_picture_fails_alone(commands, drawings, tmp_path, capsys):
    (tmp_path / "bad.png").write_bytes(b"no picture")
    out = tmp_path / "out"
    good = drawings / "line" / "one.png"
    assert lines.main([str(tmp_path / "bad.png"), str(good), "--method", "none", "--out", str(out)]) == 1
    assert [file.name for file in out.iterdir()] == ["one.png"]
    assert "bad.png" in capsys.readouterr().err


def test_nothing_is_written_into_comfyui(host):
    assert host.comfyui not in host.base.parents
    assert (host.base / "output").exists()
    with pytest.raises(HTTPError):
        host.get("/view?filename=one.png&type=output&subfolder=..")


def test_a_host_that_cannot_start_shows_its_last_words(tmp_path, monkeypatch):
    (tmp_path / "main.py").write_text("raise SystemExit('the port is taken')")
    with pytest.raises(server.HostDied, match="the port is taken"), server.Host(tmp_path):
        pass
