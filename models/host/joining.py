"""ComfyUI in a process that it did not start: run.py's commands join it before they import anything of it."""

import os
import sys

import torch


def join_host():
    """Makes ComfyUI importable in this process, on the CPU if there is nothing else, with attention as on a GPU."""
    host = os.environ.get("COMFYUI_PATH")
    if not host:
        raise RuntimeError("This runs inside ComfyUI: name its folder with --comfyui.")
    if host not in sys.path:
        sys.path.insert(0, host)
    from comfy.cli_args import args

    args.cpu = args.cpu or not torch.cuda.is_available()
    args.use_pytorch_cross_attention = True
