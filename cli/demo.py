"""Colours the shipped drawing with the shipped workflow in the real ComfyUI: `python run.py demo --help`."""

import argparse
import io
import json
import time
from pathlib import Path

from . import graphs
from .server import PACK, Host

WORKFLOWS = PACK / "workflows"
WORKFLOW = "scribble_colorize.json"
LINE, GUIDANCE = "demo_line.png", "demo_scribble.png"


def main(arguments):
    parser = argparse.ArgumentParser(
        prog="run.py demo",
        description=f"Runs workflows/{WORKFLOW} on a shipped drawing with the weights that ship.",
        epilog="example: python run.py demo --out demo",
    )
    parser.add_argument("--out", type=Path, default=Path("out"), metavar="DIR", help="default: %(default)s")
    out = parser.parse_args(arguments).out
    out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    print("Starting ComfyUI", flush=True)
    with Host() as host:
        print(f"Colouring {LINE} with {GUIDANCE}", flush=True)
        result = run(host, show_step)
    for name, picture in panels(result).items():
        picture.save(out / f"{name}.png")
        print(f"{name + ':':10} {(out / name).resolve()}.png")
    print(f"Done in {time.monotonic() - started:.0f} s")
    return 0


def run(host, on_event=lambda kind, data: None, workflow=WORKFLOW):
    """Bytes of the picture that a shipped workflow saves."""
    for picture in WORKFLOWS.glob("demo_*.png"):
        host.upload(picture)
    saved_graph = json.loads((WORKFLOWS / workflow).read_text("utf-8"))
    graph = graphs.from_workflow(saved_graph, host.object_info())
    outputs = host.prompt(graph, on_event)
    last = next(number for number, part in graph.items() if part["class_type"] == "SaveImage")
    return host.view(outputs[last]["images"][0])


def panels(result):
    """The pictures by name, and all three in a row, at the drawing's size."""
    from PIL import Image  # not part of a bare Python, which only wants to read our --help

    line = Image.open(WORKFLOWS / LINE).convert("RGB")
    strokes = Image.open(WORKFLOWS / GUIDANCE).convert("RGBA").resize(line.size, Image.Resampling.NEAREST)
    guidance = line.copy()
    guidance.paste(strokes, mask=strokes)
    pictures = {"line": line, "guidance": guidance, "result": Image.open(io.BytesIO(result)).convert("RGB")}
    row = Image.new("RGB", (3 * line.width, line.height), "white")
    for place, picture in enumerate(pictures.values()):
        row.paste(picture, (place * line.width, 0))
    return {**pictures, "demo": row}


def show_step(kind, data):
    if kind == "progress" and data["max"] > 1:
        print(f"  step {data['value']} of {data['max']}", flush=True)
