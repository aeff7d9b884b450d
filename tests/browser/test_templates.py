"""The workflow templates in the real front end. Skipped where there is no Chromium or no playwright to drive it."""

import json
import os
import shutil

import pytest
from lineart_colorize.cli import graphs
from lineart_colorize.cli.demo import WORKFLOWS
from lineart_colorize.cli.server import NAME, Host

TEMPLATES = sorted(WORKFLOWS.glob("*.json"))
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")
READY = "() => Boolean(window.app?.extensionManager && window.LiteGraph?.registered_node_types.ColorizeSampler)"
LOAD = """async workflow => {
    await app.loadGraphData(workflow);
    const known = LiteGraph.registered_node_types;
    return {
        missing: app.graph.nodes.filter(node => !known[node.type]).map(node => node.type),
        faulty: app.graph.nodes.filter(node => node.has_errors).map(node => node.type),
        prompt: (await app.graphToPrompt()).output,
    };
}"""


def wanted_models():
    """Where the files belong that templates say they need: our loader's names begin with the folder."""
    for file in TEMPLATES:
        for part in json.loads(file.read_text("utf-8"))["nodes"]:
            if part["type"] == "LineartNetworkLoader":  # none ships, and none can be downloaded
                yield part["widgets_values"][0]
            for model in part["properties"].get("models", ()):
                ours = model["name"].startswith(f"{model['directory']}/")
                yield model["name"] if ours else f"{model['directory']}/{model['name']}"


@pytest.fixture(scope="module")
def host():
    if not os.environ.get("COMFYUI_PATH"):
        pytest.skip("needs ComfyUI: set COMFYUI_PATH")
    with Host() as host:
        for picture in WORKFLOWS.glob("demo_*.png"):
            host.upload(picture)
        for model in wanted_models():
            (host.base / "models" / model).parent.mkdir(parents=True, exist_ok=True)
            (host.base / "models" / model).touch()
        yield host


@pytest.fixture(scope="module")
def page(host):
    playwright = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"needs a browser on the PATH: {', '.join(BROWSERS)}")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path)
        page = browser.new_page()
        page.goto(host.url)
        page.wait_for_function(READY, timeout=120_000)
        yield page
        browser.close()


def test_the_host_lists_every_template_and_each_has_a_thumbnail(host):
    assert sorted(json.loads(host.get("/workflow_templates"))[NAME]) == [file.stem for file in TEMPLATES]
    assert [file.with_suffix(".jpg").is_file() for file in TEMPLATES] == [True] * len(TEMPLATES)


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda file: file.stem)
def test_a_template_loads_whole_and_means_in_the_browser_what_it_means_to_the_commands(file, host, page):
    workflow = json.loads(file.read_text("utf-8"))
    loaded = page.evaluate(LOAD, workflow)
    assert loaded["missing"] == []
    assert loaded["faulty"] == [], "marked red, as by a file that is not there"
    prompt = {number: graphs.node(part["class_type"], **part["inputs"]) for number, part in loaded["prompt"].items()}
    assert prompt == graphs.from_workflow(workflow, host.object_info())
