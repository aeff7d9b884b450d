"""Import of the pack, its node list and schemas, on top of a host that has imported what it always does."""

import os
import statistics
import subprocess
import sys
from pathlib import Path

from . import Row

LIMIT = 0.3
RUNS = 5
ROOT = Path(__file__).resolve().parents[2]
PROBE = """
import asyncio, importlib.util, sys, time
host, pack = sys.argv[1:]
sys.path.insert(0, host)
import torch
from comfy.cli_args import args
args.cpu = args.cpu or not torch.cuda.is_available()
import nodes, comfy.sd, comfy.sample, latent_preview, folder_paths, comfy_api.latest

start = time.perf_counter()
spec = importlib.util.spec_from_file_location("pack", pack + "/__init__.py", submodule_search_locations=[pack])
module = sys.modules["pack"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)

async def load():
    extension = await module.comfy_entrypoint()
    await extension.on_load()
    return [node.GET_SCHEMA() for node in await extension.get_node_list()]

asyncio.run(load())
print(time.perf_counter() - start)
"""


def run():
    host = os.environ.get("COMFYUI_PATH")
    if not host:
        raise RuntimeError("This benchmark runs inside ComfyUI: name its folder with --comfyui.")
    command = [sys.executable, "-c", PROBE, host, str(ROOT)]
    times = []
    for _ in range(RUNS):
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=host)
        times.append(float(done.stdout.split()[-1]))
    seconds = statistics.median(times)
    yield Row("import of the pack", seconds, "s", "limit, on top of the host", LIMIT, LIMIT / seconds, 1.0)
