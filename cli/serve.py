"""The real ComfyUI with this pack, for the browser: `python run.py serve --help`."""

import argparse
from pathlib import Path

from .server import Host
from .setup import cache_folder

PORT = 8189  # beside a ComfyUI of the user's own, which takes 8188


def main(arguments):
    parser = argparse.ArgumentParser(
        prog="run.py serve",
        description="Starts the real ComfyUI with these nodes and prints its address. Ctrl-C ends it.",
        epilog="example: python run.py serve",
    )
    parser.add_argument("--port", type=int, default=PORT, metavar="N", help=f"default: {PORT}")
    parser.add_argument(
        "--base",
        type=Path,
        default=cache_folder() / "serve",
        metavar="DIR",
        help="folder for its inputs, outputs, workflows and models (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    with Host(base=options.base, port=options.port) as host:
        print(f"ComfyUI is at {host.url} - pictures go to {host.base / 'output'}. Ctrl-C ends it.", flush=True)
        try:
            host.process.wait()
        except KeyboardInterrupt:
            return 0
        host.check()
