"""Extracts line art through the real ComfyUI: `python run.py lines --help`."""

import argparse
import sys
from pathlib import Path

from . import graphs, pictures
from .server import Host


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="run.py lines",
        description="Extracts black lines on white. Results are OUT/<name>.png at each picture's own size. "
        "Run it again to go on where it was stopped.",
        epilog="example: python run.py lines photos --method xdog --out lines",
    )
    parser.add_argument("image", nargs="+", metavar="IMAGE", help="pictures, or folders of them")
    parser.add_argument("--method", default="xdog", metavar="M", help="a method of the node LineExtract (xdog)")
    parser.add_argument("--network", metavar="FILE", help="the network's file, for the methods that draw with one")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for the results")
    options = parser.parse_args(arguments)
    try:
        options.image = pictures.find(options.image)
    except ValueError as error:
        parser.error(str(error))
    if options.network and not Path(options.network).is_file():
        parser.error(f"--network: there is no file {options.network}.")
    return options


def main(arguments):
    options = parse(arguments)
    open_ = pictures.still_open(options.image, options.out)
    if not open_:
        return 0
    with Host() as host:
        info = host.object_info()
        network = host.add_model(options.network) if options.network else None
        try:
            graphs.lines(info, "", options.method)
        except ValueError as error:
            sys.exit(f"--method: {error}")

        def work(picture, on_event):
            uploaded = host.upload(picture, "picture" + picture.suffix)
            graph = graphs.lines(info, uploaded, options.method, network)
            return host.view(host.prompt(graph, on_event)["result"]["images"][0])

        return pictures.process(open_, options.out, work)
