"""Loads the pack the way the host does: by file spec, whatever the checkout's folder is called."""

import importlib.util
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOST = os.environ.get("COMFYUI_PATH")

if HOST:
    sys.path.insert(0, HOST)
    from comfy.cli_args import args

    args.cpu = True  # must stand before anything imports comfy.model_management

spec = importlib.util.spec_from_file_location(
    "lineart_colorize", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
)
pack = importlib.util.module_from_spec(spec)
sys.modules["lineart_colorize"] = pack
spec.loader.exec_module(pack)
