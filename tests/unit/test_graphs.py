"""Graphs for the host: defaults filled in, and files of the browser read as the host wants them."""

import pytest
from lineart_colorize.cli import graphs

METHODS = {
    "options": [
        {"key": "xdog", "inputs": {"required": {"sigma": ["FLOAT", {"default": 0.8}]}}},
        {"key": "none", "inputs": {"required": {}}},
    ]
}
INFO = {
    "LoadImage": {"input": {"required": {"image": [["a.png", "b.png"], {"image_upload": True}]}}},
    "LineExtract": {
        "input": {
            "required": {
                "image": ["IMAGE", {}],
                "method": ["COMFY_DYNAMICCOMBO_V3", METHODS],
                "invert": ["COMBO", {"options": ["auto", "yes"]}],
            }
        }
    },
    "Sampler": {
        "input": {
            "required": {
                "seed": ["INT", {"default": 0, "control_after_generate": True}],
                "steps": ["INT", {"default": 20}],
            },
            "optional": {"line": ["IMAGE"], "cfg": ["FLOAT", {"default": 1.0}]},
        }
    },
    "LineartNetworkLoader": {"input": {"required": {"file": ["COMBO", {"options": ["a.pth"]}]}}},
    "SaveImage": {"input": {"required": {"images": ["IMAGE"], "filename_prefix": ["STRING", {"default": "x"}]}}},
}


def test_open_widgets_get_their_defaults_those_of_the_chosen_branch_too():
    assert graphs.lines(INFO, "a.png", "xdog")["lines"]["inputs"] == {
        "image": ["picture", 0],
        "method": "xdog",
        "method.sigma": 0.8,
        "invert": "auto",
    }
    assert "method.sigma" not in graphs.lines(INFO, "a.png", "none")["lines"]["inputs"]


def test_a_network_is_loaded_and_connected():
    graph = graphs.lines(INFO, "a.png", "none", "ours/b.pth")
    assert graph["network"] == {"class_type": "LineartNetworkLoader", "inputs": {"file": "ours/b.pth"}}
    assert graph["lines"]["inputs"]["network"] == ["network", 0]
    assert "network" not in graphs.lines(INFO, "a.png", "none")


def test_an_unknown_choice_lists_what_there_is():
    with pytest.raises(ValueError, match=r"no method 'canny'.*xdog, none"):
        graphs.lines(INFO, "a.png", "canny")


def test_a_reference_joins_the_guidance():
    kinds = ("ScribbleEncoder", "ColorizeModelLoader", "ColorizeSampler", "ReferenceTokens", "JoinImageWithAlpha")
    info = {**INFO, **{kind: {"input": {}} for kind in kinds}}
    strokes = graphs.colorize(info, "a.png", "m", scribble="s.png")
    assert strokes["sampler"]["inputs"]["positive"] == ["guidance", 0] and "tokens" not in strokes
    both = graphs.colorize(info, "a.png", "m", scribble="s.png", reference="r.png")
    assert both["sampler"]["inputs"]["negative"] == ["tokens", 1]
    assert both["tokens"]["inputs"]["positive"] == ["guidance", 0]
    assert both["reference"]["inputs"] == {"image": ["opaque", 0], "alpha": ["opaque", 1]}


def test_flat_colours_are_what_is_saved():
    kinds = ("ScribbleEncoder", "ColorizeModelLoader", "ColorizeSampler", "LineartSnapToFlats")
    info = {**INFO, **{kind: {"input": {}} for kind in kinds}}
    soft, flat = (graphs.colorize(info, "a.png", "m", flat=flat) for flat in (False, True))
    assert soft["result"]["inputs"]["images"] == ["sampler", 1] and "flats" not in soft
    assert flat["result"]["inputs"]["images"] == ["flats", 0]
    assert flat["flats"]["inputs"]["image"] == ["sampler", 1] and flat["flats"]["inputs"]["register"] is False


def test_a_network_of_one_pass_has_its_own_graph():
    correspondence = {"input": {"required": {"resolution": ["INT", {"default": 256}]}}}
    info = {**INFO, "JoinImageWithAlpha": {"input": {}}, "LineartCorrespondence": correspondence}
    graph = graphs.correspond(info, "a.png", "ours/scft.pth", "r.png")
    assert graph["network"]["inputs"] == {"file": "ours/scft.pth"}
    assert graph["sampler"]["inputs"]["resolution"] == 256 and graph["result"]["inputs"]["images"] == ["sampler", 0]
    assert graphs.correspond(info, "a.png", "b", "r.png", 512)["sampler"]["inputs"]["resolution"] == 512


def plug(name, link=None):
    return {"name": name, "link": link}


WORKFLOW = {
    "nodes": [
        {"id": 1, "type": "LoadImage", "inputs": [plug("image")], "widgets_values": ["b.png", "image"]},
        {
            "id": 2,
            "type": "LineExtract",
            "inputs": [plug("image", 7), plug("method"), plug("method.sigma"), plug("invert")],
            "widgets_values": ["xdog", 1.5, "yes"],
        },
        {
            "id": 3,
            "type": "Sampler",
            "inputs": [plug("line", 8), plug("seed"), plug("steps")],
            "widgets_values": [5, "randomize", 12, 2.5],
        },
        {"id": 4, "type": "SaveImage", "mode": 2, "inputs": [plug("images", 9)], "widgets_values": ["y"]},
        {"id": 5, "type": "MarkdownNote", "inputs": [], "widgets_values": ["read me"]},
    ],
    "definitions": None,
    "links": [[7, 1, 0, 2, 0, "IMAGE"], [8, 2, 0, 3, 0, "IMAGE"], [9, 2, 0, 4, 0, "IMAGE"]],
}


def test_a_file_of_the_browser_becomes_a_graph_of_the_host():
    assert graphs.from_workflow(WORKFLOW, INFO) == {
        "1": graphs.node("LoadImage", image="b.png"),
        "2": graphs.node("LineExtract", image=["1", 0], method="xdog", invert="yes", **{"method.sigma": 1.5}),
        "3": graphs.node("Sampler", line=["2", 0], seed=5, steps=12, cfg=2.5),
    }


def test_a_file_older_than_a_widget_gets_its_default():
    older = [{**part, "widgets_values": part["widgets_values"][:3]} for part in WORKFLOW["nodes"]]
    assert graphs.from_workflow({**WORKFLOW, "nodes": older}, INFO)["3"]["inputs"]["cfg"] == 1.0


def test_links_from_a_muted_node_are_dropped():
    muted = {
        **WORKFLOW,
        "nodes": [{**part, "mode": 2 if part["id"] == 2 else 0} for part in WORKFLOW["nodes"]],
    }
    assert "line" not in graphs.from_workflow(muted, INFO)["3"]["inputs"]


def test_what_this_host_cannot_run_is_said():
    with pytest.raises(ValueError, match="node Sampler, which this ComfyUI does not have"):
        graphs.from_workflow(WORKFLOW, {kind: value for kind, value in INFO.items() if kind != "Sampler"})
    with pytest.raises(ValueError, match="subgraphs"):
        graphs.from_workflow({**WORKFLOW, "definitions": {"subgraphs": [{}]}}, INFO)
